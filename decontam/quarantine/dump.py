"""Dumps: records of a quarantine for people who judge them elsewhere; as a page, lines, a table, or tasks for two annotation tools.

Every entry says where its record is and with which probability it was drawn, so that verdicts come back to it (see `imports`).
Credentials are covered. Long texts are cut to what is around their findings.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import IO, Any
from xml.sax.saxutils import quoteattr

from decontam.evidence import finding_row
from decontam.quarantine.index import Index
from decontam.quarantine.records import Held, Records, Text
from decontam.quarantine.sample import Drawn
from decontam.types import Finding, Span

CHOICES = {"confirm": "Confirm: rightly taken out", "release": "Release: give it back", "unsure": "Unsure"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LONGEST = 20_000  # characters of a text
_EXCERPT = 300  # characters of the text beside a verdict in a table
_BATCH = 512


@dataclass(frozen=True)
class Entry:
    """A record in a dump."""

    drawn: Drawn
    held: Held

    @property
    def name(self) -> str:
        return f"{self.held.shard}:{self.held.row}"


def entries(index: Index, records: Records, drawn: Sequence[Drawn]) -> Iterator[Entry]:
    """The records of a sample, covered, in order of their numbers."""
    for start in range(0, len(drawn), _BATCH):
        batch = {each.number: each for each in drawn[start : start + _BATCH]}
        for shard, spots in groupby(index.spots(list(batch)), lambda spot: spot.shard):
            here = list(spots)
            for spot, held in zip(here, records.read_all(shard, [spot.position for spot in here]), strict=True):
                yield Entry(batch[spot.number], held)


def excerpt(text: Text, findings: Iterable[Finding], most: int = _LONGEST) -> tuple[int, str]:
    """A text that is not too long, and at which of its characters it begins: somewhat before the first finding."""
    if len(text.text) <= most:
        return 0, text.text
    first = min((finding.span.start for finding in findings if finding.field == text.path), default=0)
    start = max(0, min(first - most // 4, len(text.text) - most))
    return start, text.text[start : start + most]


def plain(entry: Entry) -> dict[str, Any]:
    """An entry as JSON-safe values. Spans are characters of the whole text, which is cut to begin at `from`."""
    held = entry.held
    fields = []
    for text in held.texts:
        start, shown = excerpt(text, held.findings)
        about = {"path": text.path, "role": text.role, "screened": text.screened}
        fields.append({**about, "text": shown, "from": start, "characters": len(text.text)})
    return {
        "shard": held.shard,
        "row": held.row,
        "id": held.id,
        "stratum": entry.drawn.stratum,
        "probability": entry.drawn.probability,
        "findings": [finding_row(finding) for finding in held.findings],
        "fields": fields,
        "hidden": held.hidden,
        "problem": held.problem,
        "verdict": "",
        "why": "",
    }


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def jsonl(given: Iterable[Entry], file: IO[str]) -> None:
    """A line for each entry; `verdict` and `why` are left to fill in."""
    for entry in given:
        file.write(_line(plain(entry)) + "\n")


COLUMNS = ("shard", "row", "id", "stratum", "probability", "rules", "providers", "score", "text", "verdict", "why")


def inert(value: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def table(given: Iterable[Entry], file: IO[str]) -> None:
    """A row for each entry, with what stands around its weightiest finding; `verdict` and `why` are left to fill in."""
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for entry in given:
        held, lead = entry.held, entry.held.lead
        rules = sorted({finding.name for finding in held.findings})
        providers = sorted({finding.provider for finding in held.findings if finding.provider})
        near = next((text for text in held.texts if lead is not None and text.path == lead.field), None)
        shown = excerpt(near, [lead] if lead else [], _EXCERPT)[1] if near else held.problem
        cells = held.shard, held.row, held.id, entry.drawn.stratum, entry.drawn.probability, " ".join(rules), " ".join(providers)
        score = lead.score if lead else ""
        writer.writerow([inert(cell) if isinstance(cell, str) else cell for cell in (*cells, score, shown.replace("\0", "␀"), "", "")])


@dataclass(frozen=True)
class Flat:
    """All screened texts of a record in one, for tools that know one text; with the spans where they are in it."""

    text: str
    spans: tuple[tuple[Finding, Span], ...]


def flat(held: Held) -> Flat:
    """Texts under their paths, where there are several."""
    texts = [text for text in held.texts if text.screened] or list(held.texts)
    pieces: list[str] = []
    spans: list[tuple[Finding, Span]] = []
    at = 0
    for text in texts:
        start, shown = excerpt(text, held.findings)
        head = f"{text.path}{f' ({text.role})' if text.role else ''}\n" if len(texts) > 1 else ""
        begins = at + len(head)
        for finding in held.findings:
            first, last = max(finding.span.start - start, 0), min(finding.span.end - start, len(shown))
            if finding.field == text.path and first < last:
                spans.append((finding, Span(begins + first, begins + last)))
        pieces += (head, shown, "\n\n")
        at = begins + len(shown) + 2
    return Flat("".join(pieces[:-1]) or held.problem or "(no text)", tuple(spans))


def _evidence(held: Held) -> str:
    return "\n".join(
        sorted({f"{f.name}  {f.kind} {f.provider or ''}, {f.strength.name.lower()}".replace(" ,", ",") for f in held.findings})
    )


def _about(entry: Entry) -> dict[str, Any]:
    lead = entry.held.lead
    return {
        "shard": entry.held.shard,
        "row": entry.held.row,
        "record": entry.held.id,
        "stratum": entry.drawn.stratum,
        "probability": entry.drawn.probability,
        "rule": lead.name if lead else "",
    }


def argilla(given: Iterable[Entry]) -> dict[str, Any]:
    """The files of a folder for `argilla.Dataset.from_disk` (Argilla 2), by their names in it."""
    told = list(given)
    labels = sorted({finding.name for entry in told for finding in entry.held.findings})
    questions = [
        _setting("verdict", {"type": "label_selection", "options": [{"value": name, "text": text} for name, text in CHOICES.items()],
                             "visible_options": len(CHOICES)}, required=True),
        _setting("why", {"type": "text", "use_markdown": False}),
        _setting("findings", {"type": "span", "field": "text", "allow_overlapping": True, "visible_options": None,
                              "options": [{"value": name, "text": name} for name in labels or ["(none)"]]}),
    ]  # fmt: skip
    kinds = {"shard": "terms", "row": "integer", "record": "terms", "stratum": "terms", "probability": "float", "rule": "terms"}
    settings = {
        "guidelines": "Was the record rightly taken out of the training data? Credentials are covered.",
        "fields": [_setting("text", _TEXT, required=True), _setting("evidence", _TEXT)],
        "questions": questions,
        "vectors": [],
        "metadata": [{"name": name, "title": name, "settings": {"type": kind}} for name, kind in kinds.items()],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }
    records = []
    for entry in told:
        one = flat(entry.held)
        spans = [{"start": span.start, "end": span.end, "label": finding.name} for finding, span in one.spans]
        records.append({
            "id": entry.name,
            "fields": {"text": one.text, "evidence": _evidence(entry.held)},
            "metadata": _about(entry),
            "suggestions": {"findings": {"value": spans, "agent": "decontam"}} if spans else {},
            "responses": {},
            "vectors": {},
            "status": "pending",
        })  # fmt: skip
    dataset = {"name": "quarantine", "guidelines": settings["guidelines"], "allow_extra_metadata": True}
    return {".argilla/dataset.json": dataset, ".argilla/settings.json": settings, "records.json": records}


_TEXT = {"type": "text", "use_markdown": False}


def _setting(name: str, settings: Mapping[str, Any], required: bool = False) -> dict[str, Any]:
    return {"name": name, "title": name, "description": None, "required": required, "settings": settings}


def label_studio(given: Iterable[Entry]) -> dict[str, Any]:
    """Tasks with pre-annotations for Label Studio, and the labelling interface that shows them."""
    tasks = []
    labels: set[str] = set()
    for entry in given:
        one = flat(entry.held)
        labels |= {finding.name for finding, _ in one.spans}
        found = [
            {"id": str(number), "from_name": "findings", "to_name": "text", "type": "labels", "score": finding.score,
             "value": {"start": span.start, "end": span.end, "text": one.text[slice(*span)], "labels": [finding.name]}}
            for number, (finding, span) in enumerate(one.spans)
        ]  # fmt: skip
        data = {**_about(entry), "text": one.text, "evidence": _evidence(entry.held)}
        tasks.append({"data": data, "predictions": [{"model_version": "decontam", "result": found}] if found else []})
    return {"tasks.json": tasks, "interface.xml": _interface(sorted(labels))}


def _interface(labels: Sequence[str]) -> str:
    lines = [
        "<View>",
        '  <Labels name="findings" toName="text">',
        *(f"    <Label value={quoteattr(label)}/>" for label in labels),
        "  </Labels>",
        '  <Text name="text" value="$text"/>',
        '  <Text name="evidence" value="$evidence"/>',
        '  <Choices name="verdict" toName="text" choice="single" required="true">',
        *(f'    <Choice value="{name}" hotkey="{name[0]}"/>' for name in CHOICES),
        "  </Choices>",
        '  <TextArea name="why" toName="text" maxSubmissions="1"/>',
        "</View>",
    ]
    return "\n".join(lines) + "\n"


Sink = Callable[[Iterable[Entry], IO[str]], None]
LINES: Mapping[str, Sink] = {"jsonl": jsonl, "csv": table}
"""Formats of one file, written entry by entry. The page is in `page`."""

FOLDERS: Mapping[str, Callable[[Iterable[Entry]], dict[str, Any]]] = {"argilla": argilla, "label-studio": label_studio}
"""Formats of several files: their contents by name."""


def encoded(content: Any) -> bytes:
    """A file of a folder; half surrogate pairs, which no file may hold, as question marks."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    return text.encode("utf-8", "replace")


def into(sink: Sink, given: Iterable[Entry], file: IO[bytes]) -> None:
    """Write one file in UTF-8."""
    text = io.TextIOWrapper(file, "utf-8", errors="replace", newline="")
    sink(given, text)
    text.flush()
    text.detach()
