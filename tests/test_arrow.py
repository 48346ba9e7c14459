"""Arrow batches: rows in and rows out, and books that an engine cannot cook."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from decontam.adapters.arrow import SCHEMA, SPARK, Read, Screen, books
from decontam.config import load_config
from decontam.errors import BooksError, ShardError

from .test_run import API, BOTH, HUMAN, MAIL, SECRET

ALL = [HUMAN, API, MAIL, SECRET, BOTH]


def written(rows: list[dict]) -> tuple[Counter, list[str]]:
    return Counter(row["outcome"] for row in rows), [row["tally"] for row in rows if row["tally"]]


def test_lines_go_on_byte_for_byte_and_rows_as_json() -> None:
    odd = b'{ "text":  "Plain \\u00e9",  "n": 1.50 }'
    for given in (odd, odd.decode()):
        (row, _) = Screen(line="line")(pa.table({"line": [given]})).to_pylist()
        assert odd == row["document"]
    rows = Screen()(pa.Table.from_pylist(ALL)).to_pylist()

    assert {"id": "mail", "text": "write to <EMAIL>, please"} == json.loads(rows[2]["document"])
    assert [None, "both"] == [rows[4]["document"], json.loads(rows[4]["held"])["id"]]
    assert "<SECRET>" in json.loads(rows[4]["held"])["text"]


def test_what_quarantine_may_not_keep_is_not_held() -> None:
    config = load_config(None, {"quarantine": {"original": "drop"}})
    rows = Screen(config)(pa.Table.from_pylist(ALL)).to_pylist()

    assert {None} == {row["held"] for row in rows}


def test_a_partition_ends_with_its_counts_and_blank_lines_are_none() -> None:
    batches = [pa.record_batch({"line": [json.dumps(record).encode() for record in ALL] + [b"", b" \r"]})] * 2
    *rows, last = [row for batch in Screen(line="line").batches(iter(batches)) for row in batch.to_pylist()]

    assert 2 * len(ALL) == len(rows)
    assert {"kept": 2, "quarantined": 4, "redacted": 4} == json.loads(last["tally"])["outcomes"]
    assert SCHEMA.names == [column.split()[0] for column in SPARK.split(", ")]


def test_the_id_of_a_row_without_one_is_the_same_when_it_is_tried_again() -> None:
    table = pa.table({"text": ["one", "two"]})

    assert Screen()(table).to_pylist() == Screen()(table).to_pylist()
    assert 2 == len({row["id"] for row in Screen()(table).to_pylist()[:2]})


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        (lambda rows: rows[1:], "5 rows went in, 5 were screened .*, 4 written"),
        (lambda rows: [*rows, rows[0]], "5 rows went in, 5 were screened .*, 6 written"),
        (lambda rows: rows[:-1], "5 rows went in, 0 were screened"),
        (lambda rows: [*rows, *rows], "5 rows went in, 10 were screened"),
        (lambda rows: [{**rows[0], "outcome": "dropped"}, *rows[1:]], "dropped 1"),
    ],
)
def test_an_engine_that_loses_or_doubles_rows_is_found_out(engine: Callable, says: str) -> None:
    rows = Screen()(pa.Table.from_pylist(ALL)).to_pylist()

    assert 5 == books(5, *written(rows)).records
    with pytest.raises(BooksError, match=says):
        books(5, *written(engine(rows)))
    with pytest.raises(BooksError, match="6 rows went in"):
        books(6, *written(rows))


def test_a_shard_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(HUMAN).encode() * 99)[:-9])
    with pytest.raises(ShardError, match="truncated"):
        list(Read()(pa.table({"path": [str(path)], "name": ["a.jsonl.gz"]})))
