"""Pre-flight: a look at the first records before anything is written, so that a wrong key costs a second, not a night."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from decontam.errors import InputError, ShardError
from decontam.inputs import Shard
from decontam.layout import Layout, Unreadable
from decontam.paths import EACH, all_texts
from decontam.shards import opened
from decontam.types import Record

_RECORDS = 100
_INDEX = re.compile(r"\[\d+\]")
_LONGEST = 8 << 20  # bytes of a record that is looked at


class _Seen(NamedTuple):
    record: Record | Unreadable
    value: Any
    array: bool


def _first(shard: Shard, layout: Layout, count: int) -> list[_Seen]:
    seen: list[_Seen] = []
    with opened(shard.path, layout, shard.name, _LONGEST) as content:
        for place in content.places(lambda position: True):
            if len(seen) == count:
                break
            record = content.read(place)
            if record is not None and not (isinstance(record, Unreadable) and record.reason == "too_large"):
                array = isinstance(place.raw, bytes) and place.raw.lstrip()[:1] == b"["
                seen.append(_Seen(record, content.value(place), array))
    return seen


def check(shards: Iterable[Shard], layout: Layout) -> None:
    """Raises InputError where none of the first records has a text: what was found instead, and what to do about it."""
    seen: list[_Seen] = []
    for shard in shards:
        with suppress(ShardError):  # it is named, with all others that cannot be read, by the run
            seen += _first(shard, layout, _RECORDS - len(seen))
        if len(seen) == _RECORDS:
            break
    if not seen or any(isinstance(each.record, Record) for each in seen):
        return
    reasons = Counter(each.record.reason for each in seen if isinstance(each.record, Unreadable))
    many = f"any of {len(seen)} records" if len(seen) > 1 else "the only record"
    if reasons.keys() <= {"malformed", "bad_utf8", "not_object"}:
        raise InputError(_no_records(seen, many))
    raise InputError(f"no {' or '.join(map(repr, layout.text_keys))} in {many}; {_likely([each.value for each in seen])}")


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
