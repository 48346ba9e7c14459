"""Tables: logs that were exported as CSV or Parquet; each row is an object of its columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from decontam.codecs import Reader
from decontam.jsonl import line_blocks
from decontam.layout import Layout, Unreadable
from decontam.logs.units import MALFORMED, TOO_LARGE, Unit

_BOM = b"\xef\xbb\xbf"


def header_of(head: bytes) -> list[str]:
    """The names in the first line of a CSV file; none where it is no header.

    >>> header_of(b'id,input,"output"\\r\\n1,a,b'), header_of(b"Plain words, nothing else")
    (['id', 'input', 'output'], [])
    """
    line, newline, _ = head.removeprefix(_BOM).partition(b"\n")
    try:
        names = next(csv.reader([line.decode().strip("\r")], delimiter=_delimiter(line)), [])
    except (UnicodeDecodeError, csv.Error):
        return []
    named = names[1:] if names[:1] == [""] else names  # a first column without a name holds numbers
    plain = newline and len(names) > 1 and all(name and len(name) < 100 and name == name.strip() for name in named)
    return names if plain and len(set(names)) == len(names) else []


def _delimiter(line: bytes) -> str:
    return max(",;\t", key=lambda sign: line.count(sign.encode()))


def csv_units(reader: Reader, most: int, names: list[str] | None = None) -> Iterator[Unit]:
    """The rows of a CSV file; its first line names the columns, unless `names` does."""
    delimiter = ","
    start = size = 0
    lines: list[str] = []
    quotes = 0
    header = names
    for block in line_blocks(reader, most=most):
        for raw in block:
            if not isinstance(raw, bytes):
                with raw.content:
                    yield Unit(None, start, start + raw.size, problem=TOO_LARGE, message=f"a line of {raw.size:,} bytes")
                start += raw.size + 1
                continue
            if not start and not lines:
                delimiter = _delimiter(raw)
            line = raw.removeprefix(_BOM) if not start else raw
            lines.append(line.decode("utf-8", "replace"))
            quotes += line.count(b'"')
            size += len(raw) + 1
            if quotes % 2 and size <= most:
                continue  # a cell that goes on in the next line
            text = "\n".join(lines).removesuffix("\r")
            if text.strip():
                row = next(csv.reader([text + "\n"] if "\n" not in text else text.splitlines(keepends=True), delimiter=delimiter), [])
                if header is None:
                    header = row
                else:
                    yield _row(header, row, start, start + size - 1)
            start += size
            lines, size, quotes = [], 0, 0
    if lines:
        yield Unit(None, start, start + size - 1, problem=MALFORMED, message="a quoted cell is not closed")


def _row(header: list[str], row: list[str], start: int, end: int) -> Unit:
    if len(row) > len(header):
        return Unit(None, start, end, problem=MALFORMED, message=f"{len(row)} cells in a row, {len(header)} in the header")
    return Unit(dict(zip(header, row, strict=False)), start, end)


def parquet_units(path: str, most: int) -> Iterator[Unit]:
    """The rows of a Parquet file, which have no bytes of their own. Raises ShardError."""
    from decontam.parquet import rows_of

    with rows_of(path, Layout((), "", everything=True), path, most) as rows:
        for place in rows.places(lambda _: True):
            value = rows.whole(place)
            if isinstance(value, Unreadable):
                problem = "" if value.reason == "missing_text" else value.reason
                yield Unit({}, 0, 0, problem=problem, message=value.message)
            else:
                yield Unit(value, 0, 0)
