"""Parts: what is finished of a large shard while the rest of it is not.

A part holds what it found and what it changed, never what it kept: when all parts are there, the kept shard is written
in one go from the shard itself, with the same bytes as if there had been no parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from decontam import tables
from decontam.folders import Folder
from decontam.inputs import Shard, unchanged
from decontam.outputs import Kept, Outputs, part_names
from decontam.shards import Content
from decontam.tally import Tally


class Part(NamedTuple):
    """A part that is finished: its number, its counts, other columns that were seen, files that errors have spilled."""

    number: int
    tally: Tally
    unscreened: tuple[str, ...]
    spilled: tuple[str, ...]


def mark(folder: Folder, shard: Shard, part: Part, of: Mapping[str, Any]) -> None:
    """Say that a part is finished; `of` tells the run and the shard that it belongs to."""
    content = {"of": of, "tally": part.tally.to_dict(), "unscreened": part.unscreened, "spilled": part.spilled}
    with folder.publishing(f"parts/{shard.name}/{part.number}.json", private=True) as file:
        file.write(orjson.dumps(content))


def finished(folder: Folder, shard: Shard, of: Mapping[str, Any]) -> dict[int, Part]:
    """The parts of a shard that an earlier run has finished; those of another run or another shard are removed."""
    found: dict[int, Part] = {}
    for name in folder.names(f"parts/{shard.name}"):
        number = name.removesuffix(".json")
        if name.endswith(".json") and number.isdecimal():
            content = orjson.loads(folder.read(f"parts/{shard.name}/{name}") or b"{}")
            if content.get("of") == of:
                tally = Tally.from_dict(content["tally"])
                found[int(number)] = Part(int(number), tally, tuple(content["unscreened"]), tuple(content["spilled"]))
    if not found:
        clear(folder, shard)
    return found


def clear(folder: Folder, shard: Shard) -> None:
    """Remove all parts of a shard."""
    folder.remove(f"parts/{shard.name}")
    folder.remove(f"quarantine/.parts/{shard.name}")


def _changes(folder: Folder, shard: Shard, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
    for number in numbers:
        for rows in tables.read(folder, part_names(shard.name, number).kept):
            yield from rows


def replay(folder: Folder, shard: Shard, numbers: Sequence[int], content: Content, kept: Kept) -> None:
    """Tell `kept` what becomes of each record; the shard is read again only where that is needed."""
    changes = _changes(folder, shard, numbers)
    change = next(changes, None)
    for place in unchanged(shard, content.places(lambda position: True)) if kept.wants(bool(change)) else ():
        if change is not None and change["row"] == place.row:
            held = change["record"]
            kept.change(place.row, change["outcome"], None if held is None else content.restored(held, place))
            change = next(changes, None)
        else:
            kept.keep(place.raw)
    while change is not None:
        kept.change(change["row"], change["outcome"])
        change = next(changes, None)


def join(folder: Folder, shard: Shard, parts: Sequence[Part], into: Outputs) -> None:
    """Put together what the parts have found."""
    for part in parts:
        names = part_names(shard.name, part.number)
        for rows in tables.read(folder, names.findings):
            for row in rows:
                into.findings.add(row)
        for rows in tables.read(folder, names.quarantine):
            for row in rows:
                into.quarantine.add(row)
        for rows in tables.read(folder, names.sites):
            into.pages.add_rows(rows)
        for block in folder.blocks(names.errors):
            into.errors.write(block, block.count(b"\n"))
        for name in part.spilled:
            into.errors.take(name)
