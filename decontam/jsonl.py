"""Shards of JSON lines.

Lines are kept as bytes from beginning to end; parsing only looks. Rows are numbered from 0 and count every line, also
blank ones, so that a row number finds its line with any tool.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

import orjson

from decontam.blocks import Block, LineBlocks
from decontam.codecs import BLOCK, Reader, codec_of, compressing
from decontam.files import Source
from decontam.layout import Layout, Place, Unreadable
from decontam.types import Record, Redaction


class Oversized(NamedTuple):
    """A line longer than a record may be; its bytes are on disk, not in memory."""

    content: IO[bytes]
    size: int


def line_blocks(source: Reader, block: int = BLOCK, most: int | None = None) -> Iterator[list[bytes | Oversized]]:
    """The lines of a shard without their newlines, some at a time; a line of more than `most` bytes as Oversized.

    The last list holds one line: what stands behind the last newline, nothing as a rule.
    """
    line = _Growing(most)
    while data := source.read(block):
        first, newline, rest = data.partition(b"\n")
        line.add(first)
        if newline:
            lines: list[bytes | Oversized] = [line.end(), *rest.split(b"\n")]
            line.add(lines.pop())  # type: ignore[arg-type]
            yield lines
    yield [line.end()]


def lines_of(source: Reader, block: int = BLOCK, most: int | None = None) -> Iterator[bytes]:
    """The lines of a shard one by one, but for those of more than `most` bytes."""
    for lines in line_blocks(source, block, most):
        yield from (line for line in lines if isinstance(line, bytes))


class _Growing:
    """A line of which some pieces are known; beyond `most` bytes it goes on in a temporary file."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._pieces: list[bytes] = []
        self._size = 0
        self._file: IO[bytes] | None = None

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._most is not None and self._size > self._most:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever gets the line closes it
            self._file.writelines(self._pieces)
            self._pieces = []

    def end(self) -> bytes | Oversized:
        line: bytes | Oversized = b"".join(self._pieces)
        if self._file is not None:
            self._file.seek(0)
            line = Oversized(self._file, self._size)
        self._pieces, self._size, self._file = [], 0, None
        return line


class Lines:
    """The content of a shard of JSON lines; what it hands out as `raw` is a line, or an Oversized one."""

    format = "jsonl"
    lazy = False
    reencoded: tuple[str, ...] = ()

    def __init__(self, reader: Reader, layout: Layout, name: str, most: int, source: Source) -> None:
        self._reader, self._layout, self._name, self._most, self._source = reader, layout, name, most, source

    def places(self, wanted: Callable[[int], bool]) -> Iterator[Place]:
        """Every line, from the first on."""
        row = offset = 0
        for lines in line_blocks(self._reader, most=self._most):
            for line in lines:
                if isinstance(line, Oversized):
                    size = line.size
                    with line.content:  # it is there until the next place is asked for
                        yield Place(row, offset, size, line, offset)
                else:
                    size = len(line)
                    yield Place(row, offset, size, line, offset)
                row += 1
                offset += size + 1

    def read(self, place: Place) -> Record | Unreadable | None:
        """What a line holds; nothing if it is blank."""
        line = self._line(place)
        return self._layout.read(line, self._name, place.row) if isinstance(line, bytes) else line

    def whole(self, place: Place) -> dict[str, Any] | Unreadable | None:
        """Everything that a line holds, the last of equal keys only; nothing if it is blank."""
        line = self._line(place)
        return self._layout.whole(line) if isinstance(line, bytes) else line

    def _line(self, place: Place) -> bytes | Unreadable | None:
        line = self.line(place)
        return None if isinstance(line, bytes) and (not line or line.isspace()) else line

    def line(self, place: Place) -> bytes | Unreadable:
        """A line as it is, but for one that is too long."""
        if isinstance(place.raw, Oversized) or place.size > self._most:
            return Unreadable("too_large", f"{place.size:,} bytes, input.max_record_bytes is {self._most:,}")
        return place.raw

    def value(self, place: Place) -> Any:
        """A line parsed, None where it is not JSON."""
        try:
            return orjson.loads(place.raw)
        except (orjson.JSONDecodeError, TypeError):
            return None

    def unscreened(self, place: Place) -> set[str]:
        """Paths of the strings in a line that are not looked at."""
        return self._layout.unscreened(place.raw) if isinstance(place.raw, bytes) else set()

    def redact(self, place: Place, redactions: tuple[Redaction, ...]) -> bytes:
        """The line with its redactions made."""
        return self._layout.redact(place.raw, redactions)

    def held(self, raw: Any) -> bytes | IO[bytes]:
        """A line for safekeeping: its bytes, or a file of them where it is too long for memory."""
        return raw.content if isinstance(raw, Oversized) else raw

    def restored(self, held: bytes, place: Place) -> bytes:
        """What was held, to be written in its place."""
        return held

    def writer(self, raw: Any, name: str, zstd_level: int) -> LineWriter:
        """Writes lines to a shard called `name`."""
        return LineWriter(raw, codec_of(name), zstd_level)

    @property
    def size(self) -> int:
        """Bytes of the file read so far."""
        return self._source.size

    def sha256(self) -> str:
        """Of the file, once it was read to the end."""
        return self._source.sha256()


class LineWriter:
    """Lines to a file, joined by newlines, in batches of about a block.

    What stands behind the last newline of a shard is a line too, empty as a rule; writing it ends the file as it was.
    """

    def __init__(self, raw: Any, codec: str, zstd_level: int) -> None:
        self._file = compressing(raw, codec, zstd_level)
        self._batch: list[bytes] = []
        self._size = 0
        self._begun = False
        self._blocks = LineBlocks()

    def write(self, line: bytes) -> None:
        self._batch.append(line)
        self._size += len(line)
        if self._size >= BLOCK:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            self._file.write((b"\n" if self._begun else b"") + b"\n".join(self._batch))
            self._begun = True
            self._blocks.add(self._batch)
        self._batch, self._size = [], 0

    def close(self) -> None:
        self._flush()
        self._file.close()

    def blocks(self) -> list[Block]:
        """Those of what was written, once it is closed."""
        return self._blocks.blocks()
