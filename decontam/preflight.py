"""Pre-flight: a look at the first records before anything is written, so that a wrong key costs a second, not a night."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice

import orjson

from decontam.errors import InputError
from decontam.files import Source
from decontam.inputs import Shard
from decontam.paths import EACH, all_texts
from decontam.shards import Layout, Unreadable, lines_of
from decontam.types import Record

_RECORDS = 100
_INDEX = re.compile(r"\[\d+\]")
_BLOCK = 1 << 16
_LONGEST = 8 << 20  # bytes of a record that is looked at


def _first_lines(shard: Shard, count: int) -> list[bytes]:
    with Source(shard.path) as source:
        lines = (line for line in lines_of(source, _BLOCK, _LONGEST) if line and not line.isspace())
        return list(islice(lines, count))


def check(shards: Iterable[Shard], layout: Layout) -> None:
    """Raises InputError where none of the first records has a text: what was found instead, and what to do about it.

    Raises ShardError where the first shards cannot be read.
    """
    lines: list[bytes] = []
    for shard in shards:
        lines += _first_lines(shard, _RECORDS - len(lines))
        if len(lines) == _RECORDS:
            break
    seen = [layout.read(line, "", 0) for line in lines]
    if not seen or any(isinstance(record, Record) for record in seen):
        return
    reasons = Counter(record.reason for record in seen if isinstance(record, Unreadable))
    many = f"any of {len(lines)} records" if len(lines) > 1 else "the only record"
    if reasons.keys() <= {"malformed", "bad_utf8", "not_object"}:
        raise InputError(_no_records(lines, many))
    raise InputError(f"no {' or '.join(map(repr, layout.text_keys))} in {many}; {_likely(lines)}")


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
