"""Layout: where a record keeps its texts, its id and what made it; from JSON lines and from values already parsed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import orjson

from decontam.config import Config
from decontam.jsontext import Literal, literals, spliced, value_of
from decontam.paths import EACH, all_texts, leads_to, steps, texts, written
from decontam.types import PROVENANCE, Field, Record, Redaction

_INDEX = re.compile(r"\[\d+\]")
_LONGEST_NAME = 300  # characters of a value that may say where a record comes from
_BOM = b"\xef\xbb\xbf"

REASONS = ("too_large", "malformed", "bad_utf8", "not_object", "missing_text", "not_text", "not_redactable", "stage_failed")
"""Why a record could not be screened; a closed list, since metrics are labelled with it."""


class Unreadable(NamedTuple):
    """A record that cannot be screened: one of REASONS, and what it means for the user."""

    reason: str
    message: str


class Place(NamedTuple):
    """A record where it stands in its shard, as raw as it stands there.

    `position` grows from record to record, in bytes of decompressed content. `offset` is the byte at which the record
    begins, where that can be said. `size` is in bytes.
    """

    row: int
    position: int
    size: int
    raw: Any
    offset: int | None


@dataclass(frozen=True)
class Layout:
    """Where records keep their texts, their id, and the names of what made them.

    `text_keys` are paths (see `decontam.paths`); with `everything` each string value is a text. What stands under one of
    `provenance_keys` is a field with the role `provenance`, which only rules that ask for it look at. `told` names the paths, in
    order, of what else goes into `meta`.
    """

    text_keys: tuple[str, ...]
    id_key: str
    everything: bool = False
    provenance_keys: tuple[str, ...] = ()
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _told: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = field(init=False, repr=False)
    _ways: tuple[tuple[str, ...], ...] = field(init=False, repr=False)
    _plain: str | None = field(init=False, repr=False)
    _quoted: tuple[bytes, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ways = tuple(map(steps, self.text_keys))
        single = len(ways) == 1 and len(ways[0]) == 1 and not self.everything
        last = {next((step for step in reversed(way) if step != EACH), "") for way in ways}
        told = tuple((name, tuple(map(steps, paths))) for name, paths in self.told.items() if paths)
        object.__setattr__(self, "_told", told)
        object.__setattr__(self, "_ways", ways)
        object.__setattr__(self, "_plain", self.text_keys[0] if single else None)
        object.__setattr__(self, "_quoted", tuple(b'"%b"' % key.encode() for key in sorted(last)))

    def read(self, line: bytes, name: str, row: int) -> Record | Unreadable:
        """What a line holds. `name` and `row` make the id of a record that has none."""
        value = _parsed(line)
        return value if isinstance(value, Unreadable) else self.record(value, name, row, line)

    def whole(self, line: bytes) -> dict[str, Any] | Unreadable:
        """Everything that a line holds, if there is a text in it."""
        value = _parsed(line)
        if type(value) is not dict:
            return value if isinstance(value, Unreadable) else _no_object(value)
        fields = self._fields(value, None)
        return fields if isinstance(fields, Unreadable) else value

    def record(self, value: Any, name: str, row: int, line: bytes | None = None) -> Record | Unreadable:
        """What a parsed record holds. `line` is what it was parsed from, where that can say more."""
        if type(value) is not dict:
            return _no_object(value)
        fields = self._fields(value, line)
        if isinstance(fields, Unreadable):
            return fields
        given = value.get(self.id_key)
        id = given if type(given) is str else str(given) if type(given) is int else f"{name}:{row}"
        for key in self.provenance_keys:
            said = value.get(key)
            if type(said) is str and len(said) <= _LONGEST_NAME:
                fields = (*fields, Field(key, said, PROVENANCE))
        meta: dict[str, Any] = {"source": name, "row": row}
        for what, ways in self._told:
            for way in ways:
                if (said := _said(value, way)) is not None:
                    meta[what] = said
                    break
        return Record(id, fields, meta)

    def _fields(self, value: dict[str, Any], line: bytes | None) -> tuple[Field, ...] | Unreadable:
        if self._plain is not None:
            text = value.get(self._plain)
            if type(text) is str:
                only = (Field(self._plain, text),)
                return only if line is None or line.count(self._quoted[0]) == 1 else self._with_duplicates(only, line)
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
        if line is None or (not self.everything and sum(map(line.count, self._quoted)) == len(fields)):
            return fields
        return self._with_duplicates(fields, line)

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
        return self.other(found)

    def screens(self, keys: tuple[str | int, ...]) -> bool:
        """Whether the string at these keys and indices is one of the texts."""
        return self.everything or any(leads_to(way, keys) for way in self._ways)

    def other(self, paths: Iterable[str]) -> set[str]:
        """Of some paths, with `[*]` for each element, those that are neither provenance nor the id."""
        return {_INDEX.sub(EACH, path) for path in paths} - set(self.provenance_keys) - {self.id_key}

    def keys(self) -> set[str]:
        """The outermost keys that a record is asked for; all that it has, with `everything`."""
        told = {way[0] for _, ways in self._told for way in ways}
        return {way[0] for way in self._ways} | {self.id_key, *self.provenance_keys} | told

    def _literals(self, line: bytes) -> list[tuple[str, Literal]]:
        """The literals that hold texts, each with its field path; `#1` and so on are earlier values of an equal key."""
        found: dict[str, list[Literal]] = {}
        for literal in literals(line):
            if self.screens(literal.path):
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
    told = {"language": given.lang_key, "url": given.url_key, "crawled": given.crawl_date_key, "dated": given.page_date_key}
    return Layout(given.text_key, given.id_key, given.screen == "all-strings", given.provenance_keys, told)


def _said(value: Any, way: tuple[str, ...]) -> str | None:
    """What a record says under keys within keys, if it is a string, a date or a whole number."""
    for key in way:
        if type(value) is not dict:
            return None
        value = value.get(key)
    if type(value) is str:
        return value
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if type(value) is int else None


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _lenient(line)


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


def _no_object(value: Any) -> Unreadable:
    return Unreadable("not_object", f"a record is a JSON object, this is {_kind(value)}")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
