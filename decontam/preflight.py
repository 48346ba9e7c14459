"""Pre-flight: a look at the first records before anything is written, so that a wrong key costs a second, not a night."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from decontam.errors import InputError, ShardError
from decontam.inputs import Shard
from decontam.layout import Layout, Unreadable
from decontam.paths import EACH, all_texts
from decontam.shards import opened
from decontam.types import Record

_RECORDS = 100  # of each shard
_SHARDS = 10  # that hold anything; one that is all wrong does not hold up the others
_INDEX = re.compile(r"\[\d+\]")
_HEAD = 4 << 20  # bytes of each shard


class _Seen(NamedTuple):
    record: Record | Unreadable
    value: Any
    array: bool


def _first(shard: Shard, layout: Layout) -> list[_Seen]:
    seen: list[_Seen] = []
    # One that cannot be read is named by the run, which finishes the others.
    with suppress(ShardError), opened(shard.path, layout, shard.name, _HEAD, _HEAD) as content:
        for place in islice(content.places(lambda position: True), _RECORDS):
            record = content.read(place)
            if record is not None and place.position + place.size < _HEAD:  # the last line may have been cut there
                array = isinstance(place.raw, bytes) and place.raw.lstrip()[:1] == b"["
                seen.append(_Seen(record, content.value(place), array))
    return seen


def check(shards: Iterable[Shard], layout: Layout) -> None:
    """Raises InputError where no record at the head of the first shards has a text: what was found instead, and what to do.

    Shards that are empty or cannot be read do not count here.
    """
    seen: list[_Seen] = []
    looked_at: list[str] = []
    for shard in shards:
        if first := _first(shard, layout):
            if any(isinstance(each.record, Record) for each in first):
                return
            seen += first
            looked_at.append(shard.path)
        if len(looked_at) == _SHARDS:
            break
    if not seen:
        return
    reasons = {each.record.reason for each in seen if isinstance(each.record, Unreadable)}
    where = looked_at[0] if len(looked_at) == 1 else f"{looked_at[0]} and {len(looked_at) - 1} more"
    many = f"any of {len(seen)} records" if len(seen) > 1 else "the only record"
    if reasons <= {"malformed", "bad_utf8", "not_object"}:
        raise InputError(f"{where}: {_no_records(seen, many)}")
    raise InputError(f"{where}: no {' or '.join(map(repr, layout.text_keys))} in {many}; {_likely([each.value for each in seen])}")


def _no_records(seen: list[_Seen], many: str) -> str:
    if seen[0].array:
        return "the input is one JSON array, not one JSON object a line; convert it first, with jq -c '.[]' for example"
    return f"no JSON object in {many}; a shard holds one JSON object a line"


def _likely(values: list[Any]) -> str:
    """The path that probably leads to the text: of those that most records have, the one with the longest strings."""
    found: Counter[str] = Counter()
    length: Counter[str] = Counter()
    for value in values:
        here = [(_INDEX.sub(EACH, path), text) for path, text, _ in all_texts(value)]
        found.update({path for path, _ in here})
        for path, text in here:
            length[path] += len(text)
    if not found:
        return "nothing in them is a string"
    path = max(found, key=lambda name: (found[name] * 2 > len(values), length[name]))
    quoted = path if path.isidentifier() else f"'{path}'"
    return f"found {path!r} (string, {found[path]} of {len(values)}): use --text-key {quoted}"
