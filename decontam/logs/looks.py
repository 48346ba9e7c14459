"""Looks: what is in a value, whatever it is wrapped in: objects, lists, text that holds JSON or a stream, base64, gzip."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from decontam.logs.calls import PROMPT, Call, Reader, Said, text
from decontam.logs.containers import in_text
from decontam.logs.content import said_by, said_in
from decontam.logs.streams import Asked, Streams
from decontam.logs.units import ARRAY, Unit, parsed

_SIGNS = (b"{", b"[", b"data:", b"event:", b"id:", b": ", b":\n", b"HTTP/")
_LINE = ("{", "data:", "event:")
_SHORTEST = 8  # characters of text that may hold a payload
_BASE64 = 64  # characters of base64 that are worth a look
_DEEPEST = 24
_EMPTY = ("{}", "[]", "null", '""')
_QUESTIONS = ("prompt", "inputText", "inputs", "query", "question", "text", "content", "input")
_ANSWERS = ("content", "text", "completion", "output_text", "output", "answer", "response", "result", "generated_text", "reply", "parts")


class Looking:
    """`calls.Look` over some readers. `most` is in bytes of a value that stands inside another."""

    def __init__(self, readers: tuple[Reader, ...], most: int, prompts: bool) -> None:
        self.prompts = prompts
        self._asked = Asked(readers)
        self._pieces = Asked(reader for reader in readers if reader.chunk)
        self._most = most
        self._depth = 0

    def calls(self, value: Any) -> list[Call]:
        if self._depth > _DEEPEST:
            return []
        self._depth += 1
        try:
            if isinstance(value, dict):
                return self._object(value)
            if isinstance(value, list):
                return self._units(self._listed(value))
            if isinstance(value, (str, bytes)):
                return self._text(value)
            return []
        finally:
            self._depth -= 1

    def _object(self, value: dict[str, Any]) -> list[Call]:
        for reader in self._asked.about(value):
            calls = reader.read(value, self)
            if calls is not None:
                return [call._replace(format=reader.name) for call in calls]
        return []

    def _listed(self, values: list[Any]) -> Iterator[Unit]:
        """The elements of a list; lines and pieces that stand in it as text are read as if they stood in one."""
        for at, each in enumerate(values):
            if isinstance(each, str) and each.lstrip().startswith(_LINE):
                yield from in_text(each.strip().encode("utf-8", "surrogatepass"), self._most)
            else:
                yield Unit(each, at, at + 1, ARRAY)

    def _units(self, units: Iterable[Unit]) -> list[Call]:
        streams = Streams(self._pieces, self._most)
        found: list[Call] = []
        for number, unit in enumerate(units):
            for whole in streams.add(unit, number):
                found += self._whole(whole)
        for whole in streams.rest():
            found += self._whole(whole)
        return found

    def _whole(self, whole: Any) -> list[Call]:
        if whole.unit is not None:
            return []
        calls = self.calls(whole.value)
        return [call._replace(cut=True) for call in calls] if whole.cut else calls

    def _text(self, value: str | bytes) -> list[Call]:
        data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        if isinstance(value, bytes):
            data = inflated(data)
        bare = data.lstrip(b"\xef\xbb\xbf \t\r\n")
        if len(bare) < _SHORTEST:
            return []
        if bare[:1] in (b"{", b"["):
            try:
                return self.calls(parsed(bare))
            except (ValueError, RecursionError):
                return self._units(in_text(bare, self._most))
        if bare.startswith(_SIGNS):
            return self._units(in_text(bare, self._most))
        decoded = from_base64(bare)
        return self._text(decoded) if decoded else []

    def answers(self, value: Any) -> list[Call]:
        calls = self.calls(value)
        if calls or value in (None, "", [], {}) or (isinstance(value, str) and value.strip() in _EMPTY):
            return calls
        if isinstance(value, str):
            return [Call((Said(value),))]
        if isinstance(value, list):
            return [call for each in value for call in self.answers(each)]
        if not isinstance(value, dict):
            return []
        said = said_in(value)
        for key in _ANSWERS:
            if said:
                break
            said = list(said_by(value.get(key)))
        return [Call(tuple(said), id=text(value.get("id")), model=text(value.get("model")))] if said else []

    def asked(self, value: Any) -> tuple[Said, ...]:
        if not self.prompts or value in (None, "", [], {}):
            return ()
        said = [said for call in self.calls(value) for said in call.said]
        if not said and isinstance(value, str):
            said = [Said(value)]
        if not said and isinstance(value, (list, dict)):
            said = list(said_by(value, PROMPT))
        if not said and isinstance(value, dict):
            said = [each for key in _QUESTIONS for each in said_by(value.get(key), PROMPT)][:1]
        return tuple(Said(each.text, PROMPT) for each in said)


def inflated(data: bytes) -> bytes:
    """What gzip holds, as far as it goes; other bytes as they are.

    >>> inflated(b"plain")
    b'plain'
    """
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return zlib.decompressobj(31).decompress(data)
    except zlib.error:
        return b""


def from_base64(data: bytes) -> bytes:
    """What base64 holds, where that is a payload; nothing otherwise.

    >>> from_base64(base64.b64encode(b'{"object": "chat.completion", "choices": [], "created": 1700000000}'))[:10]
    b'{"object":'
    >>> from_base64(b"Words of no more than sixty-four characters or so, with blanks, dots.")
    b''
    """
    if len(data) < _BASE64 or b" " in data[:_BASE64]:
        return b""
    try:
        decoded = inflated(base64.b64decode(b"".join(data.split()), validate=True))
    except (binascii.Error, ValueError):
        return b""
    return decoded if decoded.lstrip().startswith(_SIGNS) else b""
