"""Parquet shards: what is kept is logically what it was, what is taken out can be given back exactly."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decontam.config import load_config
from decontam.errors import InputError

from .conftest import run_over
from .test_run import API, BOTH, HUMAN, MAIL, SECRET

MASKED = "write to <EMAIL>, please"
NOW = dt.datetime(2024, 5, 17, 12, 30, 1, 123456)
# Whatever else stands in a row, of as many types as a shard may have: name -> (type, values).
OTHERS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "n": (pa.int32(), [1, None, -3]),
    "u": (pa.uint64(), [2**64 - 1, 0, None]),
    "f": (pa.float64(), [float("inf"), -0.0, None]),
    "h": (pa.float16(), [1.5, None, 0.0]),
    "d": (pa.decimal128(38, 9), [decimal.Decimal("1.000000001"), None, decimal.Decimal(-5)]),
    "ts": (pa.timestamp("us"), [NOW, None, NOW]),
    "ns": (pa.timestamp("ns", "Europe/Paris"), [1_700_000_000_000_000_001, None, -1]),
    "day": (pa.date32(), [NOW.date(), None, NOW.date()]),
    "time": (pa.time64("us"), [NOW.time(), None, NOW.time()]),
    "raw": (pa.binary(), [b"\xff\x00", None, b""]),
    "fixed": (pa.binary(3), [b"abc", None, b"\x00\xff\x01"]),
    "yes": (pa.bool_(), [True, None, False]),
    "tags": (pa.list_(pa.string()), [["a", None], None, []]),
    "big": (pa.large_string(), ["x", None, "ü"]),
    "set": (pa.dictionary(pa.int8(), pa.string()), ["q", None, "r"]),
    "map": (pa.map_(pa.string(), pa.int64()), [[("k", 1), ("k", 2)], None, []]),
    "in": (
        pa.struct([("a", pa.string()), ("b", pa.list_(pa.struct([("c", pa.int64())])))]),
        [{"a": "x", "b": [{"c": 1}]}, None, {"a": None, "b": None}],
    ),
}


def table_of(records: list[dict[str, str]]) -> pa.Table:
    columns = {"id": pa.array([record["id"] for record in records]), "text": pa.array([record["text"] for record in records])}
    for name, (kind, values) in OTHERS.items():
        columns[name] = pa.array([values[row % 3] for row in range(len(records))], type=kind)
    schema = pa.schema([pa.field(name, column.type) for name, column in columns.items()], metadata={"made": "by a test"})
    return pa.table(columns, schema=schema)


def written(table: pa.Table, path: Path, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def given_back(out: Path, name: str) -> dict[int, pa.RecordBatch]:
    """The rows of quarantine by their number."""
    rows = pq.read_table(out / f"quarantine/{name}.parquet").to_pylist()
    return {row["row"]: pa.ipc.open_stream(row["record"]).read_next_batch() for row in rows}


def test_kept_and_quarantined_rows_make_up_the_table_again(screen_files: Callable, tmp_path: Path) -> None:
    path = written(table_of([HUMAN, API, HUMAN, HUMAN, API, HUMAN]), tmp_path / "in/a.parquet", row_group_size=2)
    table = pq.read_table(path)
    screen_files(path)
    kept = pq.read_table(tmp_path / "out/kept/a.parquet")
    gone = given_back(tmp_path / "out", "a.parquet")

    assert table.take([0, 2, 3, 5]).equals(kept)
    assert kept.schema.equals(table.schema, check_metadata=True)
    assert [1, 4] == sorted(gone)
    for row, batch in gone.items():
        assert table.slice(row, 1).equals(pa.Table.from_batches([batch]))
        assert batch.schema.equals(table.schema)
        assert batch.schema.metadata == table.schema.metadata


def test_an_untouched_file_is_the_same_file(screen_files: Callable, tmp_path: Path) -> None:
    path = written(table_of([HUMAN, SECRET | {"text": "plain"}]), tmp_path / "in/a.parquet")
    screen_files(path)

    assert path.read_bytes() == (tmp_path / "out/kept/a.parquet").read_bytes()


def test_a_redacted_row_differs_in_its_text_alone(screen_files: Callable, tmp_path: Path) -> None:
    table = table_of([HUMAN, MAIL, HUMAN])
    screen_files(written(table, tmp_path / "in/a.parquet"))
    kept = pq.read_table(tmp_path / "out/kept/a.parquet")

    assert [HUMAN["text"], MASKED, HUMAN["text"]] == kept["text"].to_pylist()
    assert table.drop_columns("text").equals(kept.drop_columns("text"))


@pytest.mark.parametrize("codec", ["NONE", "SNAPPY", "GZIP", "ZSTD", "LZ4", "BROTLI"])
def test_codec_row_groups_and_encodings_stay(codec: str, screen_files: Callable, tmp_path: Path) -> None:
    table = table_of([HUMAN, HUMAN, API, HUMAN, HUMAN, HUMAN, HUMAN])
    path = written(table, tmp_path / "in/a.parquet", row_group_size=3, compression=codec, use_dictionary=["text"])
    screen_files(path)
    before, after = (pq.ParquetFile(file).metadata for file in (path, tmp_path / "out/kept/a.parquet"))

    assert [2, 3, 1] == [after.row_group(number).num_rows for number in range(after.num_row_groups)]
    assert {codec.replace("NONE", "UNCOMPRESSED")} == {after.row_group(0).column(number).compression for number in range(after.num_columns)}
    assert [before.row_group(0).column(number).encodings for number in range(before.num_columns)] == [
        after.row_group(0).column(number).encodings for number in range(after.num_columns)
    ]
    assert (before.format_version, before.metadata) == (after.format_version, after.metadata)


@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_the_format_version_stays_where_it_can(version: str, screen_files: Callable, tmp_path: Path) -> None:
    table = table_of([HUMAN, API]).drop_columns("ns")
    path = written(table, tmp_path / "in/a.parquet", version=version)
    said = pq.read_table(path)
    screen_files(path)

    assert version == pq.ParquetFile(tmp_path / "out/kept/a.parquet").metadata.format_version
    assert said.slice(0, 1).equals(pq.read_table(tmp_path / "out/kept/a.parquet"))


def test_metadata_of_writers_other_than_arrow_stays(screen_files: Callable, tmp_path: Path) -> None:
    path = tmp_path / "in/a.parquet"
    path.parent.mkdir()
    table = pa.table({"text": [HUMAN["text"], API["text"]]})
    with pq.ParquetWriter(path, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"org.apache.spark.sql.parquet.row.metadata": "{}"})
    screen_files(path)

    assert pq.ParquetFile(path).metadata.metadata == pq.ParquetFile(tmp_path / "out/kept/a.parquet").metadata.metadata


CHAT = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("n", pa.int64())]))


def test_chat_rows_are_screened_and_redacted_inside_one_turn(screen_files: Callable, tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hello", "n": 1}, {"role": "assistant", "content": MAIL["text"], "n": None}]
    table = pa.table({"messages": pa.array([turns, None, [], turns[:1]], type=CHAT), "note": ["a", "b", "c", "d"]})
    config = load_config(None, {"input": {"text_key": ["messages[*].content"], "max_error_rate": 1.0}})
    report = screen_files(written(table, tmp_path / "in/a.parquet"), config=config)
    kept = pq.read_table(tmp_path / "out/kept/a.parquet").to_pylist()

    assert [[turns[0], turns[1] | {"content": MASKED}], turns[:1]] == [row["messages"] for row in kept]
    assert ["messages[*].role", "note"] == report["unscreened"]
    assert {"errored": 2, "kept": 1, "redacted": 1} == report["tally"]["outcomes"]


def test_every_string_of_a_row_is_screened_where_that_is_asked_for(screen_files: Callable, tmp_path: Path) -> None:
    columns = {
        "text": ["fine"],
        "map": pa.array([[("k", MAIL["text"]), ("k", "x")]], type=pa.map_(pa.string(), pa.string())),
        "set": pa.array([MAIL["text"]]).dictionary_encode(),
        "view": pa.array([MAIL["text"]], type=pa.string_view()),
        "deep": pa.array([[[{"a": MAIL["text"]}]]]),
    }
    screen_files(written(pa.table(columns), tmp_path / "in/a.parquet"), config=load_config(None, {"input": {"screen": "all-strings"}}))
    (row,) = pq.read_table(tmp_path / "out/kept/a.parquet").to_pylist()

    assert {"text": "fine", "map": [("k", MASKED), ("k", "x")], "set": MASKED, "view": MASKED, "deep": [[{"a": MASKED}]]} == row


def test_text_that_is_stored_as_bytes_is_text(screen_files: Callable, tmp_path: Path) -> None:
    table = pa.table({"text": pa.array([b"fine", MAIL["text"].encode(), b"\xff"], type=pa.binary())})
    report = screen_files(written(table, tmp_path / "in/a.parquet"), config=load_config(None, {"input": {"max_error_rate": 1.0}}))

    assert [b"fine", MASKED.encode()] == pq.read_table(tmp_path / "out/kept/a.parquet")["text"].to_pylist()
    assert {"bad_utf8": 1} == report["tally"]["errors"]


def test_rows_that_cannot_be_screened_are_in_errors_whole_and_cost_no_neighbour(screen_files: Callable, tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    texts = pa.chunked_array([pa.array(["one", None]), bad, pa.array(["two", "x" * 3000])], type=pa.string())
    table = pa.table({"text": texts, "n": [1, 2, 3, 4, 5]})
    path = written(table, tmp_path / "in/a.parquet")
    screen_files(path, config=load_config(None, {"input": {"max_error_rate": 1.0, "max_record_bytes": 2000}}))
    errors = [orjson.loads(line) for line in (tmp_path / "out/errors/a.parquet.jsonl").read_bytes().splitlines()]

    assert ["one", "two"] == pq.read_table(tmp_path / "out/kept/a.parquet")["text"].to_pylist()
    assert [(1, "not_text"), (2, "bad_utf8"), (4, "too_large")] == [(error["row"], error["reason"]) for error in errors]
    for error in errors:
        back = pa.ipc.open_stream(base64.b64decode(error["raw_base64"])).read_next_batch()
        assert table.slice(error["row"], 1).equals(pa.Table.from_batches([back]))


def test_timestamps_that_would_be_written_otherwise_are_refused_unless_nothing_is(screen_files: Callable, tmp_path: Path) -> None:
    table = pa.table({"text": [HUMAN["text"], API["text"]], "t": pa.array([NOW, NOW])})
    path = written(table, tmp_path / "in/a.parquet", use_deprecated_int96_timestamps=True)
    clean = written(table.slice(0, 1), tmp_path / "in/b.parquet", use_deprecated_int96_timestamps=True)
    report = screen_files(path, clean)

    assert ["a.parquet"] == list(report["problems"])
    assert "t: INT96 -> INT64" in report["problems"]["a.parquet"]
    assert clean.read_bytes() == (tmp_path / "out/kept/b.parquet").read_bytes()
    assert not (tmp_path / "out/kept/a.parquet").exists()

    report = screen_files(path, out=tmp_path / "listed", config=load_config(None, {"output": {"kept": "none"}}))

    assert {} == report["problems"]
    assert [{"row": 1, "outcome": "quarantined"}] == pq.read_table(tmp_path / "listed/dropped/a.parquet.parquet").to_pylist()


def test_columns_that_are_written_otherwise_are_listed(screen_files: Callable, tmp_path: Path) -> None:
    table = pa.table({"text": [HUMAN["text"], API["text"]], "d": pa.array([decimal.Decimal(1)] * 2, pa.decimal128(9, 2))})
    path = written(table, tmp_path / "in/a.parquet", store_decimal_as_integer=True)
    report = screen_files(path)

    assert ["d: INT32"] == [said.partition(" Decimal")[0] for said in report["reencoded"]["a.parquet"]]
    assert table.slice(0, 1).equals(pq.read_table(tmp_path / "out/kept/a.parquet"))


@pytest.mark.parametrize("mode", ["all", "changed"])
def test_a_change_far_into_the_file_brings_along_what_went_by(mode: str, screen_files: Callable, tmp_path: Path) -> None:
    table = table_of([HUMAN | {"id": str(row)} for row in range(500)] + [API, HUMAN])
    screen_files(written(table, tmp_path / "in/a.parquet", row_group_size=64), config=load_config(None, {"output": {"kept": mode}}))

    assert table.take([*range(500), 501]).equals(pq.read_table(tmp_path / "out/kept/a.parquet"))


def test_a_wrong_key_is_known_before_anything_is_written(screen_files: Callable, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no 'text' in any of 3 records; found 'body' .*: use --text-key body"):
        screen_files(written(pa.table({"body": ["one", "two", "three"], "n": [1, 2, 3]}), tmp_path / "in/a.parquet"))


def test_a_broken_file_fails_alone(screen_files: Callable, tmp_path: Path) -> None:
    good = written(table_of([HUMAN, API]), tmp_path / "in/good.parquet")
    table = table_of([HUMAN] * 5000)
    data = written(table, tmp_path / "in/z.parquet", row_group_size=1000, use_dictionary=False, compression="none").read_bytes()
    (tmp_path / "in/short.parquet").write_bytes(data[: len(data) // 2])
    (tmp_path / "in/empty.parquet").write_bytes(b"")
    (tmp_path / "in/text.parquet").write_bytes(b'{"text": "x"}\n')
    middle = data.index(HUMAN["text"].encode(), len(data) // 2)
    (tmp_path / "in/z.parquet").write_bytes(data[: middle - 40] + bytes(80) + data[middle + 40 :])
    report = screen_files(tmp_path / "in")

    assert {"short.parquet", "empty.parquet", "text.parquet"} <= set(report["problems"])
    assert all(f"{tmp_path}/in/{name}: " in said and "not Parquet that can be read" in said for name, said in report["problems"].items())
    assert pq.read_table(good).slice(0, 1).equals(pq.read_table(tmp_path / "out/kept/good.parquet"))


def test_an_id_that_is_a_number_names_the_record(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(written(pa.table({"id": [7, 8], "text": [API["text"], "x"]}), tmp_path / "in/a.parquet"))

    assert ["7"] == pq.read_table(tmp_path / "out/findings/a.parquet.parquet")["id"].to_pylist()


@pytest.mark.parametrize(
    ("quarantine", "text"), [({}, f"{API['text']} and <SECRET>"), ({"secrets": "keep"}, BOTH["text"]), ({"original": "drop"}, None)]
)
def test_credentials_do_not_live_on_in_quarantine(quarantine: dict, text: str | None, screen_files: Callable, tmp_path: Path) -> None:
    screen_files(written(table_of([BOTH]), tmp_path / "in/a.parquet"), config=load_config(None, {"quarantine": quarantine}))
    (row,) = pq.read_table(tmp_path / "out/quarantine/a.parquet.parquet").to_pylist()

    assert "arrow" == row["format"]
    assert (text == BOTH["text"]) == row["exact"]
    assert text == (row["record"] and pa.ipc.open_stream(row["record"]).read_next_batch().to_pylist()[0]["text"])


KINDS = st.sampled_from([HUMAN, HUMAN, HUMAN, API, MAIL, BOTH, {"id": None, "text": None}, {"id": "e", "text": ""}])


@settings(max_examples=30)
@given(st.lists(KINDS, max_size=40), st.integers(1, 12), st.sampled_from([1, 300, 10_000_000]), st.sampled_from(["all", "changed"]))
def test_every_row_is_somewhere_whole_and_once(records: list[dict], group: int, checkpoint: int, mode: str) -> None:
    """However the file is cut into row groups, and the run into parts."""
    config = {"input": {"max_error_rate": 1.0}, "output": {"kept": mode, "checkpoint_bytes": checkpoint}}
    table = table_of(records)
    with run_over(lambda folder: written(table, folder / "a.parquet", row_group_size=group), load_config(None, config)) as (report, out):
        if report is None:  # none of the records has a text
            assert not any(record["text"] is not None for record in records)
            return
        kept = out / "kept/a.parquet"
        rest = iter(pq.read_table(kept).to_batches(max_chunksize=1) if kept.exists() else [])
        gone = given_back(out, "a.parquet") if (out / "quarantine/a.parquet.parquet").exists() else {}
        if (out / "errors/a.parquet.jsonl").exists():
            for line in (out / "errors/a.parquet.jsonl").read_text().splitlines():
                gone[json.loads(line)["row"]] = pa.ipc.open_stream(base64.b64decode(json.loads(line)["raw_base64"])).read_next_batch()
        found = [gone[row] if row in gone else next(rest) for row in range(len(records))]

        assert [] == list(rest)
        for row, (record, batch) in enumerate(zip(records, found, strict=True)):
            # What was redacted, also in quarantine, differs in its text.
            same = table.drop_columns("text") if record in (MAIL, BOTH) else table
            assert same.slice(row, 1).equals(pa.Table.from_batches([batch]).select(same.schema.names))
        assert len(records) == sum(report["tally"]["outcomes"].values())
