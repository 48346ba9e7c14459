"""Imports: verdicts that come back from where a dump was judged: filled-in lines or tables, exports of Argilla and Label Studio.

All of a file is read and checked before anything of it counts.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from decontam.errors import InputError, did_you_mean
from decontam.quarantine.dump import CHOICES
from decontam.quarantine.index import Index
from decontam.quarantine.verdicts import DONE, Event, Verdicts

_KNOWN = (*CHOICES, "note")


class Imported(NamedTuple):
    """How many verdicts were added, how many stood already, how many came too late."""

    added: int
    known: int
    late: int


def read(path: str | Path, reviewer: str) -> tuple[list[Event], int]:
    """The verdicts in a file or a folder of Argilla's, and how many entries have none.

    Raises InputError, which says where, for an entry that cannot be one.
    """
    found, blank = [], 0
    for place, entry, who in _entries(Path(path), reviewer):
        verdict = str(entry.get("verdict") or "").strip().lower()
        if not verdict:
            blank += 1
            continue
        if verdict not in _KNOWN:
            raise InputError(f"{place}: {verdict!r} is no verdict; write one of {', '.join(_KNOWN)}{did_you_mean(verdict, _KNOWN)}")
        found.append(_event(place, entry, verdict, who))
    return found, blank


def _event(place: str, entry: Mapping[str, Any], verdict: str, reviewer: str) -> Event:
    try:
        shard, row = _bare(entry["shard"]), int(entry["row"])
        said = entry.get("probability")
        probability = None if said in (None, "") else float(str(said))
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{place}: shard, row and probability must be as they were in the dump") from None
    if probability is not None and not 0 < probability <= 1:
        raise InputError(f"{place}: {probability} is no probability; leave it as it was in the dump")
    return Event(shard, row, verdict, reviewer, why=_bare(entry.get("why") or ""), probability=probability, origin="import")


def _bare(value: Any) -> str:
    """Without the mark that keeps spreadsheets from computing."""
    text = str(value)
    return text[1:] if text.startswith("'") and text[1:2] in {"=", "+", "-", "@", "\t", "\r"} else text


def _entries(path: Path, reviewer: str) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    file = path / "records.json" if path.is_dir() else path
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8; export it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    if file.suffix.lower() == ".csv":
        yield from _of_table(file, text, reviewer)
    elif text.lstrip()[:1] == "[":
        for number, item in enumerate(_parsed(text, str(file)), 1):
            yield from _of_item(f"{file}, entry {number}", item, reviewer)
    else:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield from _of_item(f"{file}, line {number}", _parsed(line, f"{file}, line {number}"), reviewer)


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{place}: not JSON: {error}") from None


def _of_table(file: Path, text: str, reviewer: str) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    csv.field_size_limit(1 << 30)
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if missing := {"shard", "row", "verdict"} - set(rows.fieldnames or ()):
        raise InputError(f"{file}: no column {', '.join(sorted(missing))}; keep the columns of the dump, separated by commas")
    for row in rows:
        yield f"{file}, line {rows.line_num}", row, reviewer


def _of_item(place: str, item: Any, reviewer: str) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    if not isinstance(item, dict):
        raise InputError(f"{place}: an entry is an object")
    if isinstance(item.get("annotations"), list) and isinstance(item.get("data"), dict):
        yield from _of_label_studio(place, item, reviewer)
    elif isinstance(item.get("responses"), dict) and isinstance(item.get("metadata"), dict):
        yield from _of_argilla(place, item, reviewer)
    else:
        yield place, item, reviewer


def _of_argilla(place: str, item: Mapping[str, Any], reviewer: str) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """`argilla.Dataset.records.to_json`: a response for each question and user."""
    answers: dict[str, dict[str, Any]] = {}
    for question in ("verdict", "why"):
        for response in item["responses"].get(question) or ():
            answers.setdefault(str(response.get("user_id") or ""), {})[question] = response.get("value")
    for user, said in answers.items() or [("", {})]:
        yield place, {**item["metadata"], **said}, _who(reviewer, user, len(answers))


def _of_label_studio(place: str, item: Mapping[str, Any], reviewer: str) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """An export as JSON: annotations with a choice and perhaps a text."""
    given = [annotation for annotation in item["annotations"] if not annotation.get("was_cancelled")]
    for annotation in given or [{}]:
        said: dict[str, Any] = {}
        for result in annotation.get("result") or ():
            value = result.get("value") or {}
            if result.get("from_name") == "verdict" and value.get("choices"):
                said["verdict"] = value["choices"][0]
            elif result.get("from_name") == "why" and value.get("text"):
                said["why"] = value["text"] if isinstance(value["text"], str) else "\n".join(map(str, value["text"]))
        by = annotation.get("completed_by")
        user = by.get("email") or by.get("id") if isinstance(by, dict) else by
        yield place, {**item["data"], **said}, _who(reviewer, str(user or ""), len(given))


def _who(reviewer: str, user: str, several: int) -> str:
    """Users of a tool are told apart where several judged a record."""
    return f"{reviewer}/{user}" if several > 1 and user else reviewer


def _said(event: Event) -> tuple[str, int, str, str, str]:
    return event.shard, event.row, event.verdict, event.reviewer, event.why


def take(index: Index, log: Verdicts, events: Iterable[Event]) -> Imported:
    """Add the verdicts to the log, but for those that are there already and those on records that are gone.

    Raises InputError where a record is not in this quarantine; then none was added.
    """
    given = list(events)
    there = index.numbers_of({(event.shard, event.row) for event in given})
    for event in given:
        if (event.shard, event.row) not in there:
            raise InputError(f"row {event.row} of {event.shard!r} is not in this quarantine; import into the run that the dump is of")
    current = log.current()
    stands = set(map(_said, (*current.values(), *(event for event in log.events() if event.verdict == "note"))))
    late = [event for event in given if (now := current.get((event.shard, event.row))) and now.verdict in DONE]
    fresh = [event for event in given if event not in late and _said(event) not in stands]
    log.add(fresh)
    return Imported(len(fresh), len(given) - len(fresh) - len(late), len(late))
