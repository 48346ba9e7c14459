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

from decontam.adapters.beam_rows import Counted, Errored, Found, Line, Quarantined, errored, found, like, line_or_null, plain, quarantined
from decontam.config import Config, load_config
from decontam.documents import Documents, Screened, count_in
from decontam.layout import Unreadable
from decontam.sites import page_of
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


class DecontaminatedPages(NamedTuple):
    """What becomes of a collection of documents, and how its pages count towards their sites; see Decontaminated."""

    kept: PCollection
    quarantined: PCollection
    findings: PCollection
    errors: PCollection
    pages: PCollection
    """`Counted`: one for each page that has a site, for `beam_sites.JudgeSites`."""


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
        return Decontaminated(*_screened(documents, self._screen, quarantined=Quarantined, findings=Found, errors=Errored))


class DecontaminatePages(beam.PTransform):
    """Decontaminate, with one output more: how pages count towards their sites, where `input.url_key` says whose they are.

    Raises ConfigError.
    """

    def __init__(self, config: str | Config | None = None, overrides: Mapping[str, Any] | None = None, source: str = "") -> None:
        super().__init__()
        given = config if isinstance(config, Config) else load_config(config, overrides)
        self._screen = _Screen(Documents(given.to_dict()), source, pages=True)

    def expand(self, documents: PCollection) -> DecontaminatedPages:
        rows = {"quarantined": Quarantined, "findings": Found, "errors": Errored, "pages": Counted}
        return DecontaminatedPages(*_screened(documents, self._screen, **rows))


def _screened(documents: PCollection, screen: _Screen, **rows: type) -> list[PCollection]:
    """What is kept, and the collections of rows, in their order."""
    work = beam.ParDo(screen).with_output_types(documents.element_type, **rows)
    outputs = documents | "Screen" >> work.with_outputs(*rows, main="kept")
    return [outputs[name] for name in ("kept", *rows)]


class _Screen(beam.DoFn):
    def __init__(self, documents: Documents, source: str, pages: bool = False) -> None:
        self._documents, self._source, self._pages = documents, source, pages

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
        if screened.verdict is not None and not screened.verdict.findings and not self._pages:
            return (element,)
        return self._outputs(element, document, source, screened)

    def _outputs(self, element: Any, document: Any, source: str, screened: Screened) -> Iterable[Any]:
        id, outcome, changed, verdict, error, record = screened
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
        page = page_of(record, verdict) if self._pages and record is not None else None
        if page is not None:
            yield TaggedOutput("pages", Counted(*page, 1))

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
