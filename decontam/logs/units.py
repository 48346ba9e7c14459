"""Units: the smallest pieces that a log falls into, with the bytes at which they stand, before anybody knows what they mean."""

from __future__ import annotations

import ast
import io
import json
from typing import Any, NamedTuple

import orjson

from decontam.codecs import BLOCK, Reader
from decontam.logs.content import partial

MALFORMED = "malformed"
TOO_LARGE = "too_large"
NOISE = "noise"
"""A line without a record: a word of a server between them."""
BREAK = "break"
"""No record, but what ends all streams before it: the head of another response."""
DONE = "done"
"""No record, but what ends the stream whose piece came last: `data: [DONE]`."""

_LONGEST_REPR = 1_000_000  # bytes: literal_eval takes a hundred times as much memory
EVENTS = "events"
ARRAY = "array"
LINES = "lines"


class Unit(NamedTuple):
    """A parsed value, or why there is none.

    `start` and `end` are bytes of the source, decompressed. `among` says what it stands among: events, an array, lines.
    `cut`: its end is missing, `value` is what could be read. `problem` is one of the words above.
    """

    value: Any
    start: int
    end: int
    among: str = LINES
    cut: bool = False
    problem: str = ""
    message: str = ""


class Again:
    """A reader whose first bytes were looked at already."""

    def __init__(self, head: bytes, rest: Reader) -> None:
        self._head, self._rest = io.BytesIO(head), rest

    def read(self, size: int = BLOCK, /) -> bytes:
        return self._head.read(size) or self._rest.read(size)


def parsed(data: bytes | str) -> Any:
    """JSON as a value. Raises ValueError or RecursionError where it is none."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data, strict=False)  # NaN, lone surrogates, long integers, line breaks in strings


def _repr(data: bytes) -> dict[str, Any] | None:
    """The dict that Python wrote down, as applications log their objects; None where it is none."""
    if len(data) > _LONGEST_REPR:
        return None
    try:
        value = ast.literal_eval(data.decode())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else None


def unit_of(data: bytes, start: int, among: str = LINES, end: int | None = None) -> Unit:
    """The unit that some bytes of JSON are: parsed, or as much of it as can be read, or malformed.

    >>> unit_of(b'{"a": "wor', 0)
    Unit(value={'a': 'wor'}, start=0, end=10, among='lines', cut=True, problem='', message='not JSON at byte 6: it is cut off')
    """
    end = start + len(data) if end is None else end
    try:
        return Unit(parsed(data), start, end, among)
    except UnicodeDecodeError as error:
        where, why = error.start, "a byte that is not UTF-8"
        data = data.decode("utf-8", "replace").encode()
    except json.JSONDecodeError as error:
        where, why = len(error.doc[: error.pos].encode("utf-8", "surrogatepass")), error.msg
    except (RecursionError, ValueError) as error:
        return Unit(None, start, end, among, problem=MALFORMED, message=f"not JSON that can be read: {error}")
    if data.startswith(b"{'") and (value := _repr(data)) is not None:
        return Unit(value, start, end, among)
    value = partial(data)
    if value is None and where:
        value = partial(data[:where])
    if not isinstance(value, (dict, list)):
        return Unit(None, start, end, among, problem=MALFORMED, message=f"not JSON at byte {start + where:,}: {why}")
    why = "it is cut off" if why.startswith(("Unterminated", "Expecting")) else why
    return Unit(value, start, end, among, cut=True, message=f"not JSON at byte {start + where:,}: {why}")
