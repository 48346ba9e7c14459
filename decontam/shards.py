"""Shards of JSON lines: their lines, and what a line holds.

Lines are kept as bytes from beginning to end; parsing only looks. Rows are numbered from 0 and count every line, also
blank ones, so that a row number finds its line with any tool.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple

import orjson

from decontam.config import Config
from decontam.files import BLOCK, Reader, compressing
from decontam.jsontext import Literal, literals, spliced, value_of
from decontam.paths import EACH, all_texts, leads_to, steps, texts, written
from decontam.types import PROVENANCE, Field, Record, Redaction

SUFFIXES = (".jsonl", ".ndjson", ".json")
_INDEX = re.compile(r"\[\d+\]")
_LONGEST_NAME = 300  # characters of a value that may say where a record comes from
_BOM = b"\xef\xbb\xbf"

REASONS = ("too_large", "malformed", "bad_utf8", "not_object", "missing_text", "not_text", "stage_failed")
"""Why a line could not be screened; a closed list, since metrics are labelled with it."""


class Unreadable(NamedTuple):
    """A line that cannot be screened: one of REASONS, and what it means for the user."""

    reason: str
    message: str


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


@dataclass(frozen=True)
class Layout:
    """Where records keep their texts, their id, and the names of what made them.

    `text_keys` are paths (see `decontam.paths`); with `everything` each string value is a text. What stands under one of
    `provenance_keys` is a field with the role `provenance`, which only rules that ask for it look at.
    """

    text_keys: tuple[str, ...]
    id_key: str
    everything: bool = False
    provenance_keys: tuple[str, ...] = ()
    _ways: tuple[tuple[str, ...], ...] = field(init=False, repr=False)
    _plain: str | None = field(init=False, repr=False)
    _quoted: tuple[bytes, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ways = tuple(map(steps, self.text_keys))
        single = len(ways) == 1 and len(ways[0]) == 1 and not self.everything
        last = {next((step for step in reversed(way) if step != EACH), "") for way in ways}
        object.__setattr__(self, "_ways", ways)
        object.__setattr__(self, "_plain", self.text_keys[0] if single else None)
        object.__setattr__(self, "_quoted", tuple(b'"%b"' % key.encode() for key in sorted(last)))

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
        fields = self._fields(value, line)
        if isinstance(fields, Unreadable):
            return fields
        given = value.get(self.id_key)
        id = given if type(given) is str else str(given) if type(given) is int else f"{name}:{row}"
        for key in self.provenance_keys:
            said = value.get(key)
            if type(said) is str and len(said) <= _LONGEST_NAME:
                fields = (*fields, Field(key, said, PROVENANCE))
        return Record(id, fields, {"source": name})

    def _fields(self, value: dict[str, Any], line: bytes) -> tuple[Field, ...] | Unreadable:
        if self._plain is not None:
            text = value.get(self._plain)
            if type(text) is str:
                only = (Field(self._plain, text),)
                return only if line.count(self._quoted[0]) == 1 else self._with_duplicates(only, line)
            if self._plain in value and type(text) is not list:
                return Unreadable("not_text", f"{self._plain!r} is {_kind(text)}, not a string")
        try:
            found = all_texts(value) if self.everything else (each for way in self._ways for each in texts(value, way))
            fields = tuple(found)
        except RecursionError:
            return Unreadable("malformed", "nested too deeply to be read")
        if not fields:
            wanted = "any string" if self.everything else " or ".join(map(repr, self.text_keys))
            return Unreadable("missing_text", f"no {wanted}; found {', '.join(map(repr, list(value)[:8]))}")
        alone = not self.everything and sum(map(line.count, self._quoted)) == len(fields)
        return fields if alone else self._with_duplicates(fields, line)

    def _with_duplicates(self, fields: tuple[Field, ...], line: bytes) -> tuple[Field, ...]:
        """Parsers keep the last of equal keys; we screen them all."""
        roles = {path: role for path, _, role in fields}
        found = [(path, literal) for path, literal in self._literals(line) if path.partition("#")[0] in roles]
        return tuple(Field(path, value_of(line, literal), roles[path.partition("#")[0]]) for path, literal in found)

    def unscreened(self, line: bytes) -> set[str]:
        """Paths of strings in a line that are neither text nor provenance, with `[*]` for each element."""
        try:
            found = {written(literal.path) for literal in literals(line)} - {path for path, _ in self._literals(line)}
        except (ValueError, IndexError):  # not JSON; it goes to errors
            return set()
        return {_INDEX.sub(EACH, path) for path in found} - set(self.provenance_keys) - {self.id_key}

    def _literals(self, line: bytes) -> list[tuple[str, Literal]]:
        """The literals that hold texts, each with its field path; `#1` and so on are earlier values of an equal key."""
        found: dict[str, list[Literal]] = {}
        for literal in literals(line):
            if self.everything or any(leads_to(way, literal.path) for way in self._ways):
                found.setdefault(written(literal.path), []).append(literal)
        return [
            (f"{path}#{number}" if number else path, literal)
            for path, same in found.items()
            for number, literal in enumerate(reversed(same))
        ]

    def redact(self, line: bytes, redactions: tuple[Redaction, ...]) -> bytes:
        """The line with its redactions made, and not one other byte changed."""
        mine: dict[str, list[Redaction]] = {}
        for redaction in redactions:
            mine.setdefault(redaction.field, []).append(redaction)
        return spliced(line, [(literal, mine[path]) for path, literal in self._literals(line) if path in mine])


def layout_of(config: Config) -> Layout:
    """The layout that a config describes. Raises ConfigError for a path that is none."""
    given = config.input
    return Layout(given.text_key, given.id_key, given.screen == "all-strings", given.provenance_keys)


def _lenient(line: bytes) -> Any:
    """For what only the standard library reads: a BOM, NaN, lone surrogates, integers beyond 64 bits."""
    bare = line.removeprefix(_BOM)
    skipped = len(line) - len(bare)
    try:
        return json.loads(bare.decode(), parse_int=_integer)
    except UnicodeDecodeError as error:
        return Unreadable("bad_utf8", f"byte {skipped + error.start:,} of the line is not UTF-8")
    except json.JSONDecodeError as error:
        at = skipped + len(error.doc[: error.pos].encode())
        return Unreadable("malformed", f"not JSON at byte {at:,} of the line: {error.msg}")
    except (RecursionError, ValueError) as error:
        return Unreadable("malformed", f"not JSON that can be read: {error}")


def _integer(digits: str) -> int | float:
    """Python refuses integers of more than 4300 digits; we do not calculate with them."""
    return int(digits) if len(digits) < 4300 else float(digits)


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
