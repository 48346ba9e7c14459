"""Blocks: digests of pieces of a file, by which a change can be placed in it. The digest of the whole file proves; these only point.

Of lines, a block is 1,000 of them, each with a newline behind it, decompressed. Of a Parquet file, it is the bytes of a row group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

ROWS = 1000
"""Lines of a block."""


class Block(NamedTuple):
    """So many rows, and the first 16 hexadecimal digits of the SHA-256 of what holds them. `size` is in bytes; 0 for lines."""

    rows: int
    size: int
    digest: str


class LineBlocks:
    """Blocks of the lines that pass by."""

    def __init__(self) -> None:
        self._done: list[Block] = []
        self._hash = hashlib.sha256()
        self._rows = 0

    def add(self, lines: Sequence[bytes]) -> None:
        at = 0
        while at < len(lines):
            part = lines[at : at + ROWS - self._rows]
            self._hash.update(b"\n".join(part))
            self._hash.update(b"\n")
            self._rows += len(part)
            at += len(part)
            if self._rows == ROWS:
                self._end()

    def _end(self) -> None:
        self._done.append(Block(self._rows, 0, self._hash.hexdigest()[:16]))
        self._hash, self._rows = hashlib.sha256(), 0

    def blocks(self) -> list[Block]:
        """Those of all lines so far."""
        if self._rows:
            self._end()
        return self._done


class Segments:
    """A binary file to write to, whose bytes are cut into blocks where its writer says that rows end."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._size = 0
        self.blocks: list[Block] = []
        self.closed = False

    def write(self, data: Any) -> int:
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)
        return len(data)

    def cut(self, rows: int) -> None:
        """What was written since the last cut holds `rows` rows."""
        self.blocks.append(Block(rows, self._size, self._hash.hexdigest()[:16]))
        self._hash, self._size = hashlib.sha256(), 0

    def flush(self) -> None:
        pass

    def close(self) -> None:
        """The file stays open: it is not ours."""


def of_bytes(read: Any, like: Iterable[Block]) -> Iterator[Block]:
    """The bytes of a file cut where the blocks of another one end; `read` gives so many of them."""
    for block in like:
        data, digest, left = b"", hashlib.sha256(), block.size
        while left and (data := read(min(left, 1 << 20))):
            digest.update(data)
            left -= len(data)
        yield Block(block.rows, block.size - left, digest.hexdigest()[:16])


def differing(before: Sequence[Block], now: Sequence[Block]) -> list[tuple[int, int]]:
    """First and last row of each run of blocks that are not what they were; rows that are no longer there count as they were.

    >>> differing([Block(2, 0, "a"), Block(2, 0, "b"), Block(1, 0, "c")], [Block(2, 0, "a"), Block(2, 0, "x"), Block(1, 0, "c")])
    [(2, 3)]
    """
    places: list[tuple[int, int]] = []
    row = 0
    for number, block in enumerate(before):
        if number >= len(now) or now[number] != block:
            if places and places[-1][1] == row - 1:
                places[-1] = places[-1][0], row + block.rows - 1
            else:
                places.append((row, row + block.rows - 1))
        row += block.rows
    if len(now) > len(before):
        places.append((row, row + sum(block.rows for block in now[len(before) :]) - 1))
    return places
