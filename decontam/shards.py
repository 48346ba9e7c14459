"""Shards of JSON lines: their lines, and what a line holds.

Lines are kept as bytes from beginning to end; parsing only looks. Rows are numbered from 0 and count every line, also
blank ones, so that a row number finds its line with any tool.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from decontam.files import BLOCK, Source, compressing
from decontam.jsontext import Literal, literals, spliced, value_of
from decontam.types import Field, Record, Redaction

SUFFIXES = (".jsonl", ".ndjson", ".json")
_BOM = b"\xef\xbb\xbf"

REASONS = ("malformed", "bad_utf8", "not_object", "missing_text", "not_text", "stage_failed")
"""Why a line could not be screened; a closed list, since metrics are labelled with it."""


class Unreadable(NamedTuple):
    """A line that cannot be screened: one of REASONS, and what it means for the user."""

    reason: str
    message: str


def line_blocks(source: Source, block: int = BLOCK) -> Iterator[list[bytes]]:
    """The lines of a shard without their newlines, some at a time.

    The last list holds one line: what stands behind the last newline, nothing as a rule.
    """
    parts: list[bytes] = []  # pieces of a line longer than a block
    while data := source.read(block):
        first, newline, rest = data.partition(b"\n")
        parts.append(first)
        if not newline:
            continue
        lines = rest.split(b"\n")
        last = lines.pop()
        lines.insert(0, b"".join(parts))
        parts = [last]
        yield lines
    yield [b"".join(parts)]


@dataclass(frozen=True)
class Layout:
    """Where records keep their text and their id."""

    text_key: str
    id_key: str
    _quoted: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_quoted", b'"%b"' % self.text_key.encode())

    def read(self, line: bytes, name: str, row: int) -> Record | Unreadable:
        """What a line holds. `name` and `row` make the id of a record that has none."""
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            value = _lenient(line)
            if isinstance(value, Unreadable):
                return value
        if type(value) is not dict:
            return Unreadable("not_object", f"a record is a JSON object, this is {_kind(value)}")
        text = value.get(self.text_key)
        if type(text) is not str:
            if self.text_key not in value:
                return Unreadable("missing_text", f"no key {self.text_key!r}; found {', '.join(map(repr, list(value)[:8]))}")
            return Unreadable("not_text", f"{self.text_key!r} is {_kind(text)}, not a string")
        given = value.get(self.id_key)
        id = given if type(given) is str else str(given) if type(given) is int else f"{name}:{row}"
        fields: tuple[Field, ...] = (Field(self.text_key, text),)
        if line.count(self._quoted) > 1:
            fields = tuple(Field(path, value_of(line, literal)) for path, literal in self._texts(line))
        return Record(id, fields, {"source": name})

    def _texts(self, line: bytes) -> Iterator[tuple[str, Literal]]:
        """The field path of each literal under the text key; parsers keep one of equal keys, we screen them all."""
        found = [literal for literal in literals(line) if literal.path == (self.text_key,)]
        for number, literal in enumerate(reversed(found)):
            yield f"{self.text_key}#{number}" if number else self.text_key, literal

    def redact(self, line: bytes, redactions: tuple[Redaction, ...]) -> bytes:
        """The line with its redactions made, and not one other byte changed."""
        return spliced(
            line,
            [
                (literal, mine)
                for path, literal in self._texts(line)
                if (mine := [redaction for redaction in redactions if redaction.field == path])
            ],
        )


def _lenient(line: bytes) -> Any:
    """For what only the standard library reads: a BOM, NaN, lone surrogates, integers beyond 64 bits."""
    try:
        return json.loads(line.removeprefix(_BOM).decode())
    except UnicodeDecodeError as error:
        return Unreadable("bad_utf8", f"byte {error.start:,} of the line is not UTF-8")
    except json.JSONDecodeError as error:
        return Unreadable("malformed", f"not JSON at character {error.pos:,} of the line: {error.msg}")
    except (RecursionError, ValueError) as error:
        return Unreadable("malformed", f"not JSON that can be read: {error}")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


class LineWriter:
    """Lines to a file, joined by newlines, in batches of about a block.

    What stands behind the last newline of a shard is a line too, empty as a rule; writing it ends the file as it was.
    """

    def __init__(self, raw: Any, codec: str, zstd_level: int) -> None:
        self._file = compressing(raw, codec, zstd_level)
        self._batch: list[bytes] = []
        self._size = 0
        self._begun = False

    def write(self, line: bytes) -> None:
        self._batch.append(line)
        self._size += len(line)
        if self._size >= BLOCK:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            self._file.write((b"\n" if self._begun else b"") + b"\n".join(self._batch))
            self._begun = True
        self._batch, self._size = [], 0

    def close(self) -> None:
        self._flush()
        self._file.close()
