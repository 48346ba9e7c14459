"""Documents: JSON that is one value, or several: an export, an archive of exchanges, a stream as an array.

Records are the elements of its lists, each with its own bytes, so that a document of any size is read an element at a time.
Which lists hold records is for the formats to say (`Reader.lists`); an object without such a list is one record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from decontam.codecs import BLOCK, Reader
from decontam.logs.units import ARRAY, LINES, MALFORMED, TOO_LARGE, Unit, unit_of

_NEST = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["{}\[\]]', re.DOTALL)
_INSIDE = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_SPACE = re.compile(rb"[\s\xef\xbb\xbf]*")
_PLAIN = re.compile(rb"[^,\]}\s]*")
_FIRST_KEY = re.compile(rb'\{\s*"[^"\\]*"\s*:')
_BEFORE = 200  # bytes before an element that stay in memory: they tell how it is indented
_OPEN = (b"{", b"[")

Path = tuple[str, ...]


class _Window:
    """A source of which some bytes are in memory. Positions count from its beginning."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._data = b""
        self._base = 0
        self.done = False

    def more(self, keep: int) -> bool:
        """Read on, and forget what stands before `keep`. Whether there was more."""
        keep = max(self._base, keep - _BEFORE)
        data = self._reader.read(max(BLOCK, len(self._data)))  # as much again, so that a long element is not scanned over and over
        self._data = self._data[keep - self._base :] + data
        self._base = keep
        self.done = not data
        return bool(data)

    def held(self) -> int:
        return len(self._data)

    def held_bytes(self, start: int, end: int | None = None) -> bytes:
        return self._data[start - self._base : None if end is None else end - self._base]

    def find(self, pattern: re.Pattern[bytes], at: int) -> tuple[re.Match[bytes] | None, int]:
        """The first match from a position on, and where it ends."""
        match = pattern.search(self._data, at - self._base)
        return match, (match.end() + self._base if match else at)

    def matches(self, pattern: re.Pattern[bytes], at: int) -> tuple[re.Match[bytes] | None, int]:
        """The match at a position, and where it ends."""
        match = pattern.match(self._data, at - self._base)
        return match, (match.end() + self._base if match else at)

    def indent(self, at: int) -> bytes | None:
        """The blanks before a position, where nothing else stands before it on its line and there are lines at all."""
        line = self._data.rfind(b"\n", 0, at - self._base) + 1
        before = self._data[line : at - self._base]
        return before if not before.strip() and (line or not self._base) else None

    @property
    def end(self) -> int:
        return self._base + len(self._data)

    def position(self, match: re.Match[bytes]) -> int:
        return match.start() + self._base


class _BrokenError(Exception):
    """The document is no JSON where it is being read."""


def units(reader: Reader, most: int, lists: tuple[Path, ...]) -> Iterator[Unit]:
    """The elements of the lists of a document, or the document itself where it has no such list. `most` is in bytes."""
    yield from _Document(
        reader, most, {(): True, **{path[:length]: length == len(path) for path in lists for length in range(1, len(path) + 1)}}
    )


class _Document:
    def __init__(self, reader: Reader, most: int, ways: dict[Path, bool]) -> None:
        self._window = _Window(reader)
        self._most = most
        self._ways = ways  # paths into objects that lead to lists, and whether they are such a list
        self._at = 0
        self._keep = 0  # what must stay in memory: the beginning of what is being read
        self._found = False
        self._first_key = b""
        self._large = False  # what is being read is more than may be held, and was let go

    def __iter__(self) -> Iterator[Unit]:
        while sign := self._next():
            self._keep, self._found, self._large = self._at, False, False
            if sign in (b",", b"]", b"}"):  # left over where reading began afresh
                self._at += 1
                continue
            try:
                yield from self._value(())
            except _BrokenError:
                yield from self._afresh()

    def _next(self) -> bytes:
        self._keep = self._at
        return self._sign()

    def _sign(self) -> bytes:
        """The next byte that is no blank; nothing at the end."""
        while True:
            _, self._at = self._window.matches(_SPACE, self._at)
            sign = self._window.held_bytes(self._at, self._at + 1)
            if sign or not self._window.more(self._keep):
                return sign

    def _value(self, path: Path) -> Iterator[Unit]:
        start, sign = self._at, self._sign()
        if sign == b"[" and self._ways.get(path) and self._holds_objects(path):
            self._found = True
            yield from self._elements(path)
        elif sign == b"{" and path in self._ways and (not path or not self._ways[path]):
            yield from self._members(path)
            if not path and not self._found:
                yield self._unit(start, LINES)
        else:
            self._skip()
            if not path:
                yield self._unit(start, LINES)

    def _unit(self, start: int, among: str) -> Unit:
        """What was just read, from `start` on."""
        if self._large or self._at - start > self._most:
            self._large = False
            return Unit(
                None, start, self._at, among, problem=TOO_LARGE, message=f"{self._at - start:,} bytes, at most {self._most:,} are read"
            )
        return unit_of(self._window.held_bytes(start, self._at), start, among)

    def _holds_objects(self, path: Path) -> bool:
        """Whether the list that begins here is one of objects (of anything, where it is the document itself)."""
        start = self._at
        self._at += 1
        sign = self._sign()
        self._at = start
        return sign in _OPEN or (not path and sign == b"]")

    def _elements(self, path: Path) -> Iterator[Unit]:
        """The elements of the list that begins here, one after the other."""
        among = LINES if path else ARRAY
        self._at += 1
        while True:
            self._keep = self._at
            sign = self._sign()
            if sign in (b",", b"]"):
                self._at += 1
                if sign == b"]":
                    return
            elif sign in (b"}", b":", b""):
                raise _BrokenError
            else:
                yield self._element(among)

    def _element(self, among: str) -> Unit:
        """The element that begins here. If it is broken, it ends where the next one seems to begin."""
        start = self._keep = self._at
        try:
            self._skip()
            unit = self._unit(start, among)
        except _BrokenError:
            self._at = self._window.end
            unit = self._broken(start, self._fresh_start(start), among)
        else:
            if unit.cut or unit.problem == MALFORMED:
                end = self._at
                fresh = self._fresh_start(start)
                closed = self._sign() in (b",", b"]") and fresh >= end
                unit = self._broken(start, end if closed else fresh, among)
            elif key := _FIRST_KEY.match(self._window.held_bytes(start, start + 200)):
                self._first_key = key.group()
        return unit

    def _broken(self, start: int, end: int, among: str) -> Unit:
        """What is broken as one unit; reading goes on at its end."""
        self._at = end
        data = self._window.held_bytes(start, end).rstrip(b", \t\r\n")
        unit = unit_of(data, start, among)
        return unit if unit.cut or unit.problem else unit._replace(problem=MALFORMED, message=f"not JSON near byte {start:,}")

    def _members(self, path: Path) -> Iterator[Unit]:
        """The lists in the object that begins here."""
        self._at += 1
        while True:
            if self._found:
                self._keep = self._at
            sign = self._sign()
            if sign in (b",", b"}"):
                self._at += 1
                if sign == b"}":
                    return
                continue
            key = self._key()
            if self._sign() != b":":
                raise _BrokenError
            self._at += 1
            self._sign()
            inner = (*path, key)
            if inner in self._ways:
                yield from self._value(inner)
            else:
                self._skip()

    def _key(self) -> str:
        while True:
            match, end = self._window.matches(_STRING, self._at)
            if match is not None:
                self._at = end
                return match.group(1).decode("utf-8", "replace")
            if self._window.held_bytes(self._at, self._at + 1) != b'"' or self._window.held() > self._most or not self._more(self._at):
                raise _BrokenError

    def _more(self, at: int) -> bool:
        """Read on; let go of what is being read, up to `at`, where it becomes too much."""
        if self._window.end - self._keep > self._most and not self._large:
            if self._fresh_start(self._keep) < self._window.end:
                raise _BrokenError  # it did not close, and another record begins
            self._large = True
        if self._large:
            self._keep = at
        return self._window.more(self._keep)

    def _skip(self) -> None:
        """Go behind the value that begins here."""
        sign = self._window.held_bytes(self._at, self._at + 1)
        if sign == b'"':
            self._at = self._behind_string(self._at)
        elif sign in _OPEN:
            self._at = self._behind_brackets(self._at)
        else:
            self._at = self._behind_word(self._at)

    def _behind_word(self, at: int) -> int:
        while True:
            match, end = self._window.matches(_PLAIN, at)
            if end < self._window.end or not self._more(at):
                if match is None or not match.group():
                    raise _BrokenError
                return end

    def _behind_string(self, at: int) -> int:
        at += 1
        while True:
            _, at = self._window.matches(_INSIDE, at)
            if self._window.held_bytes(at, at + 1) == b'"':
                return at + 1
            if not self._more(at):
                raise _BrokenError

    def _behind_brackets(self, at: int) -> int:
        depth = 0
        while True:
            match, end = self._window.find(_NEST, at)
            if match is None:
                end = self._window.end
                if not self._more(end):
                    raise _BrokenError
            elif match.group() in _OPEN:
                depth += 1
            elif match.group() in (b"}", b"]"):
                depth -= 1
                if depth == 0:
                    return end
            elif match.group() == b'"':  # of a string that goes on behind what is in memory
                end = self._behind_string(self._window.position(match))
            at = end

    def _fresh_start(self, start: int) -> int:
        """Where the record after the one that begins at `start` seems to begin: on a line with the same indent, or, where
        there are no lines, with the key that others begin with; what is in memory ends there otherwise."""
        indent = self._window.indent(start)
        begins = rb"\n" + re.escape(indent) + rb"(?=[{\[])" if indent is not None else b"(?=" + re.escape(self._first_key) + b")"
        if indent is None and not self._first_key:
            return self._window.end
        match, end = self._window.find(re.compile(begins), start + 1)
        return end if match else self._window.end

    def _afresh(self) -> Iterator[Unit]:
        """What is broken as one unit; reading goes on at the next line that looks like a record."""
        start = self._keep
        yield self._broken(start, self._fresh_start(start), LINES)
