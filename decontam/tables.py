"""The Parquet tables of a run: findings, quarantine, and the rows to drop. This module owns their schemas.

Tables grow by row groups of bounded size and appear under their names only when they are complete; a table without
rows does not appear at all.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import orjson

from decontam.blocks import Block, Segments
from decontam.evidence import finding_row
from decontam.files import Digesting, open_bytes
from decontam.folders import Folder
from decontam.scripts import language_tag
from decontam.types import Verdict

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 20_000
_HELD = 4_000_000  # rows of sites that are held before they are added up
_BYTES = 8 << 20
_FINDING = 500  # bytes that a finding takes about, until its row is written


def _finding_type() -> pa.DataType:
    import pyarrow as pa

    texts = [(name, pa.string()) for name in ("field", "stage", "rule", "kind", "provider", "strength", "revision", "detail")]
    return pa.struct([*texts, ("start", pa.int64()), ("end", pa.int64()), ("score", pa.float64())])


def findings_schema() -> pa.Schema:
    """One row for every record with any finding. No texts; `detail` is JSON.

    `size` is in bytes of the record where it stood, `text_bytes` in bytes of its texts as UTF-8; `language` is a tag of BCP 47
    (see `scripts`). They are null where a host does not say.
    """
    import pyarrow as pa

    redaction = pa.struct([("field", pa.string()), ("start", pa.int64()), ("end", pa.int64()), ("replacement", pa.string())])
    return pa.schema(
        [
            ("id", pa.string()),
            ("row", pa.int64()),
            ("action", pa.string()),
            ("findings", pa.list_(_finding_type())),
            ("redactions", pa.list_(redaction)),
            ("scores", pa.list_(pa.struct([("stage", pa.string()), ("score", pa.float64())]))),
            ("size", pa.int64()),
            ("text_bytes", pa.int64()),
            ("language", pa.string()),
        ]
    )


def quarantine_schema() -> pa.Schema:
    """A findings row, and the record itself: its bytes as they stood in the shard where `exact`, else without credentials.

    `record` is null where the configuration keeps no original. `format` says what it is: `jsonl`, a line; `arrow`, an
    Arrow stream of one row.
    """
    import pyarrow as pa

    extra = [("source", pa.string()), ("offset", pa.int64()), ("record", pa.large_binary()), ("exact", pa.bool_()), ("format", pa.string())]
    return pa.schema([*findings_schema(), *(pa.field(name, kind) for name, kind in extra)])


def changes_schema() -> pa.Schema:
    """A row of a shard that does not stay as it is: what becomes of it, and the record that replaces it if one does."""
    import pyarrow as pa

    return pa.schema([*dropped_schema(), ("record", pa.large_binary())])


def leaves_schema() -> pa.Schema:
    """A file of a run: what it is, of which shard, what it is called, its bytes and rows; `path` where it does not lie in OUT."""
    import pyarrow as pa

    texts = [(name, pa.string()) for name in ("kind", "shard", "name", "path", "sha256")]
    blocks = pa.list_(pa.struct([("rows", pa.int64()), ("size", pa.int64()), ("digest", pa.string())]))
    return pa.schema([*texts, ("size", pa.int64()), ("rows", pa.int64()), ("blocks", blocks)])


def dropped_schema() -> pa.Schema:
    """A row of the shard that is not to be trained on as it stands, and why."""
    import pyarrow as pa

    return pa.schema([("row", pa.int64()), ("outcome", pa.string())])


def sites_schema() -> pa.Schema:
    """Pages of a shard by site, language and bin of score; see `decontam.sites`."""
    import pyarrow as pa

    return pa.schema([("site", pa.string()), ("language", pa.string()), ("bin", pa.int16()), ("pages", pa.int64())])


def findings_row(id: str, row: int, verdict: Verdict, texts: Sequence[str] | None = None, size: int | None = None) -> dict[str, Any]:
    """A verdict as a row of the findings table; of the texts, only what can be counted."""
    rows = [finding_row(finding) for finding in verdict.findings]
    for finding in rows:
        finding["detail"] = orjson.dumps(finding["detail"]).decode()
        finding["field"] = _writable(finding["field"])
    redactions = [
        {"field": _writable(field), "start": span.start, "end": span.end, "replacement": replacement}
        for field, span, replacement in verdict.redactions
    ]
    return {
        "id": _writable(id),
        "row": row,
        "action": verdict.action.name.lower(),
        "findings": rows,
        "redactions": redactions,
        "scores": [{"stage": stage, "score": score} for stage, score in verdict.scores.items()],
        "size": size,
        "text_bytes": None if texts is None else sum(len(text.encode("utf-8", "replace")) for text in texts),
        "language": None if texts is None else language_tag(texts),
    }


def _writable(name: str) -> str:
    """An id or a path as a table may hold it: without lone surrogates."""
    return name.encode("utf-8", "replace").decode()


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table, by way of JSON: pyarrow's own way from Python objects is slower and imports pandas."""
    import pyarrow as pa
    import pyarrow.json

    held = [field.name for field in schema if pa.types.is_large_binary(field.type)]
    data = b"\n".join(orjson.dumps({key: value for key, value in row.items() if key not in held}) for row in rows)
    table = pa.json.read_json(
        pa.BufferReader(data),
        read_options=pa.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pa.json.ParseOptions(
            explicit_schema=pa.schema([field for field in schema if field.name not in held]), unexpected_field_behavior="error"
        ),
    )
    for name in held:
        table = table.add_column(schema.get_field_index(name), schema.field(name), _binary([row[name] for row in rows]))
    return table


def _binary(values: list[bytes | None]) -> pa.Array:
    import pyarrow as pa

    offsets = array("q", accumulate((len(value or b"") for value in values), initial=0))
    there = int("".join("01"[value is not None] for value in reversed(values)), 2)
    validity = there.to_bytes(len(values) // 8 + 1, "little")
    buffers = validity, offsets, b"".join(value or b"" for value in values)
    return pa.Array.from_buffers(pa.large_binary(), len(values), [*map(pa.py_buffer, buffers)])


def read(folder: Folder, name: str) -> Iterator[list[dict[str, Any]]]:
    """The rows of a table, some at a time; none where there is no such table."""
    if folder.exists(name):
        import pyarrow.parquet as pq

        with open_bytes(folder.path(name)) as file:
            groups = pq.ParquetFile(file)
            for number in range(groups.num_row_groups):
                yield groups.read_row_group(number, use_threads=False).to_pylist()


def read_columns(folder: Folder, name: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Some columns of the rows of a table; none where there is no such table."""
    if folder.exists(name):
        import pyarrow.parquet as pq

        with open_bytes(folder.path(name)) as file:
            groups = pq.ParquetFile(file)
            for number in range(groups.num_row_groups):
                yield from groups.read_row_group(number, columns=columns, use_threads=False).to_pylist()


def rows_where(folder: Folder, name: str, column: str, value: Any) -> Iterator[dict[str, Any]]:
    """The rows of a table whose column holds a value; only that column is read of the others."""
    if folder.exists(name):
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        with open_bytes(folder.path(name)) as file:
            groups = pq.ParquetFile(file)
            for number in range(groups.num_row_groups):
                there = pc.equal(groups.read_row_group(number, columns=[column], use_threads=False)[column], value)
                if pc.any(there).as_py():
                    yield from groups.read_row_group(number, use_threads=False).filter(there).to_pylist()


def summed(places: Iterable[tuple[Folder, str]]) -> Iterator[list[dict[str, Any]]]:
    """The rows of tables of sites, those of one site, language and bin added up, in order, some at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    keys = ["site", "language", "bin"]

    def added(tables: list[pa.Table]) -> pa.Table:
        total = pa.concat_tables(tables).group_by(keys, use_threads=False).aggregate([("pages", "sum")])
        return total.rename_columns([{"pages_sum": "pages"}.get(name, name) for name in total.column_names])

    held = [sites_schema().empty_table()]
    for folder, name in places:
        with open_bytes(folder.path(name)) as file:
            held.append(pq.read_table(file, use_threads=False).select([*keys, "pages"]))
        if sum(table.num_rows for table in held[1:]) > _HELD:
            held = [added(held)]
    for batch in added(held).sort_by([(key, "ascending") for key in keys]).to_batches(max_chunksize=_ROWS):
        yield batch.to_pylist()


class Table:
    """Rows to one Parquet file of a folder, which is made by the first row."""

    def __init__(self, folder: Folder, name: str, schema: Callable[[], Any], private: bool = False) -> None:
        self.name = name
        self.rows = 0
        self.blocks: list[Block] = []
        self.digest: Digesting | None = None
        self._folder, self._schema, self._private = folder, schema, private
        self._batch: list[dict[str, Any]] = []
        self._size = 0
        self._file: AbstractContextManager[Digesting] | None = None
        self._writer: Any = None

    def add(self, row: dict[str, Any]) -> None:
        """Add a row, with a value for each column."""
        self._batch.append(row)
        self._size += len(row.get("record") or b"") + _FINDING * len(row.get("findings", ()))
        self.rows += 1
        if len(self._batch) >= _ROWS or self._size >= _BYTES:
            self._flush()

    def _flush(self) -> None:
        import pyarrow.parquet as pq

        schema = self._schema()
        if self._writer is None:
            self._file = self._folder.publishing(self.name, self._private)
            self.digest = self._file.__enter__()
            self._sink = Segments(self.digest)
            self.blocks = self._sink.blocks
            self._writer = pq.ParquetWriter(self._sink, schema, compression="zstd")
        self._writer.write_table(_table(self._batch, schema))
        self._sink.cut(len(self._batch))
        self._batch, self._size = [], 0

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None and self._batch:
            self._flush()
        if self._file is not None:
            if error[0] is None:
                self._writer.close()
            self._file.__exit__(*error)
