"""Pre-flight: a look at the first records before anything is written, so that a wrong key costs a second, not a night."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice

import orjson

from decontam.errors import InputError, ShardError
from decontam.files import BLOCK, Source
from decontam.inputs import Shard
from decontam.paths import EACH, all_texts
from decontam.shards import Layout, Unreadable, lines_of
from decontam.types import Record

_RECORDS = 100  # of each shard
_SHARDS = 10  # that hold anything; one that is all wrong does not hold up the others
_INDEX = re.compile(r"\[\d+\]")
_BLOCK = 1 << 16
_LONGEST = 4 << 20  # bytes of each shard


class _Head:
    """The first bytes of a shard, to be read in blocks."""

    def __init__(self, source: Source) -> None:
        self._source, self.left = source, _LONGEST

    def read(self, size: int = BLOCK) -> bytes:
        data = self._source.read(min(size, self.left)) if self.left else b""
        self.left -= len(data)
        return data


def _first_lines(shard: Shard) -> list[bytes]:
    try:
        with Source(shard.path) as source:
            head = _Head(source)
            lines = list(islice(lines_of(head, _BLOCK), _RECORDS))
    except ShardError:  # the run will name it, and finish the others
        return []
    return [line for line in (lines if head.left else lines[:-1]) if line and not line.isspace()]


def check(shards: Iterable[Shard], layout: Layout) -> None:
    """Raises InputError where no record at the head of the first shards has a text: what was found instead, and what to do.

    Shards that are empty or cannot be read do not count here.
    """
    lines: list[bytes] = []
    looked_at: list[str] = []
    reasons: set[str] = set()
    for shard in shards:
        if first := _first_lines(shard):
            seen = [layout.read(line, "", 0) for line in first]
            if any(isinstance(record, Record) for record in seen):
                return
            reasons |= {record.reason for record in seen if isinstance(record, Unreadable)}
            lines += first
            looked_at.append(shard.path)
        if len(looked_at) == _SHARDS:
            break
    if not lines:
        return
    where = looked_at[0] if len(looked_at) == 1 else f"{looked_at[0]} and {len(looked_at) - 1} more"
    many = f"any of {len(lines)} records" if len(lines) > 1 else "the only record"
    if reasons <= {"malformed", "bad_utf8", "not_object"}:
        raise InputError(f"{where}: {_no_records(lines, many)}")
    raise InputError(f"{where}: no {' or '.join(map(repr, layout.text_keys))} in {many}; {_likely(lines)}")


def _no_records(lines: list[bytes], many: str) -> str:
    if lines[0].lstrip()[:1] == b"[":
        return "the input is one JSON array, not one JSON object a line; convert it first, with jq -c '.[]' for example"
    return f"no JSON object in {many}; a shard holds one JSON object a line"


def _likely(lines: list[bytes]) -> str:
    """The path that probably leads to the text: of those that most records have, the one with the longest strings."""
    found: Counter[str] = Counter()
    length: Counter[str] = Counter()
    for line in lines:
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        here = [(_INDEX.sub(EACH, path), text) for path, text, _ in all_texts(value)]
        found.update({path for path, _ in here})
        for path, text in here:
            length[path] += len(text)
    if not found:
        return "nothing in them is a string"
    path = max(found, key=lambda name: (found[name] * 2 > len(lines), length[name]))
    quoted = path if path.isidentifier() else f"'{path}'"
    return f"found {path!r} (string, {found[path]} of {len(lines)}): use --text-key {quoted}"
