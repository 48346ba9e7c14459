"""One file of a run beside what its leaf says: the same, changed and where, or missing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from decontam.blocks import Block, LineBlocks, differing, of_bytes
from decontam.codecs import BLOCK, describe
from decontam.errors import DecontamError, ShardError
from decontam.files import Source, open_bytes
from decontam.jsonl import line_blocks
from decontam.parquet import blocks_of
from decontam.shards import TABLES

Leaf = Mapping[str, Any]


class Problem(NamedTuple):
    """Something that is not as it was proven: `changed`, `missing`, `added`, `swapped` or `untold` (a file and what tells of it disagree).

    `rows` are the first and last row of each place of the file that differs, where that can be told.
    """

    kind: str
    name: str
    why: str
    rows: tuple[tuple[int, int], ...] = ()
    sha256: str | None = None

    def told(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "why": self.why, "rows": [list(place) for place in self.rows]}


def digest_at(path: str, seen: Callable[[bytes], None] = lambda block: None) -> tuple[str, int]:
    """SHA-256 and size of a file or URL. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with open_bytes(path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
            seen(block)
    return digest.hexdigest(), size


def compared(leaf: Leaf, path: str, given: Leaf | None = None) -> Problem | None:
    """What is wrong with the file at a path; None where it is what its leaf says.

    `given` is the input that it was made from: a copy of it has no blocks of its own.
    """
    name = leaf["name"]
    try:
        sha256, size = digest_at(path)
    except FileNotFoundError:
        return Problem("missing", name, _missing(leaf))
    except (OSError, DecontamError) as error:
        return Problem("missing", name, f"cannot be read: {describe(error)}")
    if sha256 == leaf["sha256"] and size == leaf["size"]:
        return None
    rows, said = _placed(leaf, path, given)
    shrunk = "" if size == leaf["size"] else f"; {size:,} bytes, not {leaf['size']:,}"
    return Problem("changed", name, said + shrunk, rows, sha256)


def _missing(leaf: Leaf) -> str:
    return f"is gone; it held {leaf['rows']:,} rows" if leaf["rows"] is not None else "is gone"


def _placed(leaf: Leaf, path: str, given: Leaf | None) -> tuple[tuple[tuple[int, int], ...], str]:
    """Where the rows stand that differ, and what there is to say of them."""
    before = [Block(block["rows"], block["size"], block["digest"]) for block in leaf["blocks"]]
    if not before and given is not None and given["sha256"] == leaf["sha256"]:
        before = _blocks_of_input(given)
    if not before:
        return (), f"is not what the run {'read' if leaf['kind'] == 'input' else 'wrote'}"
    try:
        now, count = _table_blocks(path, before) if leaf["name"].endswith(TABLES) else _line_blocks(path)
    except (OSError, ShardError) as error:
        return (), f"cannot be read any more: {error}"
    rows = tuple(differing(before, now))
    lines = sum(block.rows for block in before)
    counted = f"; {count:,} lines, not {lines:,}" if count is not None and count != lines else ""
    if not rows:
        return (), f"holds the same rows in other bytes{counted}"
    places = ", ".join(f"{first:,} to {last:,}" for first, last in rows[:5]) + (
        f" and {len(rows) - 5} more places" if len(rows) > 5 else ""
    )
    return rows, f"rows {places} of it are not what the run wrote{counted}"


def _blocks_of_input(given: Leaf) -> list[Block]:
    """The blocks of an input that is as it was; none of another."""
    try:
        if digest_at(given["path"])[0] != given["sha256"]:
            return []
        return blocks_of(given["path"]) if given["name"].endswith(TABLES) else _line_blocks(given["path"])[0]
    except (OSError, DecontamError):
        return []


def _line_blocks(path: str) -> tuple[list[Block], int]:
    blocks, count = LineBlocks(), 0
    with Source(path) as source:
        for lines in line_blocks(source):
            count += len(lines)
            blocks.add(lines)  # type: ignore[arg-type]
    return blocks.blocks(), count


def _table_blocks(path: str, before: list[Block]) -> tuple[list[Block], None]:
    with open_bytes(path) as file:
        return list(of_bytes(file.read, before)), None
