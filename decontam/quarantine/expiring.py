"""Expiring: records that quarantine may no longer keep lose their bytes; what was found in them stays, and so does the log.

What is destroyed here is what the run holds. Copies made elsewhere, snapshots and backups of a disk, and what a disk keeps of files
that were replaced are not in our reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from decontam import tables
from decontam.errors import InputError
from decontam.finished import Finished
from decontam.proof import LEAVES
from decontam.quarantine import ledger
from decontam.quarantine.verdicts import Event, Verdicts
from decontam.recall import findings_of
from decontam.retention import kept_for
from decontam.run import held


class Expired(NamedTuple):
    """What lost its bytes, by shard; what is on hold or waits for its release, although its time has come, and why."""

    rows: Mapping[str, tuple[int, ...]]
    refused: tuple[tuple[str, int, str], ...]

    @property
    def records(self) -> int:
        return sum(len(rows) for rows in self.rows.values())


def due(run: Finished, log: Verdicts, retention: Mapping[str, str], now: datetime) -> Expired:
    """What has to go now, and what would but is refused. Nothing is changed."""
    age = now - datetime.fromisoformat(run.about["ended"])
    current = log.current()
    rows: dict[str, tuple[int, ...]] = {}
    refused: list[tuple[str, int, str]] = []
    for shard in run.shards("quarantine"):
        mine = []
        for row in tables.read_columns(run.folder, f"quarantine/{shard}.parquet", ["row", "findings"]):
            most, hold = kept_for(retention, findings_of(row))
            if most is None or age < most:
                continue
            event = current.get((shard, row["row"]))
            if hold:
                refused.append((shard, row["row"], "it is on hold"))
            elif event and event.verdict == "release":
                refused.append((shard, row["row"], "it is to be released; decontam quarantine release does that"))
            elif not (event and event.verdict == "expired"):
                mine.append(row["row"])
        if mine:
            rows[shard] = tuple(mine)
    return Expired(rows, tuple(refused))


def expire(run: Finished, log: Verdicts, retention: Mapping[str, str], by: str, now: datetime | None = None) -> Expired:
    """Destroy the bytes of records whose time has come. Raises InputError where there is no retention or no proof, OSError."""
    if not retention:
        raise InputError("no quarantine.retention says how long records may be kept; set it in the config: {pii: 30d}")
    folder, digest = run.folder, ledger.run_of(run)
    with held(folder):
        ledger.caught_up(folder, log)
        going = due(run, log, retention, now or datetime.now(timezone.utc))
        if not going.rows:
            return going
        before = _digests(run, set(going.rows))
        files = []
        with folder.together():
            for shard, rows in sorted(going.rows.items()):
                files.append({**_rewritten(run, shard, set(rows)), "before": before[shard]})
            said = ", ".join(f"{what} {how}" for what, how in sorted(retention.items()))
            entry = ledger.append(folder, digest, log, "expire", by, said, files, going.rows)
        why = f"expire {entry['number']}: {said}"
        log.add(Event(shard, row, "expired", by, entry["at"], why) for shard, rows in going.rows.items() for row in rows)
    return going


def _digests(run: Finished, shards: set[str]) -> dict[str, str]:
    """The SHA-256 of the quarantine tables of some shards as they were proven, or as their last expiry left them."""
    told = {
        leaf["shard"]: leaf["sha256"]
        for rows in tables.read(run.folder, LEAVES)
        for leaf in rows
        if leaf["kind"] == "quarantine" and leaf["shard"] in shards
    }
    for entry in ledger.entries(run.folder):
        told |= {file["shard"]: file["sha256"] for file in entry["files"] if entry["what"] == "expire"}
    return told


def _rewritten(run: Finished, shard: str, rows: set[int]) -> dict[str, Any]:
    """Write the table of a shard again, without the bytes of some rows; what there is to say of it."""
    name = f"quarantine/{shard}.parquet"
    with tables.Table(run.folder, name, tables.quarantine_schema, private=True) as table:
        for row in _without(run, name, rows):
            table.add(row)
    assert table.digest is not None  # noqa: S101 - there are rows
    blocks = [list(block) for block in table.blocks]
    return {"name": name, "shard": shard, "size": table.digest.size, "sha256": table.digest.sha256(), "rows": table.rows, "blocks": blocks}


def _without(run: Finished, name: str, rows: set[int]) -> Iterator[dict[str, Any]]:
    for found in tables.read(run.folder, name):
        for row in found:
            yield {**row, "record": None, "exact": False} if row["row"] in rows else row
