"""JSON as text: where the string literals of a line stand, and how to change one without touching anything else.

A redacted record differs from the original only inside the redacted literals. Nothing is ever re-serialised: parsers
keep the last of two equal keys, round long integers and reorder escapes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from decontam.types import Redaction

_STRUCTURE = re.compile(rb'["{}\[\],]')
_ESCAPE = re.compile(rb"\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\.", re.DOTALL)
_BACKSLASH = ord("\\")


class Literal(NamedTuple):
    """A string value: the keys and indices that lead to it, and the bytes between its quotes."""

    path: tuple[str | int, ...]
    start: int
    end: int


def line_of(value: Any) -> bytes:
    """A value as a line of JSON: rows as objects, bytes in base64, and what JSON has no word for as its text.

    Raises ValueError or RecursionError for what holds itself or is nested too deeply.

    >>> line_of({"text": "lone \\ud800", "n": 2**64, "raw": b"\\xff"})
    b'{"text": "lone \\\\ud800", "n": 18446744073709551616, "raw": "/w=="}'
    """
    try:
        return orjson.dumps(value, default=_said)
    except TypeError:
        return json.dumps(value, default=_said).encode()


def _said(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return value._asdict()
    if hasattr(value, "tolist"):  # numpy
        return value.tolist()
    return base64.b64encode(value).decode() if isinstance(value, (bytes, bytearray, memoryview)) else str(value)


def _closing_quote(line: bytes, start: int) -> int:
    at = line.index(b'"', start)
    while True:
        backslashes = at
        while backslashes > start and line[backslashes - 1] == _BACKSLASH:
            backslashes -= 1
        if (at - backslashes) % 2 == 0:
            return at
        at = line.index(b'"', at + 1)


def literals(line: bytes) -> Iterator[Literal]:
    """All string values of a line of valid JSON, duplicates of a key included, in the order of the text.

    >>> [(x.path, x.start, x.end) for x in literals(b'{"a": ["x", {"b": "y"}], "a": "z"}')]
    [(('a', 0), 8, 9), (('a', 1, 'b'), 19, 20), (('a',), 31, 32)]
    """
    path: list[str | int] = []  # for an array the index of the element, for an object the latest key
    in_object: list[bool] = []
    expect_key = False
    at = 0
    while match := _STRUCTURE.search(line, at):
        at = match.end()
        sign = match.group()
        if sign == b'"':
            start, end = at, _closing_quote(line, at)
            at = end + 1
            if expect_key:
                path[-1] = json.loads(line[start - 1 : at])
                expect_key = False
            else:
                yield Literal(tuple(path), start, end)
        elif sign == b"{":
            path.append("")
            in_object.append(True)
            expect_key = True
        elif sign == b"[":
            path.append(0)
            in_object.append(False)
            expect_key = False
        elif sign == b",":
            if in_object[-1]:
                expect_key = True
            else:
                path[-1] = int(path[-1]) + 1
        else:
            path.pop()
            in_object.pop()
            expect_key = False


def value_of(line: bytes, literal: Literal) -> str:
    """The text that a literal stands for."""
    text: str = json.loads(line[literal.start - 1 : literal.end + 1])
    return text


def _byte_offsets(raw: bytes, characters: Sequence[int]) -> dict[int, int]:
    """Offsets into the text -> offsets into the bytes between the quotes; `characters` in ascending order."""
    offsets: dict[int, int] = {}
    wanted = iter(characters)
    target = next(wanted, None)
    at = count = 0
    for start, end in [*(match.span() for match in _ESCAPE.finditer(raw)), (len(raw), len(raw))]:
        plain = raw[at:start]
        text = plain if plain.isascii() else plain.decode()
        length, inside = len(text), 0
        while target is not None and target <= count + length:
            between = text[inside : target - count]
            at += len(between.encode() if isinstance(between, str) else between)
            inside = target - count
            offsets[target] = at
            target = next(wanted, None)
        at, count = end, count + length + 1
    return offsets


def spliced(line: bytes, changes: Iterable[tuple[Literal, Sequence[Redaction]]]) -> bytes:
    """`line` with the redactions made inside its literals, and every other byte as it was.

    >>> spliced(b'{"t": "\\\\u00e9 a@b.cn", "n": 1.0}', [(Literal(("t",), 7, 20), [Redaction("t", (2, 8), "<EMAIL>")])])
    b'{"t": "\\\\u00e9 <EMAIL>", "n": 1.0}'
    """
    pieces: list[bytes] = []
    done = 0
    for literal, redactions in sorted(changes, key=lambda change: change[0].start):
        at = _byte_offsets(line[literal.start : literal.end], sorted({offset for _, span, _ in redactions for offset in span}))
        for _, (start, end), replacement in sorted(redactions, key=lambda redaction: redaction.span):
            pieces += (line[done : literal.start + at[start]], json.dumps(replacement)[1:-1].encode())
            done = literal.start + at[end]
    return b"".join([*pieces, line[done:]])
