"""One transform in a Beam pipeline.

    kept, quarantined, findings, errors = documents | Decontaminate()

Documents are texts, objects, lines of JSON as bytes, or rows of any make; what is kept has the type that it had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from random import getrandbits
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection, TaggedOutput

from decontam.adapters.beam_rows import Errored, Found, Line, Quarantined, errored, found, like, line_or_null, plain, quarantined
from decontam.config import Config, load_config
from decontam.documents import Documents, Screened, count_in
from decontam.layout import Unreadable
from decontam.tally import COUNTERS, OUTCOMES, Tally
from decontam.types import Action

NAMESPACE = "decontam"


class Decontaminated(NamedTuple):
    """What becomes of a collection of documents; each is in exactly one of `kept`, `quarantined`, `errors`, or dropped."""

    kept: PCollection
    """Documents that may go on, redacted where they had to be; of the type that came in."""
    quarantined: PCollection
    """`Quarantined`: what was taken out, with its evidence."""
    findings: PCollection
    """`Found`: one row for each finding, also in what is kept; no text."""
    errors: PCollection
    """`Errored`: what could not be screened, with its content."""


class Decontaminate(beam.PTransform):
    """Screens documents; nothing is raised because of one, and each keeps its window and time.

    `config` is a file, the name of one that comes with decontam, or a Config; `overrides` is merged into it. `source` is
    what rules of the policy call the place that documents come from; lines of ReadShards bring their own. Rules are
    compiled once in each process. Counters and distributions are in the namespace `decontam`, under the names of
    a tally: `outcomes/kept`, `findings/pii/email.address`.

    Raises ConfigError.
    """

    def __init__(self, config: str | Config | None = None, overrides: Mapping[str, Any] | None = None, source: str = "") -> None:
        super().__init__()
        given = config if isinstance(config, Config) else load_config(config, overrides)
        self._screen = _Screen(Documents(given.to_dict()), source)

    def expand(self, documents: PCollection) -> Decontaminated:
        screen = beam.ParDo(self._screen).with_output_types(documents.element_type, quarantined=Quarantined, findings=Found, errors=Errored)
        outputs = documents | "Screen" >> screen.with_outputs("quarantined", "findings", "errors", main="kept")
        return Decontaminated(outputs.kept, outputs.quarantined, outputs.findings, outputs.errors)


class _Screen(beam.DoFn):
    def __init__(self, documents: Documents, source: str) -> None:
        self._documents, self._source = documents, source

    def setup(self) -> None:
        _ = self._documents.chain  # compiled before the first document, not on its time
        self._numbers = count(getrandbits(62))  # rows have no order here, but an id must be nobody else's
        self._sizes = {outcome: Metrics.distribution(NAMESPACE, f"bytes/{outcome}") for outcome in OUTCOMES}

    def start_bundle(self) -> None:
        self._tally = Tally()

    def process(self, element: Any) -> Iterable[Any]:
        if isinstance(element, Line):
            source, row, size = element.source, element.row, element.size
            document: Any = Unreadable(element.reason, element.message) if element.reason else element.line
        else:
            source, row, document = self._source, next(self._numbers), plain(element)
            size = len(line_or_null(document))
        screened = self._documents.screen(document, source, row)
        count_in(self._tally, screened, size)
        self._sizes[screened.outcome].update(size)
        if screened.verdict is not None and not screened.verdict.findings:
            return (element,)
        return self._outputs(element, document, source, screened)

    def _outputs(self, element: Any, document: Any, source: str, screened: Screened) -> Iterable[Any]:
        id, outcome, changed, verdict, error = screened
        if verdict is None or error is not None:
            raw = element.line if isinstance(element, Line) else line_or_null(element)
            yield TaggedOutput("errors", errored(id, source, error or Unreadable("stage_failed", ""), raw))
            return
        if verdict.action <= Action.TAG:
            yield element
        elif verdict.action == Action.REDACT:
            yield element._replace(line=changed) if isinstance(element, Line) else like(element, changed)
        elif verdict.action == Action.QUARANTINE:
            held = self._documents.held(document, verdict)
            yield TaggedOutput("quarantined", quarantined(id, source, screened.reason, verdict, held, held is document))
        for row in found(id, source, outcome, verdict):
            yield TaggedOutput("findings", row)

    def finish_bundle(self) -> None:
        """Counted once for each bundle that succeeds; what a failed one had counted is gone with it."""
        Metrics.counter(NAMESPACE, "records").inc(self._tally.records)
        Metrics.counter(NAMESPACE, "bytes").inc(self._tally.bytes)
        for name in COUNTERS:
            for label, number in getattr(self._tally, name).items():
                Metrics.counter(NAMESPACE, f"{name}/{label}").inc(number)


class _Named(beam.PTransform):
    """The outputs as a mapping, as Beam YAML takes them."""

    def __init__(self, inner: Decontaminate, names: Mapping[str, str]) -> None:
        super().__init__()
        self._inner, self._names = inner, names

    def expand(self, documents: PCollection) -> dict[str, PCollection]:
        outputs = (documents | self._inner)._asdict()
        return {name: outputs[output] for output, name in self._names.items()}


def from_yaml(
    config: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    source: str = "",
    outputs: Iterable[str] | None = None,
    error_handling: Mapping[str, Any] | None = None,
) -> beam.PTransform:
    """Decontaminate for Beam YAML.

    Args:
      config: A config file, or the name of one that comes with decontam.
      overrides: Options merged into it.
      source: What the policy calls the place that documents come from.
      outputs: Those to hand out, of kept, quarantined, findings, errors; all by default. A chain needs `[kept]`.
      error_handling: `output` is the name that errors get.
    """
    names = {output: output for output in outputs or Decontaminated._fields}
    if error_handling:
        names["errors"] = error_handling["output"]
    return _Named(Decontaminate(config, overrides, source), names)
