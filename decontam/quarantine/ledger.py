"""Ledger: what was done to a run after it had ended, each entry chained to the one before it.

`review/ledger.jsonl` holds a line of canonical JSON for each release, expiry or checkpoint: who did it, when, which files it wrote or
changed, which records it concerns. An entry names the SHA-256 of the line before it (`previous`); the first one, the run digest. It
also seals the log of verdicts as it was then: `events` and `accesses` are how many there were, and the last hash of a chain over
them, which begins with the SHA-256 of the run digest and takes in the canonical JSON of one after the other. So a run that was
reviewed can still be verified: what was done lawfully is told here, and what is not told here was done unlawfully.

An entry is what commits a change: one that stands here happened, one that does not is done again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from decontam import manifest, proof
from decontam.errors import InputError
from decontam.finished import Finished
from decontam.folders import Folder
from decontam.proof import canonical
from decontam.quarantine.verdicts import NAME as VERDICTS
from decontam.quarantine.verdicts import Event, Verdicts

NAME = "review/ledger.jsonl"


def digest_of(line: bytes) -> str:
    """The digest of an entry, which stands in the next one."""
    return hashlib.sha256(line).hexdigest()


def lines(folder: Folder) -> list[bytes]:
    """The entries as they stand."""
    return (folder.read(NAME) or b"").splitlines()


def entries(folder: Folder) -> list[dict[str, Any]]:
    """The entries, in order. Raises InputError where one cannot be read."""
    try:
        return [orjson.loads(line) for line in lines(folder)]
    except orjson.JSONDecodeError:
        raise InputError(f"{folder.path(NAME)}: holds a line that is no entry; it was changed or cut off") from None


def head(folder: Folder) -> str | None:
    """The digest of the last entry; None where there is none."""
    there = lines(folder)
    return digest_of(there[-1]) if there else None


def run_of(run: Finished) -> str:
    """The run digest. Raises InputError where there is no proof."""
    told = proof.read(run.folder)
    if told is None:
        raise InputError(f"{run.folder.root}: no {proof.NAME}; run the same command again, which proves what is there")
    return str(told["run"])


def verdicts_path(run: Finished, given: str | None) -> Path:
    """Where the log of verdicts lies. Raises InputError where that must be said."""
    if given is not None:
        return Path(given)
    if run.folder.remote:
        raise InputError(f"{run.folder.root} is no folder of this machine; say where the log of verdicts is with --verdicts FILE")
    return Path(run.folder.path(VERDICTS))


@contextmanager
def log_of(run: Finished, given: str | None) -> Iterator[Verdicts | None]:
    """The log of verdicts of a run, to be read; None where nobody has said anything yet. Raises InputError."""
    if run.folder.remote and given is None:
        yield None
        return
    path = verdicts_path(run, given)
    if not path.exists():
        yield None
        return
    with Verdicts(path) as log:
        yield log


class Chained:
    """The hash of a chain that grows by one value after the other."""

    def __init__(self, run: str) -> None:
        self._hash = hashlib.sha256(run.encode()).digest()
        self.count = 0

    def add(self, value: Any) -> None:
        self._hash = hashlib.sha256(self._hash + canonical(value)).digest()
        self.count += 1

    @property
    def head(self) -> str:
        return self._hash.hex()


def sealed(run: str, values: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """How many there are, and the head of the chain over them."""
    chain = Chained(run)
    for value in values:
        chain.add(list(value))
    return {"count": chain.count, "head": chain.head}


def unsealed(folder: Folder, log: Verdicts) -> bool:
    """Whether something was said or looked at since the last entry."""
    there = entries(folder)
    counts = len(log.events()), len(log.accesses())
    return counts != ((there[-1]["events"]["count"], there[-1]["accesses"]["count"]) if there else (0, 0))


def append(folder: Folder, run: str, log: Verdicts, what: str, by: str, why: str = "", files: Sequence[Mapping[str, Any]] = (),
           rows: Mapping[str, Sequence[int]] | None = None) -> dict[str, Any]:  # fmt: skip
    """Add an entry. On a disk, files that are published in the same block of `folder.together()` appear with it. Raises OSError."""
    there = lines(folder)
    entry = {
        "number": len(there) + 1,
        "what": what,
        "at": manifest.now(),
        "by": by,
        "why": why,
        "run": run,
        "files": list(files),
        "rows": {shard: sorted(found) for shard, found in sorted((rows or {}).items())},
        "events": sealed(run, log.events()),
        "accesses": sealed(run, log.accesses()),
        "previous": digest_of(there[-1]) if there else run,
    }
    with folder.publishing(NAME, private=True) as file:
        file.write(b"".join(line + b"\n" for line in [*there, canonical(entry)]))
    return entry


DONE = {"release": "released", "expire": "expired"}


def caught_up(folder: Folder, log: Verdicts) -> None:
    """Note in the log of verdicts what the ledger says was done and the log does not know yet: a kill may come between the two."""
    known = {(event.shard, event.row, event.verdict) for event in log.events() if event.verdict in DONE.values()}
    for entry in entries(folder):
        if (done := DONE.get(entry["what"])) is None:
            continue
        missing = [(shard, row) for shard, found in entry["rows"].items() for row in found if (shard, row, done) not in known]
        why = f"{entry['what']} {entry['number']}"
        log.add(Event(shard, row, done, entry["by"], entry["at"], why) for shard, row in missing)
