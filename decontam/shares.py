"""Shares: `--part I/N` of the shards of a run, for workers that do not talk to one another.

Which shards are whose follows from their names alone, so that every worker comes to the same. Each says in `shares/` that it has begun
and that it is through; what counts is the tallies.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from decontam.errors import InputError
from decontam.folders import Folder
from decontam.inputs import Shard
from decontam.manifest import now, operator

FOLDER = "shares"
_GIVEN = re.compile(r"(\d{1,7})/(\d{1,7})")


class Share(NamedTuple):
    """Part `number` of `of`, counted from 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def name(self) -> str:
        """The file in which the worker says how far it is."""
        return f"{FOLDER}/{self.number}-of-{self.of}.json"

    @property
    def lock(self) -> str:
        """The file by which it is held, where there are locks."""
        return f"{FOLDER}/.{self.number}-of-{self.of}.lock"

    def taken(self, shards: Iterable[Shard]) -> tuple[Shard, ...]:
        """The shards that are in this part."""
        return tuple(shard for shard in shards if number_of(shard.name, self.of) == self.number)


def share_from(given: str) -> Share:
    """Read `I/N`. Raises InputError.

    >>> share_from("3/8")
    Share(number=3, of=8)
    """
    match = _GIVEN.fullmatch(given)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"--part {given}: not a part; say I/N with I from 1 to N, such as 3/8")
    return Share(int(match[1]), int(match[2]))


def number_of(shard: str, of: int) -> int:
    """Which of so many parts a shard is in, from 1; the same on every machine.

    >>> [number_of(f"{n}.jsonl", 3) for n in range(6)]
    [2, 3, 3, 1, 2, 1]
    """
    return int.from_bytes(hashlib.sha256(shard.encode()).digest()[:8], "big") % of + 1


def begun(share: Share, command: Iterable[str]) -> dict[str, Any]:
    """What a worker says when it begins: who and where it is."""
    return {
        "part": str(share),
        "state": "running",
        "began": now(),
        "ended": None,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "operator": operator(),
        "command": list(command),
        "failed": {},
    }


def ended(begun: Mapping[str, Any], failed: Mapping[str, str]) -> dict[str, Any]:
    """What it says in the end. `failed`: what went wrong with which shards."""
    return {**begun, "state": "failed" if failed else "done", "ended": now(), "failed": dict(failed)}


def told(folder: Folder, of: int) -> dict[int, dict[str, Any]]:
    """What the workers of so many parts have said, by number. Raises OSError, InputError."""
    found = {}
    for name in folder.names(FOLDER):
        number, _, rest = name.partition("-of-")
        if rest == f"{of}.json" and number.isdecimal():
            try:
                said = orjson.loads(folder.read(f"{FOLDER}/{name}") or b"{}")
            except orjson.JSONDecodeError:
                raise InputError(f"{folder.path(f'{FOLDER}/{name}')}: changed or cut off; run --part {number}/{of} again") from None
            found[int(number)] = said
    return found
