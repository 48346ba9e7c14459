"""What was done to a run since it ended, beside the ledger that tells of it and the log of verdicts that it seals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from decontam.audit.files import Problem
from decontam.folders import Folder
from decontam.quarantine import ledger
from decontam.quarantine.verdicts import DONE, Verdicts


@dataclass
class History:
    """The ledger, read: digests of its entries, the files that were released, what lawfully replaced tables of quarantine."""

    digests: list[str] = field(default_factory=list)
    released: dict[str, dict[str, Any]] = field(default_factory=dict)
    replaced: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name, what the table holds since its last expiry, as a leaf says it."""
    entries: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unsealed: int = 0
    """Verdicts that came after the last entry, which no entry seals."""


def read(folder: Folder, run: str, verdicts: Path | None) -> History:
    """The history of a run. `verdicts` is the log of verdicts, None where nobody said where it lies."""
    history = History()
    previous = run
    for number, line in enumerate(ledger.lines(folder), 1):
        try:
            entry = orjson.loads(line)
            _take(history, entry, number, previous, run)
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            history.problems.append(Problem("changed", ledger.NAME, f"entry {number} cannot be read"))
            break
        previous = ledger.digest_of(line)
        history.digests.append(previous)
    if verdicts is not None:
        history.problems += _verdicts(history, run, verdicts)
    return history


def _take(history: History, entry: dict[str, Any], number: int, previous: str, run: str) -> None:
    if entry["previous"] != previous or entry["number"] != number or entry["run"] != run:
        what = f"entry {number} does not follow the one before it" if entry["run"] == run else f"entry {number} is of another run"
        history.problems.append(Problem("changed", ledger.NAME, what))
    for file in entry["files"]:
        leaf = {
            **file,
            "kind": entry["what"],
            "blocks": [dict(zip(("rows", "size", "digest"), block, strict=True)) for block in file.get("blocks", ())],
        }
        if entry["what"] == "release":
            history.released[file["name"]] = leaf
        elif entry["what"] == "expire":
            earlier = history.replaced.get(file["name"])
            if earlier and earlier["sha256"] != file["before"]:
                history.problems.append(Problem("changed", file["name"], f"entry {number} of the ledger began with another table"))
            history.replaced[file["name"]] = {**leaf, "first": (earlier or {}).get("first", file["before"])}
    history.entries.append(entry)


def _verdicts(history: History, run: str, path: Path) -> Iterator[Problem]:
    """What is wrong with the log of verdicts, as far as entries seal it and it tells of what they did."""
    if not path.exists():
        if any(entry["events"]["count"] or entry["rows"] for entry in history.entries):
            yield Problem("missing", str(path), "the log of verdicts is gone, which the ledger tells of")
        return
    with Verdicts(path) as log:
        events, accesses = log.events(), log.accesses()
    for what, values in (("events", events), ("accesses", accesses)):
        for number in _broken(history, what, values, run):
            yield Problem("changed", str(path), f"{what} that entry {number} of the ledger sealed are not what they were")
    done = {(event.shard, event.row, event.verdict) for event in events if event.verdict in DONE}
    told = {
        (shard, row, ledger.DONE[entry["what"]])
        for entry in history.entries
        if entry["what"] in ledger.DONE
        for shard, rows in entry["rows"].items()
        for row in rows
    }
    if untold := sorted(done - told):
        shard, row, what = untold[0]
        yield Problem("untold", str(path), f"{len(untold)} records are {what} of which no entry of the ledger tells, such as {shard}:{row}")
    if unlogged := sorted(told - done):
        shard, row, what = unlogged[0]
        yield Problem(
            "untold",
            str(path),
            f"{len(unlogged)} records lack the event {what!r}, such as {shard}:{row}; a release or expiry after a kill adds it",
        )
    sealed = max((entry["events"]["count"] for entry in history.entries), default=0)
    history.unsealed = sum(event.verdict not in DONE for event in events[sealed:])


def _broken(history: History, what: str, values: Sequence[Sequence[Any]], run: str) -> Iterator[int]:
    """Numbers of the entries whose seal does not fit."""
    heads = {0: ledger.Chained(run).head}
    chain = ledger.Chained(run)
    for value in values:
        chain.add(list(value))
        heads[chain.count] = chain.head
    for entry in history.entries:
        if heads.get(entry[what]["count"]) != entry[what]["head"]:
            yield entry["number"]
