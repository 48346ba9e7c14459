"""Containers: which way a file falls into units, told by its first bytes and never by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from decontam.codecs import BLOCK, Reader, describe
from decontam.errors import InputError, ShardError
from decontam.files import Source, open_bytes
from decontam.logs import cassettes, documents, lines, tables
from decontam.logs.calls import inside
from decontam.logs.units import Again, Unit, parsed

_PARQUET = b"PAR1"
_CODECS = ((b"\x1f\x8b", ".gz"), (b"\x28\xb5\x2f\xfd", ".zst"), (b"BZh", ".bz2"))
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_ARCHIVES = ((b"PK\x03\x04", "a zip archive"), (b"Obj\x01", "Avro"), (b"ORC", "ORC"), (b"SQLite format 3", "an SQLite database"))


def first_bytes(path: str, most: int = 16) -> bytes:
    """The first bytes of a file as it is. Raises ShardError."""
    try:
        with open_bytes(path) as file:
            return file.read(most)
    except OSError as error:
        raise ShardError(f"{path}: {describe(error)}") from error


def codec_within(path: str) -> str:
    """How a file is compressed, by its first bytes, as `files.Source` is told. Raises ShardError."""
    begins = first_bytes(path)
    return next((codec for sign, codec in _CODECS if begins.startswith(sign)), "")


def units(
    path: str, most: int, lists: tuple[documents.Path, ...], is_row: Callable[[list[str]], bool], columns: list[str] | None = None
) -> Iterator[Unit]:
    """The units of a file or URL, compressed or not. `most` is in bytes of one.

    `lists` are where documents keep their records, `is_row` tells whether a reader knows rows with these columns;
    `columns` names those of a CSV file without a header.
    Raises ShardError where the file cannot be read to its end, InputError where it is none of what is read here.
    """
    begins = first_bytes(path)
    if begins.startswith(_PARQUET):
        yield from tables.parquet_units(path, most)
        return
    for sign, what in _ARCHIVES:
        if begins.startswith(sign):
            raise InputError(f"{path}: holds {what}, which is not read; unpack it, or export it as JSON lines")
    with Source(path, codec_within(path)) as source:
        head = _filled(source)
        if head.startswith(_UTF16):
            raise InputError(f"{path}: holds UTF-16; convert it to UTF-8: iconv -f UTF-16 -t UTF-8")
        reader = Again(head, source)
        if columns and head.lstrip()[:1] not in (b"{", b"["):
            yield from tables.csv_units(reader, most, columns)
        else:
            yield from in_bytes(head, reader, most, lists, is_row)


def _filled(source: Source) -> bytes:
    head = b""
    while len(head) < BLOCK and (data := source.read(BLOCK - len(head))):
        head += data
    return head


def in_bytes(
    head: bytes, reader: Reader, most: int, lists: tuple[documents.Path, ...], is_row: Callable[[list[str]], bool]
) -> Iterator[Unit]:
    """The units of what begins with `head` and is read from `reader`, its first bytes included."""
    bare = head.removeprefix(_BOM).lstrip()
    if bare[:1] in (b"{", b"["):
        as_document = bare[:1] == b"[" or _is_document(bare, len(head) < BLOCK, lists)
        yield from documents.units(reader, most, lists) if as_document else lines.units(reader, most)
    elif cassettes.is_cassette(bare):
        yield from cassettes.units(reader, most)
    elif is_row(tables.header_of(head)):
        yield from tables.csv_units(reader, most)
    else:
        yield from lines.units(reader, most)


def _is_document(bare: bytes, whole: bool, lists: tuple[documents.Path, ...]) -> bool:
    """Whether an object at the beginning of a file goes on over several lines, or keeps records in a list."""
    line, newline, _ = bare.partition(b"\n")
    if not newline and not whole:
        return True
    try:
        value: Any = parsed(line)
    except (ValueError, RecursionError):
        depth, broken = lines.nesting(line)
        return depth > 0 and not broken and bool(newline)
    return any(isinstance(found := inside(value, *path), list) and found and isinstance(found[0], dict) for path in lists)


def in_text(data: bytes, most: int) -> Iterator[Unit]:
    """The units of a text that stands inside of a record."""
    yield from in_bytes(data, Again(data, Again(b"", _NOTHING)), most, (), lambda _: False)


class _Nothing:
    def read(self, size: int = -1, /) -> bytes:
        return b""


_NOTHING = _Nothing()
