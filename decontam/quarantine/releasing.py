"""Releasing: records that reviewers gave back leave quarantine, byte for byte and once only.

A release is a batch, `release/<number>/<shard>`, that appears together with its entry in the ledger and the list of records by
which the next run knows them; the log of verdicts is told after that. What a kill leaves behind of a batch without an entry is
removed by the next one, which begins it again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from decontam import tables
from decontam.allowances import content_hash, read_list, written
from decontam.codecs import codec_of
from decontam.config import key_of
from decontam.errors import InputError
from decontam.finished import Finished
from decontam.jsonl import LineWriter
from decontam.keys import Key
from decontam.layout import Layout, layout_of
from decontam.parquet import HeldWriter, record_of
from decontam.quarantine import ledger
from decontam.quarantine.verdicts import DONE, Event, Verdicts
from decontam.run import held
from decontam.shards import RecordWriter
from decontam.types import Record

NAME = "release"
ALLOW = "review/allow.txt"
"""The list of records that were released, for `policy.allow`."""

_ZSTD = 3


class Refused(NamedTuple):
    """A record that cannot be given back as it was, and why."""

    shard: str
    row: int
    why: str


class Released(NamedTuple):
    """What was released: the files, records by shard, and what was refused. `allow` is the list for the next run."""

    files: tuple[str, ...]
    rows: Mapping[str, tuple[int, ...]]
    refused: tuple[Refused, ...]
    allow: str | None = None

    @property
    def records(self) -> int:
        return sum(len(rows) for rows in self.rows.values())


def release(run: Finished, log: Verdicts, by: str) -> Released:
    """Write all records whose verdict is `release` and that were not released before.

    Raises InputError where the run has no proof, ConfigError where its key is missing, OSError where writing fails; what is
    there then is as it was.
    """
    folder, digest = run.folder, ledger.run_of(run)
    key, secret, known = _list(run)
    layout = layout_of(run.config)
    with held(folder):
        ledger.caught_up(folder, log)
        entries = ledger.entries(folder)
        _clear(run, entries)
        batch = 1 + sum(entry["what"] == "release" for entry in entries)
        due = _due(log, entries)
        refused: list[Refused] = []
        files: list[dict[str, Any]] = []
        rows: dict[str, tuple[int, ...]] = {}
        with folder.together():
            for shard, wanted in sorted(due.items()):
                chosen = _chosen(run, shard, wanted, refused)
                found = _written(run, f"{NAME}/{batch:04}/{shard}", shard, chosen, layout, key, known)
                if found:
                    files.append(found[0])
                    rows[shard] = found[1]
            if not rows:
                return Released((), {}, tuple(refused))
            with folder.publishing(ALLOW, private=True) as file:
                file.write(written(key, secret, known).encode())
            files.append({"name": ALLOW, "shard": "", "size": file.size, "sha256": file.sha256(), "rows": len(known)})
            entry = ledger.append(folder, digest, log, "release", by, files=files, rows=rows)
        why = f"release {entry['number']}"
        log.add(Event(shard, row, "released", by, entry["at"], why) for shard, found_rows in rows.items() for row in found_rows)
    return Released(tuple(file["name"] for file in files[:-1]), rows, tuple(refused), folder.path(ALLOW))


def _list(run: Finished) -> tuple[Key, str | None, dict[str, set[str]]]:
    """The key of the list of released records, the secret if it has to stand there, and what is on it so far."""
    key = key_of(run.config)
    if run.about.get("key") is not None and (key is None or key.id != run.about["key"]):
        raise InputError(f"{run.folder.root}: that run had the key {run.about['key']}, policy.key leads to another one now")
    content = run.folder.read(ALLOW)
    if content is not None:
        there = read_list(ALLOW, content.decode(), key)
        head = content.decode().splitlines()[0].split()
        return there.key, head[-1] if head[-2] == "secret" else None, {known: set(rules) for known, rules in there.rules.items()}
    if key is not None:
        return key, None, {}
    secret = secrets.token_hex(32)
    return Key(secret.encode()), secret, {}


def _clear(run: Finished, entries: Iterable[Mapping[str, Any]]) -> None:
    """Remove what a release wrote that was killed before it counted."""
    told = {file["name"] for entry in entries for file in entry["files"]}
    for name in run.folder.names(NAME):
        if f"{NAME}/{name}" not in told:
            run.folder.remove(f"{NAME}/{name}")


def _due(log: Verdicts, entries: Iterable[Mapping[str, Any]]) -> dict[str, set[int]]:
    done = {(shard, row) for entry in entries if entry["what"] == "release" for shard, rows in entry["rows"].items() for row in rows}
    due: dict[str, set[int]] = {}
    for (shard, row), event in log.current().items():
        if event.verdict == "release" and (shard, row) not in done:
            due.setdefault(shard, set()).add(row)
    return due


def _chosen(run: Finished, shard: str, wanted: set[int], refused: list[Refused]) -> Iterator[dict[str, Any]]:
    """The quarantined rows that can be given back; what cannot be is refused."""
    seen = set()
    for rows in tables.read(run.folder, f"quarantine/{shard}.parquet"):
        for row in rows:
            if row["row"] in wanted:
                seen.add(row["row"])
                if why := unreleasable(row):
                    refused.append(Refused(shard, row["row"], why))
                else:
                    yield row
    refused += [Refused(shard, row, "no such record is in quarantine") for row in sorted(wanted - seen)]


def unreleasable(row: Mapping[str, Any]) -> str | None:
    """Why a quarantined record cannot be given back byte for byte; None where it can."""
    if row["record"] is None:
        return "its bytes are not there: they were expired, or the config kept no original"
    return None if row["exact"] else "its credentials were masked, so what is left is not the record (quarantine.secrets: keep keeps them)"


def _written(run: Finished, name: str, shard: str, rows: Iterable[dict[str, Any]], layout: Layout, key: Key,
             known: dict[str, set[str]]) -> tuple[dict[str, Any], tuple[int, ...]] | None:  # fmt: skip
    """Write the rows of a shard, if there are any; what there is to say of the file, and the rows. `known` gets their hashes."""
    written: list[int] = []
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return None
    with run.folder.publishing(name) as file:
        writer = writer_for(file, first["format"], shard)
        for row in chain([first], rows):
            writer.write(row["record"])
            written.append(row["row"])
            record = record_in(row, layout, shard)
            if isinstance(record, Record):
                known.setdefault(content_hash(record, key), set()).update(f"{each['stage']}/{each['rule']}" for each in row["findings"])
        if first["format"] == "jsonl":
            writer.write(b"")  # the last line ends with a newline
        writer.close()
    about = {"name": name, "shard": shard, "size": file.size, "sha256": file.sha256(), "rows": len(written)}
    return {**about, "blocks": [list(block) for block in writer.blocks()]}, tuple(written)


def writer_for(file: Any, form: str, shard: str) -> RecordWriter:
    """Writes records as quarantine holds them to a shard of their own."""
    return HeldWriter(file) if form == "arrow" else LineWriter(file, codec_of(shard), _ZSTD)


def record_in(row: Mapping[str, Any], layout: Layout, shard: str) -> Any:
    """The record that a row of quarantine holds: a Record, or an Unreadable."""
    if row["format"] == "arrow":
        return record_of(row["record"], layout, shard, row["row"])
    return layout.read(row["record"], shard, row["row"])


def judged(run: Finished, log: Verdicts, places: Iterable[tuple[str, int]], verdict: str, reviewer: str, why: str) -> list[Event]:
    """Note a verdict on quarantined records. Raises InputError where one is not in quarantine or was dealt with."""
    places = list(places)
    rows: dict[str, set[int]] = {}
    for shard, row in places:
        rows.setdefault(shard, set()).add(row)
    for shard, wanted in rows.items():
        there = {row["row"] for row in tables.read_columns(run.folder, f"quarantine/{shard}.parquet", ["row"])}
        if missing := sorted(wanted - there):
            raise InputError(f"{shard}:{missing[0]}: no such record is in quarantine; decontam why says what became of it")
    current = log.current()
    for place in places:
        if (event := current.get(place)) and event.verdict in DONE:
            raise InputError(f"{place[0]}:{place[1]}: was {event.verdict} at {event.at}, which no verdict changes")
    return log.add(Event(shard, row, verdict, reviewer, why=why) for shard, row in places)
