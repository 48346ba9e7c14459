"""Streams: pieces of an answer that stand one by one, put together again.

Pieces of several streams may be mixed, where they have ids; pieces without one belong to the stream that was begun last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from decontam.logs.calls import Chunk, Reader
from decontam.logs.units import BREAK, DONE, EVENTS, LINES, Unit, unit_of

_KNOWN = 10_000  # sets of keys that are remembered
_WRAPS = ("chunk", "data", "event", "raw")  # where records keep a piece
_EVENT = {"event", "data", "id", "retry", "type"}
_BEGINS = ("{", "data:")
_AT_ONCE = 256  # streams that may be open
_ROOM = 4  # times `most`: bytes that open streams may take together


def fits(reader: Reader, keys: tuple[str, ...]) -> bool:
    """Whether a record with these keys is shown to a reader."""
    return not reader.keys or any(all(key in keys for key in each) for each in reader.keys)


class Asked:
    """Readers by the keys of the records that they are to be shown."""

    def __init__(self, readers: Iterable[Reader]) -> None:
        self._readers = tuple(readers)
        self._known: dict[tuple[str, ...], tuple[Reader, ...]] = {}

    def about(self, value: dict[str, Any]) -> tuple[Reader, ...]:
        """Those that a record is shown to, in order."""
        keys = tuple(value)
        found = self._known.get(keys)
        if found is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            found = self._known[keys] = tuple(reader for reader in self._readers if fits(reader, keys))
        return found


class Whole(NamedTuple):
    """What `Reader.read` reads, and where it stands. `number` counts units."""

    value: Any
    start: int
    end: int
    number: int
    cut: bool
    unit: Unit | None = None
    """Set where there is no value: why."""


class _Open:
    __slots__ = ("cut", "end", "number", "pieces", "reader", "size", "start", "stream")

    def __init__(self, reader: Reader, chunk: Chunk, unit: Unit, number: int) -> None:
        self.reader, self.stream, self.number = reader, chunk.stream, number
        self.start, self.end, self.cut = unit.start, unit.end, False
        self.pieces: list[dict[str, Any]] = []
        self.size = 0

    def add(self, unit: Unit) -> None:
        self.pieces.append(unit.value)
        self.end = max(self.end, unit.end)
        self.size += unit.end - unit.start
        self.cut = self.cut or unit.cut

    def whole(self) -> Whole:
        join = self.reader.join or (lambda pieces: pieces[-1])
        return Whole(join(self.pieces), self.start, self.end, self.number, self.cut)


class Streams:
    """Units in, in order; values that are whole out, those of streams when they end."""

    def __init__(self, asked: Asked, most: int) -> None:
        self._asked = asked  # readers that know pieces of streams
        self._most = most
        self._open: dict[tuple[str, str], _Open] = {}
        self._latest = ("", "")  # whose piece came last
        self._held = 0

    def add(self, unit: Unit, number: int) -> Iterator[Whole]:
        """What is whole now that a unit came."""
        if unit.problem == BREAK:
            yield from self.rest()
            return
        if unit.problem == DONE:
            if self._latest in self._open:
                yield self._close(self._latest)
            return
        value = unit.value
        if isinstance(value, dict):
            for piece in chain((unit,), self._inside(unit)):
                reader, chunk = self._chunk(piece)
                if reader is not None and chunk is not None:
                    yield from self._piece(reader, chunk, piece, number)
                    return
            if unit.among != LINES and not unit.problem and self._open and value.keys() <= {"type", "event"}:
                return  # a ping
        yield Whole(value, unit.start, unit.end, number, unit.cut, unit if unit.problem else None)

    def _chunk(self, unit: Unit) -> tuple[Reader | None, Chunk | None]:
        """The reader that knows a piece, and what tells it."""
        for reader in self._asked.about(unit.value):
            chunk = reader.chunk(unit.value, unit.among) if reader.chunk else None
            if chunk is not None:
                return reader, chunk
        return None, None

    def _inside(self, unit: Unit) -> Iterator[Unit]:
        """What an object wraps that may be a piece: an event with its data, a line of a gateway with a chunk."""
        for key in _WRAPS:
            inner = unit.value.get(key)
            if isinstance(inner, str) and inner.lstrip().startswith(_BEGINS):
                made = unit_of(inner.strip().removeprefix("data:").strip().encode("utf-8", "surrogatepass"), 0)
                inner = made.value
            if isinstance(inner, dict):
                yield unit._replace(value=inner, among=EVENTS if unit.value.keys() <= _EVENT else unit.among)

    def _piece(self, reader: Reader, chunk: Chunk, unit: Unit, number: int) -> Iterator[Whole]:
        key, stream = self._stream_of(reader, chunk)
        if stream is not None and (chunk.first or stream.size > self._most):
            yield self._close(key)
            stream = None
        if stream is None:
            stream = self._open[key] = _Open(reader, chunk, unit, number)
        stream.add(unit)
        self._latest = key
        self._held += unit.end - unit.start
        if chunk.last:
            yield self._close(key)
        while len(self._open) > _AT_ONCE or self._held > _ROOM * self._most:
            yield self._close(next(iter(self._open)))

    def _stream_of(self, reader: Reader, chunk: Chunk) -> tuple[tuple[str, str], _Open | None]:
        """The stream that a piece belongs to, and its key; None where it begins one."""
        key = reader.name, chunk.stream
        if key in self._open and chunk.stream:
            return key, self._open[key]
        latest = next((found for found in reversed(self._open) if found[0] == reader.name), None)
        if latest is None or chunk.first:
            return key, self._open.get(key)
        if not chunk.stream:
            return latest, self._open[latest]
        if not latest[1]:  # its first pieces did not tell its id
            self._open[key] = self._open.pop(latest)
            return key, self._open[key]
        return key, None

    def _close(self, key: tuple[str, str]) -> Whole:
        stream = self._open.pop(key)
        self._held -= stream.size
        return stream.whole()

    def rest(self) -> Iterator[Whole]:
        """Whatever is still open."""
        while self._open:
            yield self._close(next(iter(self._open)))
