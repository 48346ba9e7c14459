"""Records: one quarantined record as people may see it: its texts with the findings where they stand, credentials covered.

What is covered is covered before it leaves this module: a page or a file never holds what it does not show.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from decontam.errors import DecontamError, InputError
from decontam.files import open_bytes
from decontam.folders import Folder
from decontam.layout import Layout, Unreadable
from decontam.recall import findings_of
from decontam.redaction import merged, redacted
from decontam.types import PROVENANCE, Field, Finding, Record, Redaction, Span

COVER = "\N{BULLET}"
"""Stands for each character of a credential."""

_COVERED = "secrets"  # the stage whose values are covered
_SHORTEST = 6  # characters of a value that is covered wherever else it stands, too
_BROKEN = (pa.ArrowException, OSError, ValueError)


class Text(NamedTuple):
    """One text of a record. `screened` says whether the stages looked at it."""

    path: str
    text: str
    role: str | None
    screened: bool


@dataclass(frozen=True)
class Held:
    """A record with its evidence. The spans of `findings` are characters of these `texts`, where their text is there.

    `hidden` counts credentials that are covered in the texts. `problem` says why there are no texts.
    """

    shard: str
    row: int
    id: str
    action: str
    findings: tuple[Finding, ...]
    texts: tuple[Text, ...]
    exact: bool
    hidden: int = 0
    problem: str = ""

    @property
    def lead(self) -> Finding | None:
        """The finding that weighs most."""
        return max(self.findings, key=lambda finding: (finding.strength, finding.score, finding.name), default=None)


class Records:
    """The records of a run's quarantine, by shard and position in its table. Any thread may ask."""

    def __init__(self, folder: Folder, manifest: Mapping[str, Any]) -> None:
        given = manifest["config"]["input"]
        self._folder = folder
        self._layout = Layout(tuple(given["text_key"]), given["id_key"], given["screen"] == "all-strings", tuple(given["provenance_keys"]))
        self._placeholder = manifest["config"]["policy"]["placeholder"]

    def read(self, shard: str, position: int, covered: bool = True) -> Held:
        """One record; with `covered`, its credentials are not in it. Raises InputError where the table cannot be read."""
        return next(iter(self.read_all(shard, [position], covered)))

    def read_all(self, shard: str, positions: Sequence[int], covered: bool = True) -> Iterable[Held]:
        """Records of one shard, at ascending positions."""
        path = self._folder.path(f"quarantine/{shard}.parquet")
        try:
            with open_bytes(path) as file:
                table = pq.ParquetFile(file)
                starts = [0]
                for group in range(table.num_row_groups):
                    starts.append(starts[-1] + table.metadata.row_group(group).num_rows)
                for group, its in groupby(positions, lambda position: bisect_right(starts, position) - 1):
                    rows = table.read_row_group(group, use_threads=False)
                    for position in its:
                        yield self._held(rows.slice(position - starts[group], 1).to_pylist()[0], covered)
        except (*_BROKEN, IndexError) as error:
            raise InputError(f"{path}: {' '.join(str(error).split())[:200]}; the quarantine of that run is not as it was") from None

    def _held(self, row: Mapping[str, Any], covered: bool) -> Held:
        findings = tuple(findings_of(row))
        about = row["source"], row["row"], row["id"], row["action"]
        if row["record"] is None:
            return Held(*about, findings, (), row["exact"], problem="This run kept no originals (quarantine.original: drop).")
        texts, problem = self._texts(row)
        if not row["exact"]:
            findings = moved(findings, self._placeholder)
        hidden = [finding for finding in findings if finding.stage == _COVERED] if row["exact"] else []
        if covered and hidden:
            known = _covering(texts, hidden)
            texts, problem = ([], f"{problem} It holds credentials that cannot be covered.".strip()) if known is None else (known, problem)
        return Held(*about, findings, tuple(texts), row["exact"], len(hidden) if covered else 0, problem)

    def _texts(self, row: Mapping[str, Any]) -> tuple[list[Text], str]:
        """The texts that were screened, in their order, then what else the record holds."""
        line = None
        try:
            if row["format"] == "arrow":
                from decontam.parquet import values_of

                value: Any = values_of(row["record"])
            else:
                line = row["record"]
                value = self._layout.whole(line)
            record = self._layout.record(value, row["source"], row["row"], line) if isinstance(value, dict) else value
        except DecontamError as error:
            return [Text("(record)", row["record"].decode("utf-8", "replace"), None, False)], str(error)
        if not isinstance(record, Record):
            why = record.message if isinstance(record, Unreadable) else "it is no object"
            return [Text("(record)", row["record"].decode("utf-8", "replace"), None, False)], f"The record cannot be read: {why}."
        screened = [Text(field.path, field.text, field.role, field.role != PROVENANCE) for field in record.fields]
        return [*screened, *_others(value, record.fields)], ""


def _others(value: Mapping[str, Any], fields: Sequence[Field]) -> Iterable[Text]:
    """The columns that hold none of the fields, as JSON where they are no text."""
    for name, inner in value.items():
        if not any(path == name or path.startswith((f"{name}.", f"{name}[")) for path, _, _ in fields):
            is_json = inner is None or isinstance(inner, (bool, int, float, list, dict))
            yield Text(name, json.dumps(inner, ensure_ascii=False, default=str) if is_json else str(inner), None, False)


def moved(findings: Sequence[Finding], placeholder: str) -> tuple[Finding, ...]:
    """Findings where they stand in a record whose credentials were replaced by placeholders before it was held.

    What lay in a credential is its placeholder now.
    """
    cuts: dict[str, list[tuple[Span, int]]] = {}
    for cut in merged((finding, "type") for finding in findings if finding.stage == _COVERED and finding.strength):
        cuts.setdefault(cut.field, []).append((cut.span, len(placeholder.format(kind=cut.finding.kind))))
    return tuple(_moved(finding, cuts.get(finding.field, [])) for finding in findings)


def _moved(finding: Finding, cuts: Sequence[tuple[Span, int]]) -> Finding:
    start, end, shift = finding.span.start, finding.span.end, 0
    new_start, new_end = start, end
    for span, length in cuts:
        if span.start >= end:
            break
        if span.end <= start:
            shift += length - (span.end - span.start)
            new_start, new_end = start + shift, end + shift
            continue
        new_start = min(new_start, span.start + shift)
        shift += length - (span.end - span.start)
        new_end = max(span.end, end) + shift
    return replace(finding, span=Span(new_start, new_end))


def _covering(texts: Sequence[Text], hidden: Sequence[Finding]) -> list[Text] | None:
    """The texts with credentials covered where they were found and wherever else their values stand.

    None where one of them is not among the texts: then nobody knows what would have to be covered.
    """
    spans: dict[str, list[Span]] = {}
    for cut in merged((finding, "type") for finding in hidden):
        spans.setdefault(cut.field, []).append(cut.span)
    there = {text.path: text.text for text in texts}
    if not spans.keys() <= there.keys():
        return None
    values = {there[finding.field][slice(*finding.span)] for finding in hidden}
    forms = {form for value in values for form in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])}
    elsewhere = re.compile("|".join(map(re.escape, sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True))))
    done = []
    for text in texts:
        cuts = [Redaction(text.path, span, COVER * len(text.text[slice(*span)])) for span in spans.get(text.path, ())]
        shown = redacted(text.text, cuts)
        done.append(text._replace(text=elsewhere.sub(lambda match: COVER * len(match[0]), shown) if elsewhere.pattern else shown))
    return done


class Segment(NamedTuple):
    """A piece of a text, and the numbers of the findings that cover it."""

    text: str
    findings: tuple[int, ...]


def segments(text: str, marks: Iterable[tuple[int, Span]], start: int = 0, end: int | None = None) -> list[Segment]:
    """The characters from `start` to `end`, cut wherever one of the numbered spans begins or ends.

    >>> segments("write to a@b.cn now", [(7, Span(9, 15))])
    [Segment(text='write to ', findings=()), Segment(text='a@b.cn', findings=(7,)), Segment(text=' now', findings=())]
    """
    end = len(text) if end is None else min(end, len(text))
    opens: dict[int, list[int]] = {}
    closes: dict[int, list[int]] = {}
    for number, span in marks:
        first, last = max(span.start, start), min(span.end, end)
        if first < last:
            opens.setdefault(first, []).append(number)
            closes.setdefault(last, []).append(number)
    pieces, inside, at = [], dict[int, None](), start
    for edge in sorted({*opens, *closes, end}):
        if edge > at:
            pieces.append(Segment(text[at:edge], tuple(inside)))
            at = edge
        for number in closes.get(edge, ()):
            del inside[number]
        inside.update(dict.fromkeys(opens.get(edge, ())))
    return pieces
