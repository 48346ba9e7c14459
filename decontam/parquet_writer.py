"""Rows to Parquet files of the same make as those that they come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from decontam.blocks import Block, Segments

_GROUP = 64 << 20  # bytes of Arrow data up to which a row group is kept in one; larger ones are written in several
_CODECS = {"UNCOMPRESSED": "NONE", "LZ4_RAW": "LZ4"}


class Row(NamedTuple):
    """A row of a shard: where it stands in a batch, and in which row group of the file."""

    batch: pa.RecordBatch
    index: int  # type: ignore[assignment]
    group: int


def _leaves(file: pq.ParquetFile) -> Iterator[tuple[str, str]]:
    for number in range(len(file.schema)):
        column = file.schema.column(number)
        logical = str(column.logical_type)
        yield column.path, column.physical_type + ("" if logical == "None" else f" {logical}")


def version_for(file: pq.ParquetFile) -> tuple[str, tuple[str, ...]]:
    """The format version to write a file again with, and what would differ then."""
    # Writers other than Arrow say 1.0 whatever types they use.
    said = [version for version in ("1.0", "2.4") if version == file.metadata.format_version]
    tried = {version: tuple(_differences(file, version)) for version in [*said, "2.6"]}
    return min(tried.items(), key=lambda item: len(item[1]))


def _differences(file: pq.ParquetFile, version: str) -> Iterator[str]:
    """Which columns would be something else when written again."""
    sink = pa.BufferOutputStream()
    RowWriter(sink, file, version, 1).close()
    again = dict(_leaves(pq.ParquetFile(pa.BufferReader(sink.getvalue()))))
    for path, kind in _leaves(file):
        if again.get(path) != kind:
            yield f"{path}: {kind} -> {again.get(path, 'another path')}"


class RowWriter:
    """Rows to a Parquet file with the schema, metadata, codecs and row groups of another.

    `raw` receives the file; closing the writer leaves it open.
    """

    def __init__(self, raw: Any, like: pq.ParquetFile, version: str, zstd_level: int) -> None:
        metadata = like.metadata
        schema = like.schema_arrow
        group = metadata.row_group(0) if metadata.num_row_groups else None
        columns = [group.column(number) for number in range(group.num_columns)] if group else []
        codecs = {column.path_in_schema: _CODECS.get(column.compression, column.compression) for column in columns}
        levels = {path: zstd_level for path, codec in codecs.items() if codec == "ZSTD"}
        encoded = [column.path_in_schema for column in columns if any("DICTIONARY" in name for name in column.encodings)]
        self._sink = Segments(raw)
        self._writer = pq.ParquetWriter(
            self._sink,
            schema,
            version=version,
            compression=codecs or "zstd",
            compression_level=levels or None,
            use_dictionary=encoded,
            write_statistics=[column.path_in_schema for column in columns if column.is_stats_set],
            store_schema=False,  # if the other has one, it is among its metadata
            write_page_index=any(column.has_offset_index for column in columns),
            use_compliant_nested_type=not any(".list.item" in column.path_in_schema for column in columns),
            sorting_columns=group.sorting_columns if group and group.sorting_columns else None,
        )
        if metadata.metadata:
            self._writer.add_key_value_metadata(metadata.metadata)
        self._schema = schema
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0
        self._run: list[int] = []  # indices into the batch that rows are coming from
        self._batch: pa.RecordBatch | None = None
        self._group = 0

    def write(self, raw: Row) -> None:
        if raw.batch is not self._batch:
            self._take()
            if raw.group != self._group or self._bytes > _GROUP:
                self._flush()
            self._batch, self._group = raw.batch, raw.group
        self._run.append(raw.index)

    def _take(self) -> None:
        """Put what was gathered of a batch with the others of its row group."""
        if self._batch is None or not self._run:
            return
        batch = self._batch
        if self._run[-1] - self._run[0] + 1 == len(self._run):
            batch = batch.slice(self._run[0], len(self._run))
        else:
            batch = batch.take(pa.array(self._run))
        self._batches.append(batch)
        self._bytes += batch.nbytes
        self._batch, self._run = None, []

    def _flush(self) -> None:
        if self._batches:
            table = pa.Table.from_batches([batch.cast(self._schema) for batch in self._batches], self._schema)
            self._writer.write_table(table, row_group_size=len(table))
            self._sink.cut(len(table))
        self._batches, self._bytes = [], 0

    def close(self) -> None:
        self._take()
        self._flush()
        self._writer.close()

    def blocks(self) -> list[Block]:
        """Those of what was written, once it is closed."""
        return self._sink.blocks
