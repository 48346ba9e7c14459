"""Shards that are Parquet files, read by record batches and written again with what they are made of.

A raw record is a row of a batch. Apart, it is an Arrow stream of one row with its schema, so that it can be given back
exactly. What Arrow would write otherwise than it was is listed, or refused where values could change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from decontam.blocks import Block, Segments, of_bytes
from decontam.codecs import BLOCK, describe
from decontam.errors import ShardError
from decontam.files import open_bytes
from decontam.jsontext import line_of
from decontam.layout import Layout, Place, Unreadable
from decontam.parquet_writer import Row, RowWriter, version_for
from decontam.paths import EACH, replaced
from decontam.types import Record, Redaction

_BATCH = 4 << 20  # bytes of a row group that are decoded at a time
_BROKEN = (pa.ArrowException, OSError, ValueError)


class _NotText:
    """Stands for bytes that are no UTF-8."""


_NOT_TEXT = _NotText()


def holds_text(kind: pa.DataType) -> bool:
    """Whether values of a type are strings or hold some.

    >>> holds_text(pa.list_(pa.struct([("role", pa.string())]))), holds_text(pa.list_(pa.int8()))
    (True, False)
    """
    return any(True for _ in _string_paths(kind, ()))


def _string_paths(kind: pa.DataType, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        yield path
    elif types.is_struct(kind):
        for number in range(kind.num_fields):
            yield from _string_paths(kind.field(number).type, (*path, kind.field(number).name))
    elif types.is_map(kind):
        yield from _string_paths(kind.key_type, (*path, 0, "key"))
        yield from _string_paths(kind.item_type, (*path, 0, "value"))
    elif isinstance(kind, (pa.ListType, pa.LargeListType, pa.FixedSizeListType, pa.ListViewType, pa.LargeListViewType)):
        yield from _string_paths(kind.value_type, (*path, 0))


def _plain(value: Any) -> Any:
    """A value with its maps as lists of objects with `key` and `value`; bytes as text where they are."""
    if isinstance(value, tuple):
        return {"key": _plain(value[0]), "value": _plain(value[1])}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value


def _arrow(value: Any, kind: pa.DataType) -> Any:
    """The way back from `_plain`."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        return [(_arrow(pair["key"], kind.key_type), _arrow(pair["value"], kind.item_type)) for pair in value]
    if pa.types.is_struct(kind):
        return {key: _arrow(inner, kind.field(key).type) for key, inner in value.items()}
    if isinstance(value, list):
        return [_arrow(inner, kind.value_type) for inner in value]
    return value.encode() if _is_binary(kind) and isinstance(value, str) else value


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _values(column: pa.Array) -> list[Any]:
    """Python values; bytes as text, since older writers do not say that a column is text."""
    try:
        if _is_binary(column.type):
            column = column.cast(pa.large_string())
        values = column.to_pylist()
    except (UnicodeDecodeError, pa.ArrowInvalid):
        return [_NOT_TEXT] if len(column) == 1 else [_values(column.slice(index, 1))[0] for index in range(len(column))]
    return [_plain(value) for value in values] if pa.types.is_nested(column.type) else values


def _written(path: tuple[str | int, ...]) -> str:
    return "".join(EACH if part == 0 else f".{part}" for part in path).removeprefix(".")


def _row_of(raw: Row) -> pa.RecordBatch:
    return raw.batch.slice(raw.index, 1)


class Rows:
    """The content of a Parquet shard; what it hands out as `raw` is a Row."""

    format = "arrow"
    lazy = True

    def __init__(self, file: IO[bytes], path: str, layout: Layout, name: str, most: int) -> None:
        self._path, self._layout, self._name, self._most = path, layout, name, most
        self._file = file
        self._parquet = pq.ParquetFile(file, buffer_size=BLOCK, pre_buffer=False)
        schema = self._parquet.schema_arrow
        keys = layout.keys()
        self._wanted = [
            field.name for field in schema if (layout.everything and holds_text(field.type)) or field.name in keys
        ]  # fmt: skip
        if len(set(schema.names)) < len(schema.names):
            raise ShardError(f"{path}: two columns have the same name; rename one")
        leaves = [path for field in schema for path in _string_paths(field.type, (field.name,))]
        self._other = layout.other(_written(leaf) for leaf in leaves if not layout.screens(leaf))
        self._batch: pa.RecordBatch | None = None
        self._columns: dict[str, list[Any]] = {}
        self._whole_batch: pa.RecordBatch | None = None
        self._rest: dict[str, list[Any]] = {}
        self.size = 0
        self._digest: str | None = None
        self._version, self.reencoded = version_for(self._parquet)

    def places(self, wanted: Callable[[int], bool]) -> Iterator[Place]:
        """Every row in order, but for those of row groups whose position is not wanted."""
        row = position = 0
        metadata = self._parquet.metadata
        for group in range(metadata.num_row_groups):
            about = metadata.row_group(group)
            rows, size = about.num_rows, about.total_byte_size
            if wanted(position):
                yield from self._places(group, row, position, max(1, rows * _BATCH // max(size, 1)))
            row += rows
            position += size
            self.size += sum(about.column(number).total_compressed_size for number in range(about.num_columns))

    def _places(self, group: int, row: int, position: int, batch_rows: int) -> Iterator[Place]:
        batches = self._parquet.iter_batches(min(batch_rows, 10_000), row_groups=[group], use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except _BROKEN as error:
                raise ShardError(f"{self._path}: row group {group}, behind row {row - 1}: {_said(error)}") from error
            if batch is None:
                return
            size, count = batch.nbytes, batch.num_rows
            for index in range(count):
                mine = size * (index + 1) // count - size * index // count  # so that they add up
                yield Place(row + index, position, mine, Row(batch, index, group), None)
            row += count

    def _value(self, raw: Row, names: list[str] | None = None) -> dict[str, Any]:
        if raw.batch is not self._batch:
            self._batch = raw.batch
            self._columns = {name: _values(raw.batch.column(name)) for name in self._wanted}
        return {name: self._columns[name][raw.index] for name in names or self._wanted}

    def read(self, place: Place) -> Record | Unreadable:
        """What a row holds."""
        value = self._value(place.raw)
        for name, inner in value.items():
            if inner is _NOT_TEXT:
                return Unreadable("bad_utf8", f"column {name!r} holds bytes that are not UTF-8")
        record = self._layout.record(value, self._name, place.row)
        if isinstance(record, Unreadable):
            return record
        size = sum(len(text) for _, text, _ in record.fields)
        if size * 4 > self._most:
            size = sum(len(text.encode()) for _, text, _ in record.fields)
        if size > self._most:
            return Unreadable("too_large", f"{size:,} bytes of text, input.max_record_bytes is {self._most:,}")
        return record

    def whole(self, place: Place) -> dict[str, Any] | Unreadable:
        """Everything that a row holds."""
        record = self.read(place)
        if isinstance(record, Unreadable):
            return record
        raw: Row = place.raw
        if raw.batch is not self._whole_batch:
            self._whole_batch = raw.batch
            self._rest = {
                field.name: [_plain(value) for value in self._listed(raw.batch.column(field.name))]
                for field in raw.batch.schema
                if field.name not in self._wanted
            }
        mine, rest = self._value(raw), self._rest
        return {name: mine[name] if name in mine else rest[name][raw.index] for name in raw.batch.schema.names}

    def _listed(self, column: pa.Array) -> list[Any]:
        try:
            return column.to_pylist()
        except _BROKEN:  # nanoseconds without pandas, years beyond 9999: what Python has no value for
            return column.cast(pa.string()).to_pylist()

    def line(self, place: Place) -> bytes | Unreadable:
        """All columns of a row: what JSON has no word for as text, binary values in base64."""
        value = self.whole(place)
        return value if isinstance(value, Unreadable) else line_of(value)

    def value(self, place: Place) -> Any:
        """The strings of a row, and what it is asked for."""
        schema = place.raw.batch.schema
        names = [field.name for field in schema if holds_text(field.type)]
        return {name: _values(_row_of(place.raw).column(name))[0] for name in names}

    def unscreened(self, place: Place) -> set[str]:
        """Paths of strings that are not looked at, in any row."""
        return self._other

    def redact(self, place: Place, redactions: tuple[Redaction, ...]) -> Row | None:
        """The row with redactions made; None where Python cannot carry the rest of a changed column."""
        raw: Row = place.raw
        row = _row_of(raw)
        changes: dict[str, list[Redaction]] = {}
        for redaction in redactions:
            changes.setdefault(redaction.field, []).append(redaction)
        for number, column in enumerate(row.columns):
            name, kind = row.schema.field(number).name, column.type
            if not any(path == name or path.startswith((f"{name}.", f"{name}[")) for path in changes):
                continue
            value = self._value(raw, [name])[name]
            try:
                before = pa.array([_arrow(value, kind)], type=kind)
                after = pa.array([_arrow(replaced(value, changes, name), kind)], type=kind)
            except (pa.ArrowException, TypeError, ValueError, OverflowError):
                return None
            if not before.equals(column):
                return None
            row = row.set_column(number, row.schema.field(number), after)
        return Row(row, 0, raw.group)

    def held(self, raw: Row) -> bytes:
        """A row as an Arrow stream."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, raw.batch.schema) as stream:
            stream.write_batch(_row_of(raw))
        return bytes(sink.getvalue())

    def restored(self, held: bytes, place: Place) -> Row:
        """The row of an Arrow stream, in a place."""
        return Row(pa.ipc.open_stream(held).read_next_batch(), 0, place.raw.group)

    def writer(self, raw: Any, name: str, zstd_level: int) -> RowWriter:
        """Writes rows to a file of the same make. Raises ShardError where values could change by that."""
        lossy = [said for said in self.reencoded if " INT96 ->" in said]
        if lossy:
            raise ShardError(
                f"{self._path}: cannot be written again without loss ({lossy[0]}); write its timestamps as INT64, "
                "or use --kept none, which lists the rows to drop"
            )
        return RowWriter(raw, self._parquet, self._version, zstd_level)

    def sha256(self) -> str:
        """Of the file."""
        if self._digest is None:
            digest = hashlib.sha256()
            self._file.seek(0)
            while block := self._file.read(BLOCK):
                digest.update(block)
            self.size = self._file.tell()
            self._digest = digest.hexdigest()
        return self._digest


def values_of(held: bytes) -> dict[str, Any]:
    """The columns of a row that was held apart, as Python values; bytes as text where they are. Raises ShardError."""
    try:
        batch = pa.ipc.open_stream(held).read_next_batch()
        return {name: _value_of(column) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    except (*_BROKEN, StopIteration) as error:
        raise ShardError(f"a quarantined row cannot be read: {_said(error)}") from error


def _value_of(column: pa.Array) -> Any:
    try:
        value = _values(column)[0]
    except _BROKEN:  # what Python has no value for
        value = column.cast(pa.string()).to_pylist()[0]
    return f"{len(column[0].as_py()):,} bytes" if value is _NOT_TEXT else value


@contextmanager
def rows_of(path: str, layout: Layout, name: str, most: int) -> Iterator[Rows]:
    """The content of a Parquet file or URL. Raises ShardError where it cannot be opened."""
    try:
        file = open_bytes(path)
    except OSError as error:
        raise ShardError(f"{path}: {describe(error)}") from error
    with file:
        try:
            rows = Rows(file, path, layout, name, most)
        except _BROKEN as error:
            raise ShardError(f"{path}: {_said(error)}") from error
        yield rows


def record_of(held: bytes, layout: Layout, name: str, row: int) -> Record | Unreadable:
    """What a row holds that was kept apart as an Arrow stream."""
    batch = pa.ipc.open_stream(held).read_next_batch()
    keys = layout.keys()
    wanted = [field.name for field in batch.schema if (layout.everything and holds_text(field.type)) or field.name in keys]
    return layout.record({column: _values(batch.column(column))[0] for column in wanted}, name, row)


class HeldWriter:
    """Rows that were kept apart as Arrow streams to a Parquet file with their schema."""

    def __init__(self, raw: Any) -> None:
        self._sink = Segments(raw)
        self._writer: pq.ParquetWriter | None = None
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0

    def write(self, held: bytes) -> None:
        batch = pa.ipc.open_stream(held).read_next_batch()
        self._batches.append(batch)
        self._bytes += batch.nbytes
        if self._bytes > _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._batches:
            schema = self._batches[0].schema
            self._writer = self._writer or pq.ParquetWriter(self._sink, schema, compression="zstd")
            self._writer.write_table(pa.Table.from_batches(self._batches))
            self._sink.cut(len(self._batches))
        self._batches, self._bytes = [], 0

    def close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def blocks(self) -> list[Block]:
        """Those of what was written, once it is closed."""
        return self._sink.blocks


def blocks_of(path: str) -> list[Block]:
    """The bytes of a Parquet file up to the end of each of its row groups. Raises OSError, ShardError."""
    with open_bytes(path) as file:
        try:
            metadata = pq.ParquetFile(file).metadata
        except _BROKEN as error:
            raise ShardError(f"{path}: {_said(error)}") from error
        ends, rows = [], []
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            columns = [group.column(index) for index in range(group.num_columns)]
            begins = (min(column.data_page_offset, column.dictionary_page_offset or column.data_page_offset) for column in columns)
            ends.append(max(begin + column.total_compressed_size for begin, column in zip(begins, columns, strict=True)))
            rows.append(group.num_rows)
        file.seek(0)
        return list(of_bytes(file.read, [Block(n, end - start, "") for n, start, end in zip(rows, [0, *ends], ends, strict=False)]))


def _said(error: BaseException) -> str:
    """What Arrow says, in one line and no more than is needed; it never quotes values of string columns."""
    if isinstance(error, OSError) and error.strerror:
        return describe(error)
    return "not Parquet that can be read: " + " ".join(str(error).split())[:200]
