"""Documents: what a host hands over, a text or an object with texts in it, screened as a line of a shard would be.

Every adapter is a translation into this and out of it; nothing here knows a host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

import orjson

from decontam.chain import Chain
from decontam.config import Config, Quarantine, chain_of, check
from decontam.layout import Layout, Unreadable, layout_of
from decontam.paths import replaced
from decontam.policy import Policy
from decontam.redaction import by_field, of_record, redacted
from decontam.tally import OUTCOME, Tally
from decontam.types import Action, Field, Finding, Record, Redaction, Verdict


class Screened(NamedTuple):
    """What became of a document: one of `tally.OUTCOMES`.

    `document` is what may go on: the document itself, or a copy with its redactions made; None if it is taken out. An
    errored document has no verdict but an `error`. `record` is the document as it was read.
    """

    id: str
    outcome: str
    document: Any
    verdict: Verdict | None
    error: Unreadable | None = None
    record: Record | None = None

    @property
    def reason(self) -> str:
        """Why it is not kept as it was, from a closed set: `signatures_api_payload`, `error_not_text`; empty if it is."""
        if self.error is not None:
            return f"error_{self.error.reason}"
        if self.verdict is None or self.verdict.action <= Action.TAG:
            return ""
        return _named(max(self.verdict.findings, key=lambda finding: (finding.strength, finding.score)))


def _named(finding: Finding) -> str:
    return f"{finding.stage}_{finding.kind}".lower()


@dataclass(frozen=True)
class Documents:
    """A config at work on documents. Plain values, so it can be pickled; rules are compiled where and when they are needed.

    >>> from decontam import load
    >>> load().screen({"text": "Plain words.", "n": 1})
    Screened(id=':0', outcome='kept', document={'text': 'Plain words.', 'n': 1}, ...)
    """

    options: Mapping[str, Any]
    _layout: Layout = field(init=False, repr=False, compare=False)
    _key: bytes = field(init=False, repr=False, compare=False)
    _most: int = field(init=False, repr=False, compare=False)
    _quarantine: Quarantine = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        config = check(dict(self.options))
        object.__setattr__(self, "_layout", layout_of(config))
        object.__setattr__(self, "_most", config.input.max_record_bytes)
        object.__setattr__(self, "_quarantine", config.quarantine)
        object.__setattr__(self, "_key", orjson.dumps(self.options))

    @property
    def config(self) -> Config:
        return check(dict(self.options))

    @property
    def chain(self) -> Chain:
        """Compiled once in each process. Raises RuleError, ConfigError."""
        return _chain(self._key)

    def screen(self, document: Any, source: str = "", row: int = 0, chain: Chain | None = None) -> Screened:
        """What becomes of a text, a Record, an object with texts where the config says, or bytes: such an object as a line of JSON.

        `source` and `row` make the id of a document that has none. A document that cannot be screened is `errored`, and
        so is an Unreadable, which stands for one; nothing is raised. `chain` is its own one, with a stopwatch in it for example.
        """
        if isinstance(document, str):
            record: Record | Unreadable = Record(f"{source}:{row}", (Field("text", document),), {"source": source})
        elif isinstance(document, bytes):
            record = self._read(document, source, row)
        elif isinstance(document, (Record, Unreadable)):
            record = document
        else:
            record = self._layout.record(document, source, row)
        if isinstance(record, Unreadable):
            return Screened(f"{source}:{row}", "errored", None, None, record)
        chain = chain or self.chain  # a wrong config is nobody's document
        try:
            verdict = chain.screen(record)
        except Exception as error:  # noqa: BLE001 - a stage of somebody else's; its message may hold text
            return Screened(record.id, "errored", None, None, Unreadable("stage_failed", f"a stage raised {type(error).__name__}"))
        outcome = OUTCOME[verdict.action]
        if verdict.action <= Action.TAG:
            return Screened(record.id, outcome, document, verdict, record=record)
        if verdict.action == Action.REDACT:
            try:
                return Screened(record.id, outcome, self.redacted(document, verdict.redactions), verdict, record=record)
            except RecursionError:
                return Screened(record.id, "errored", None, None, Unreadable("not_redactable", "nested too deeply to be written again"))
        return Screened(record.id, outcome, None, verdict, record=record)

    def _read(self, line: bytes, source: str, row: int) -> Record | Unreadable:
        most = self._most
        if len(line) > most:
            return Unreadable("too_large", f"{len(line):,} bytes, input.max_record_bytes is {most:,}")
        return self._layout.read(line, source, row)

    def redacted(self, document: Any, redactions: Sequence[Redaction]) -> Any:
        """A copy of a document with the redactions made and everything else as it was; of bytes, every other byte."""
        if isinstance(document, bytes):
            return self._layout.redact(document, tuple(redactions))
        return with_redactions(document, redactions)

    def held(self, document: Any, verdict: Verdict | None) -> Any:
        """What quarantine may keep of a document: all of it, all but its credentials, or nothing: None."""
        if verdict is None:
            return document
        masks = masks_of(self._quarantine, self.chain.policy, verdict)
        return None if masks is None else self.redacted(document, masks) if masks else document

    def screen_all(self, documents: Iterable[Any], source: str = "") -> Iterator[Screened]:
        """The same for any number of documents, one at a time, as they are asked for."""
        return map(self.screen, documents, _repeated(source), count())

    def screen_text(self, text: str) -> Verdict:
        """The verdict on a bare text."""
        return self.chain.screen_text(text)


def _repeated(source: str) -> Iterator[str]:
    while True:
        yield source


@lru_cache(maxsize=8)
def _chain(options: bytes) -> Chain:
    return chain_of(check(orjson.loads(options)))


def masks_of(given: Quarantine, policy: Policy, verdict: Verdict) -> tuple[Redaction, ...] | None:
    """What to mask in a record before quarantine keeps it; None where nothing of it may be kept."""
    if given.original == "drop" or verdict.action == Action.DROP:
        return None
    secrets = [finding for finding in verdict.findings if finding.stage == "secrets" and finding.strength]
    return policy.redactions(secrets) if given.secrets == "drop" else ()


def with_redactions(document: Any, redactions: Iterable[Redaction]) -> Any:
    """A copy of a document with the redactions made and everything else as it was."""
    if isinstance(document, Record):
        return of_record(document, redactions)
    changes = by_field(redactions)
    if isinstance(document, str):
        return redacted(document, changes.get("text", []))
    return replaced(document, changes)


def count_in(tally: Tally, screened: Screened, size: int) -> None:
    """Add a document of `size` bytes to a tally."""
    if screened.verdict is not None and screened.error is None:
        tally.add(screened.verdict, size)
    elif screened.error is not None:
        tally.add_error(screened.error.reason, size)
