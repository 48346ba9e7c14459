"""Rows that our Beam transforms take and give. All but `Line` have schemas, so files and tables can be made of them.

Beam reads annotations as types: no `from __future__ import annotations` here, and no `str | None`, which it takes for anything.
"""

import base64
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Optional

from apache_beam.coders import PickleCoder, RowCoder
from apache_beam.coders.typecoders import registry

from decontam.evidence import finding_row, verdict_row
from decontam.jsontext import line_of
from decontam.layout import Unreadable
from decontam.types import Verdict


class Line(NamedTuple):
    """A record of a shard as a line of JSON. `row` is its number in the shard, `size` the bytes it takes there.

    Where a record could not be read `reason` and `message` say why, and `line` is empty.
    """

    source: str
    row: int
    line: bytes
    size: int
    reason: str = ""
    message: str = ""


class Quarantined(NamedTuple):
    """A document that was taken out. `document` is JSON text: the original where `exact`, else without credentials.

    It is null where the configuration keeps no original. `evidence` is what `decontam scan --json` says of it.
    """

    id: str
    source: str
    action: str
    reason: str
    document: Optional[str]
    exact: bool
    evidence: str


class Found(NamedTuple):
    """One finding, in a document of any fate; offsets in characters of the original text of the field. No text."""

    id: str
    source: str
    outcome: str
    field: str
    stage: str
    rule: str
    kind: str
    provider: Optional[str]
    strength: str
    score: float
    start: int
    end: int
    revision: str
    detail: str


class Errored(NamedTuple):
    """A document that could not be screened, and why. `raw` is the line, or the document as JSON text.

    `raw_base64` stands for bytes that are no text. A record too large to be handed on is empty here; it is still in its
    shard, at its row.
    """

    id: str
    source: str
    reason: str
    message: str
    raw: Optional[str]
    raw_base64: Optional[str]


class Counted(NamedTuple):
    """Pages of a site, by language and bin of score, as the tables `sites/` of a run have them; see `decontam.sites`. They add up."""

    site: str
    language: str
    bin: int
    pages: int


class Judged(NamedTuple):
    """What all pages of a site together say, as `decontam sites --json` puts it."""

    site: str
    pages: int
    scored: int
    abstained: int
    exempt: int
    share: Optional[float]
    low: Optional[float]
    high: Optional[float]
    evidence: Optional[float]
    decision: str


for _row in (Quarantined, Found, Errored, Counted, Judged):
    registry.register_coder(_row, RowCoder)
registry.register_coder(Line, PickleCoder)  # rows come out of a coder in a class of its own, and we know lines by theirs


def _writable(text: str) -> str:
    """Ids and names may hold lone surrogates, rows may not."""
    return text.encode("utf-8", "replace").decode()


def quarantined(id: str, source: str, reason: str, verdict: Verdict, document: Any, exact: bool) -> Quarantined:
    """The row of a document that was taken out; `document` is what may be kept of it."""
    text = None if document is None else line_or_null(document).decode()
    evidence = line_of(verdict_row(id, verdict)).decode()
    return Quarantined(_writable(id), _writable(source), verdict.action.name.lower(), reason, text, exact, evidence)


def found(id: str, source: str, outcome: str, verdict: Verdict) -> Iterable[Found]:
    """A row for each finding."""
    for finding in verdict.findings:
        said = finding_row(finding)
        said |= {"field": _writable(finding.field), "detail": line_of(said["detail"]).decode()}
        yield Found(id=_writable(id), source=_writable(source), outcome=outcome, **said)


def errored(id: str, source: str, error: Unreadable, raw: bytes) -> Errored:
    """The row of a document that could not be screened."""
    text = encoded = None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        encoded = base64.b64encode(raw).decode()
    return Errored(_writable(id), _writable(source), error.reason, _writable(error.message), text, encoded)


def line_or_null(document: Any) -> bytes:
    """A document as a line of JSON, or as it is if it is one."""
    try:
        return document if isinstance(document, bytes) else line_of(document)
    except (ValueError, RecursionError):  # it holds itself, or is nested too deeply for anybody
        return b"null"


def plain(value: Any) -> Any:
    """A row of any make as an object; texts, lines and objects as they are."""
    try:
        return _plain(value)
    except RecursionError:
        return Unreadable("malformed", "nested too deeply to be read")


def _plain(value: Any) -> Any:
    row = _row_of(value)
    if row is not None:
        return {name: _plain(inner) for name, inner in row.items()}
    if isinstance(value, dict):
        return value if type(value) is dict else dict(value)
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def like(value: Any, document: Any) -> Any:
    """The way back: `document` in the make of `value`.

    >>> from apache_beam import Row
    >>> like(Row(text="to a@b.de", tags=("x",)), {"text": "to <EMAIL>", "tags": ["x"]})
    Row(text='to <EMAIL>', tags=('x',))
    """
    row = _row_of(value)
    if row is not None:
        return type(value)(**{name: like(inner, document[name]) for name, inner in row.items()})
    if isinstance(value, (list, tuple)):
        return type(value)(like(inner, new) for inner, new in zip(value, document, strict=True))
    return document


def _row_of(value: Any) -> Mapping[str, Any] | None:
    if hasattr(value, "_asdict"):
        return value._asdict()
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None
