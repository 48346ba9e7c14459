"""Why: what became of one record of a run, by which rules and whose word; from its tables and logs, without any text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from decontam import tables
from decontam.errors import InputError, did_you_mean
from decontam.finished import Finished
from decontam.layout import layout_of
from decontam.quarantine import ledger
from decontam.quarantine.verdicts import Event, Verdicts, state_of, verdict_of
from decontam.shards import opened
from decontam.tally import OUTCOME
from decontam.types import Action, Record


def place_of(said: str, run: Finished) -> tuple[str, int] | None:
    """`SHARD:N` as shard and row, where the run has such a shard."""
    shard, colon, row = said.rpartition(":")
    return (shard, int(row)) if colon and row.isdecimal() and shard in run.about["shards"] else None


def of_row(run: Finished, said: str, log: Verdicts | None) -> dict[str, Any]:
    """What became of `SHARD:N`. Raises InputError where there is no such shard or row."""
    place = place_of(said, run)
    if place is None:
        shard = said.rpartition(":")[0]
        raise InputError(f"--row {said!r}: no such shard in that run{did_you_mean(shard, run.about['shards'])}; write SHARD:N, rows from 0")
    shard, row = place
    found = list(tables.rows_where(run.folder, f"findings/{shard}.parquet", "row", row))
    if found:
        return _found(run, shard, found[0], log)
    for error in run.errors(shard):
        if error["row"] == row:
            told = {"reason": error["reason"], "message": error["message"], "offset": error["offset"]}
            return {**_bare(run, shard, row, None, "errored", log), "error": told}
    if not run.folder.exists(f"tallies/{shard}.json"):
        return _bare(run, shard, row, None, "not screened", log)
    if (rows := _lines(run, shard)) is not None and row >= rows:
        raise InputError(f"--row {said}: {shard} has {rows:,} rows, the last one is {rows - 1:,}")
    return _bare(run, shard, row, None, "kept", log)


def _lines(run: Finished, shard: str) -> int | None:
    """How many lines or rows a shard has, where that can be told: what was written of it and what was not."""
    result = json.loads(run.folder.read(f"tallies/{shard}.json") or b"{}")
    if shard.endswith(".parquet"):
        return int(result["input"]["rows"])
    blocks = result["outputs"].get(f"kept/{shard}", {}).get("blocks")
    return None if blocks is None else sum(block[0] for block in blocks) - 1 + len(run.removed(shard))


def of_id(run: Finished, id: str, log: Verdicts | None, search: bool = False) -> list[dict[str, Any]]:
    """What became of each record of that id that anything was found in; with `search`, kept shards are read for it too."""
    answers = [
        _found(run, shard, row, log)
        for shard in run.shards("findings")
        for row in tables.rows_where(run.folder, f"findings/{shard}.parquet", "id", id)
    ]
    if not answers and place_of(id, run):
        return [of_row(run, id, log)]
    if search and not answers:
        answers = list(_searched(run, id, log))
    return answers


def _searched(run: Finished, id: str, log: Verdicts | None) -> Iterator[dict[str, Any]]:
    config = run.config
    layout = layout_of(config)
    for name in sorted(run.folder.names("kept")):
        with opened(run.folder.path(f"kept/{name}"), layout, name, config.input.max_record_bytes) as content:
            hits = [place.row for place in content.places(lambda position: True) if _is(content.read(place), id)]
        if hits:
            original = originals(run.removed(name))
            rows = dict(zip(range(hits[-1] + 1), original, strict=False))
            yield from (_bare(run, name, rows[hit], id, "kept", log) for hit in hits)


def _is(record: Any, id: str) -> bool:
    return isinstance(record, Record) and record.id == id


def originals(removed: list[int]) -> Iterator[int]:
    """The rows that the rows of a kept shard had in its input.

    >>> from itertools import islice
    >>> list(islice(originals([0, 2]), 3))
    [1, 3, 4]
    """
    gone, row = set(removed), 0
    while True:
        if row not in gone:
            yield row
        row += 1


def _bare(run: Finished, shard: str, row: int, id: str | None, outcome: str, log: Verdicts | None) -> dict[str, Any]:
    events = log.history(shard, row) if log else []
    release = next(
        (
            file["name"]
            for entry in ledger.entries(run.folder)
            if entry["what"] == "release" and row in entry["rows"].get(shard, ())
            for file in entry["files"]
            if file["shard"] == shard
        ),
        None,
    )
    told = {"shard": shard, "row": row, "id": id, "outcome": outcome, "findings": []}
    state = {"state": state_of(verdict_of(events)) if outcome == "quarantined" else None, "released_to": release}
    return {**told, **state, "events": [_event(event) for event in events], "run": _run(run)}


def _event(event: Event) -> dict[str, Any]:
    return {key: value for key, value in event._asdict().items() if key not in {"shard", "row"}}


def _run(run: Finished) -> dict[str, Any]:
    about = run.about
    return {"out": run.folder.root, "ended": about.get("ended"), "by": about.get("operator"), "decontam": about.get("decontam")}


def _found(run: Finished, shard: str, row: dict[str, Any], log: Verdicts | None) -> dict[str, Any]:
    told = _bare(run, shard, row["row"], row["id"], OUTCOME[Action[row["action"].upper()]], log)
    told["findings"] = [
        {
            "rule": f"{finding['stage']}/{finding['rule']}",
            **{key: finding[key] for key in ("revision", "kind", "provider", "strength", "score", "field", "start", "end")},
            "settled": json.loads(finding["detail"]).get("settled"),
        }
        for finding in row["findings"]
    ]
    return told
