"""Lines: logs that are read line by line: JSON lines, server-sent events, HTTP as it went over the wire, server logs with JSON in them.

All of these are one format here, since gateways mix them: a line is told by how it begins. JSON that goes on over several
lines is put together again; a line that is broken is one broken record, and the next line begins afresh.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from decontam.codecs import Reader
from decontam.jsonl import line_blocks
from decontam.logs import documents
from decontam.logs.units import BREAK, DONE, EVENTS, NOISE, TOO_LARGE, Unit, unit_of

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["{}\[\]]')
_FIELD = re.compile(rb"(?:event|id|retry)\s*:|:")
_HTTP = re.compile(rb"HTTP/\d(?:\.\d)? \d{3}|(?:GET|POST|PUT|PATCH) \S+ HTTP/\d")
# How a line begins that JSON over several lines may go on with; a time, a level, a field of an event is something else.
_GOES_ON = re.compile(rb'\s*(?:["{}\],]|\[(?=[\s"{\[\]]|-?\d+(?:\.\d+)?[,\]]|$)|-?\d[\d.eE+-]*,?\s*$|(?:true|false|null),?\s*$|$)')
_AGAIN = 10  # times the lines of a log that may be read a second time: more is a log made to be slow
_HEX = re.compile(rb"\\x([0-9A-Fa-f]{2})")
_BOM = b"\xef\xbb\xbf"


def nesting(line: bytes) -> tuple[int, bool]:
    """How many more brackets a line opens than it closes, and whether a string breaks off in it.

    >>> nesting(b'{"a": ["x"'), nesting(b'{"a": "x')
    ((2, False), (1, True))
    """
    depth = 0
    for match in _TOKEN.finditer(line):
        token = match.group()
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
        elif token == b'"':
            return depth, True
    return depth, False


def _among_words(bare: bytes, start: int, end: int) -> Unit:
    """The JSON in a line that begins with something else: a time, a level, the name of a server."""
    if b"{\\x22" in bare:
        values = [value for each in bare.split(b'"') if each[:5] == b"{\\x22" and (value := _unescaped(each)) is not None]
        if values:
            return Unit(values, start, end)
    brace = bare.find(b"{")
    if brace >= 0:
        rest = bare[brace:]
        depth, broken = nesting(rest)
        if depth == 0 and not broken:
            rest = rest[: rest.rfind(b"}") + 1]
        unit = unit_of(rest, start, end=end)
        if isinstance(unit.value, dict) and unit.value and (not unit.cut or depth > 0 or broken):
            return unit
    return Unit(None, start, end, problem=NOISE)


def _unescaped(field: bytes) -> Any:
    """JSON as nginx writes a variable into its access log, with its quotes as \\x22."""
    unit = unit_of(_HEX.sub(lambda match: bytes([int(match[1], 16)]), field), 0)
    return unit.value


def _is_record(line: bytes) -> bool:
    """Whether a line is an object, whole and from its first byte on."""
    if line[:1] != b"{":
        return False
    unit = unit_of(line, 0)
    return not unit.cut and not unit.problem


def _several(bare: bytes, start: int, most: int) -> list[Unit]:
    """The objects that stand on one line with nothing between them; none where it is something else."""
    found = [unit._replace(start=unit.start + start, end=unit.end + start) for unit in documents.units(io.BytesIO(bare), most, ())]
    whole = len(found) > 1 and not any(unit.cut or unit.problem for unit in found)
    return found if whole and all(isinstance(unit.value, dict) for unit in found) else []


@dataclass(slots=True)
class _Pending:
    """JSON that began on an earlier line."""

    start: int
    lines: list[bytes] = field(default_factory=list)
    depth: int = 0
    size: int = 0

    def add(self, line: bytes, depth: int) -> None:
        self.lines.append(line)
        self.depth += depth
        self.size += len(line) + 1

    def expects(self) -> bool:
        """Whether another value may come next."""
        return self.lines[-1].rstrip()[-1:] in (b"[", b",", b":")

    def unit(self) -> Unit:
        return unit_of(b"\n".join(self.lines), self.start)


def units(reader: Reader, most: int) -> Iterator[Unit]:
    """The units of a log that is read by lines. `most` is in bytes of one."""
    state = _Lines(most)
    at = 0
    for lines in line_blocks(reader, most=most):
        for line in lines:
            size = len(line) if isinstance(line, bytes) else line.size
            if isinstance(line, bytes) and size <= most:
                yield from state.next(line, at)
            else:
                if not isinstance(line, bytes):
                    line.content.close()
                yield Unit(None, at, at + size, problem=TOO_LARGE, message=f"{size:,} bytes in one line, at most {most:,} are read")
            at += size + 1
    yield from state.end()


class _Lines:
    """What has to be remembered from one line to the next."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pending: _Pending | None = None
        self._data: list[bytes] = []  # of an event whose data goes on
        self._data_at = (0, 0)
        self._headers = False
        self._seen = self._again = 0  # lines, and lines that were read a second time

    def next(self, line: bytes, at: int) -> Iterator[Unit]:
        """What the next line tells."""
        self._seen += 1
        return self.line(line, at)

    def line(self, line: bytes, at: int) -> Iterator[Unit]:
        """What a line tells, also one that was read before."""
        if self._pending is not None:
            yield from self._goes_on(self._pending, line, at)
            return
        bare = line.strip()
        if bare[:1] in (b"{", b"[") and not self._headers:
            yield from self._json(line, bare, at)
        elif not bare:
            self._headers = False
            yield from self._event()
        elif bare.startswith(b"data:"):
            self._headers = False
            yield from self._piece(bare[5:].strip(), at, at + len(line))
        else:
            yield from self._other(bare, at, at + len(line))

    def _json(self, line: bytes, bare: bytes, at: int) -> Iterator[Unit]:
        start = at + line.index(bare[:1])
        unit = unit_of(bare, start)
        if not unit.cut and not unit.problem:
            yield unit
            return
        depth, broken = nesting(bare)
        if depth > 0 and not broken:
            self._pending = _Pending(start)
            self._pending.add(line[start - at :], depth)
        elif depth == 0 and not broken and (several := _several(bare, start, self._most)):
            yield from several
        else:
            yield unit

    def _goes_on(self, pending: _Pending, line: bytes, at: int) -> Iterator[Unit]:
        """Another line of JSON that began earlier, unless that cannot be."""
        depth, broken = nesting(line)
        if not _GOES_ON.match(line) or (not pending.expects() and _is_record(line)):
            self._pending = None
            yield from self._gave_up(pending)
            yield from self.line(line, at)
            return
        pending.add(line, depth)
        if pending.depth <= 0 or broken or pending.size > self._most:
            self._pending = None
            unit = None if pending.depth > 0 else pending.unit()
            yield from [unit] if unit and not unit.cut and not unit.problem else self._gave_up(pending)

    def _gave_up(self, pending: _Pending) -> Iterator[Unit]:
        """JSON that does not close, or not into a value: one broken record, unless its lines hold whole ones: then the first is broken."""
        first, *others = pending.lines
        self._again += len(others)
        if self._again > _AGAIN * (self._seen + 1) or not any(map(_is_record, others)):
            yield pending.unit()
            return
        yield unit_of(first.strip(), pending.start)
        start = pending.start + len(first) + 1
        for other in others:
            yield from self.line(other, start)
            start += len(other) + 1

    def _piece(self, data: bytes, start: int, end: int) -> Iterator[Unit]:
        """A line of data of an event; its JSON may go on in the next one."""
        if data == b"[DONE]":
            yield from self._event()
            yield Unit(None, start, end, EVENTS, problem=DONE)
            return
        if not self._data:
            unit = unit_of(data, start, EVENTS, end)
            if not unit.cut and not unit.problem:
                yield unit
                return
            self._data_at = (start, end)
        self._data_at = (self._data_at[0], end)
        self._data.append(data)

    def _event(self) -> Iterator[Unit]:
        """The event whose data could not be read by its first line."""
        if self._data:
            data, self._data = b"\n".join(self._data), []
            start, end = self._data_at
            if data[:1] in (b"{", b"["):
                yield unit_of(data, start, EVENTS, end)
            else:
                yield Unit(None, start, end, EVENTS, problem=NOISE)

    def _other(self, bare: bytes, start: int, end: int) -> Iterator[Unit]:
        if self._headers or _FIELD.match(bare):
            return
        if _HTTP.match(bare):
            self._headers = True
            yield from self._event()
            yield Unit(None, start, end, problem=BREAK)
            return
        if bare.startswith(_BOM):
            yield from self.line(bare.removeprefix(_BOM), start + len(_BOM))
            return
        yield _among_words(bare, start, end)

    def end(self) -> Iterator[Unit]:
        """What is left when no more lines come."""
        while self._pending is not None:
            pending, self._pending = self._pending, None
            yield from self._gave_up(pending)
        yield from self._event()
