"""Verdicts: what reviewers said of quarantined records, in a log to which things are only ever added.

The log is one SQLite file beside the run. An event is never changed; `undo` is an event too, and takes back the last one
of its record that still stands. Several threads and processes may write at once.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from decontam import manifest
from decontam.errors import InputError

VERDICTS = ("confirm", "release", "unsure", "note", "undo")
"""What a reviewer may say. `note` is a remark that leaves the verdict as it is."""

DONE = ("released", "expired")
"""What was done to the record since; it cannot be undone."""

ORIGINS = ("serve", "import", "cli")
NAME = "review/verdicts.sqlite"
"""Where the log of a run lies in its folder."""

_WAIT = 30_000  # milliseconds for another writer to finish
_SCHEMA = """
create table if not exists events (
    number integer primary key, shard text not null, row integer not null, verdict text not null, reviewer text not null,
    at text not null, why text not null, probability real, origin text not null
);
create index if not exists events_of_a_record on events (shard, row);
create table if not exists accesses (
    number integer primary key, shard text not null, row integer not null, what text not null, reviewer text not null, at text not null
);
"""
_COLUMNS = "shard, row, verdict, reviewer, at, why, probability, origin, number"


class Event(NamedTuple):
    """One thing that was said of, or done to, row `row` of shard `shard`.

    `at` is ISO 8601, UTC. `probability` is that with which the record got into the sample that the reviewer was shown; None
    where it was no random sample. The log gives the `number`, and the time where it is empty.
    """

    shard: str
    row: int
    verdict: str
    reviewer: str
    at: str = ""
    why: str = ""
    probability: float | None = None
    origin: str = "cli"
    number: int | None = None


def standing(events: Iterable[Event]) -> list[Event]:
    """The events of one record that were not taken back, in order."""
    left: list[Event] = []
    for event in events:
        if event.verdict != "undo":
            left.append(event)
        elif left and left[-1].verdict not in DONE:
            left.pop()
    return left


def verdict_of(events: Iterable[Event]) -> Event | None:
    """The verdict on one record: the last standing event that is no note."""
    return next((event for event in reversed(standing(events)) if event.verdict != "note"), None)


def state_of(event: Event | None) -> str:
    """held, confirmed, released or expired.

    >>> state_of(None), state_of(Event("a.jsonl", 0, "confirm", "ada")), state_of(Event("a.jsonl", 0, "release", "ada"))
    ('held', 'confirmed', 'held')
    """
    if event is None:
        return "held"
    return "confirmed" if event.verdict == "confirm" else event.verdict if event.verdict in DONE else "held"


class Verdicts:
    """The log. Raises InputError where the file is none or cannot be opened, ValueError for an event that cannot be."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        try:
            if not self.path.parent.exists():
                self.path.parent.mkdir(parents=True, mode=0o700)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))  # what SQLite puts beside it is as private
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=_WAIT / 1000)
            self._db.execute("pragma journal_mode = wal")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"{self.path}: cannot be used as a log of verdicts: {error}; name another file with --verdicts") from None

    def add(self, events: Iterable[Event]) -> list[Event]:
        """Append events, all of them or none; as they stand in the log."""
        given = [event._replace(at=event.at or manifest.now()) for event in events]
        for event in given:
            _check(event)
        with self._lock:
            self._db.execute("begin immediate")
            try:
                added = [event._replace(number=self._insert(event)) for event in given]
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")
        return added

    def _insert(self, event: Event) -> int:
        return int(self._db.execute(f"insert into events ({_COLUMNS}) values (?,?,?,?,?,?,?,?,null)", event[:-1]).lastrowid or 0)

    def history(self, shard: str, row: int) -> list[Event]:
        """Everything that was said of a record, in order."""
        return self._events("where shard = ? and row = ?", (shard, row))

    def events(self, after: int = 0) -> list[Event]:
        """Every event with a larger number, in order."""
        return self._events("where number > ?", (after,))

    def _events(self, where: str, values: tuple[Any, ...]) -> list[Event]:
        with self._lock:
            return [Event(*row) for row in self._db.execute(f"select {_COLUMNS} from events {where} order by number", values)]

    def current(self) -> dict[tuple[str, int], Event]:
        """The verdict on each record that has one, by shard and row."""
        of: dict[tuple[str, int], list[Event]] = {}
        for event in self.events():
            of.setdefault((event.shard, event.row), []).append(event)
        return {record: verdict for record, events in of.items() if (verdict := verdict_of(events))}

    def accessed(self, shard: str, row: int, what: str, reviewer: str) -> None:
        """Log that somebody asked to see what is masked."""
        with self._lock:
            values = shard, row, what, reviewer, manifest.now()
            self._db.execute("insert into accesses (shard, row, what, reviewer, at) values (?,?,?,?,?)", values)

    def accesses(self) -> list[tuple[str, int, str, str, str]]:
        """Shard, row, what was asked for, by whom, when; in order."""
        with self._lock:
            return [tuple(row) for row in self._db.execute("select shard, row, what, reviewer, at from accesses order by number")]

    def __enter__(self) -> Verdicts:
        return self

    def __exit__(self, *error: Any) -> None:
        self._db.close()


def _check(event: Event) -> None:
    if event.verdict not in (*VERDICTS, *DONE):
        raise ValueError(f"{event.verdict!r} is no verdict; known: {', '.join((*VERDICTS, *DONE))}")
    if event.origin not in ORIGINS:
        raise ValueError(f"{event.origin!r} is no origin of verdicts; known: {', '.join(ORIGINS)}")
    if not event.reviewer.strip():
        raise ValueError("a verdict needs the name of a reviewer")
    if event.probability is not None and not 0 < event.probability <= 1:
        raise ValueError(f"{event.probability} is no probability of being in a sample")
