"""datatrove's shards in and out: nothing is lost on the way in, nothing half is left on the way out."""

from __future__ import annotations

import base64
import datetime as dt
import json
import tempfile
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datatrove.data import Document, Media
from hypothesis import given, settings

from decontam.adapters.datatrove import DecontamReader, DecontamWriter
from decontam.config import load_config
from decontam.errors import ShardError

from .conftest import COMPRESS, shard
from .test_nothing_lost import lines
from .test_parquet import OTHERS, table_of
from .test_run import API, BAD, HUMAN, MAIL, lines_of

LENIENT = load_config(None, {"input": {"max_error_rate": 1, "max_record_bytes": 3000}})


def read(folder: Path, errors: Path | None = None, config: object = LENIENT, **options: object) -> list[Document]:
    return list(DecontamReader(str(folder), str(errors) if errors else None, config, **options).run())  # type: ignore[arg-type]


def errors_in(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def raw_of(error: dict, folder: Path) -> bytes:
    if "raw_file" in error:
        return (folder / error["raw_file"]).read_bytes()
    return error["raw"].encode() if "raw" in error else base64.b64decode(error["raw_base64"])


@pytest.mark.parametrize("codec", sorted(COMPRESS))
def test_every_kind_of_broken_record_is_counted_and_kept(codec: str, tmp_path: Path) -> None:
    odd = [b"", b"  ", b'{"text": "x", "n": NaN}', b'{"text": "\\ud800"}', b'\xef\xbb\xbf{"text": "bom"}', b'{"text": ""}']
    huge = orjson.dumps({"text": "x" * 5000})
    name = f"a.jsonl{codec}"
    shard(tmp_path / "in" / name, [*BAD, *odd, huge, HUMAN])
    reader = DecontamReader(str(tmp_path / "in"), str(tmp_path / "errors"), LENIENT)
    found = list(reader.run())
    errors = errors_in(tmp_path / f"errors/{name}.jsonl")

    assert ["x", "\ud800", "bom", "", HUMAN["text"]] == [each.text for each in found]
    assert [f"{name}/{row}" for row in (8, 9, 10, 11)] + ["h"] == [each.id for each in found]
    assert {str(tmp_path / "in" / name)} == {each.metadata["file_path"] for each in found}
    reasons = ["malformed", "not_object", "missing_text", "not_text", "bad_utf8", "not_text", "too_large"]
    assert reasons == [each["reason"] for each in errors]
    assert [*range(6), 12] == [each["row"] for each in errors]
    assert [*BAD, huge] == [raw_of(each, tmp_path / "errors") for each in errors]
    assert (7, 2, 1) == tuple(reader.stats[name].total for name in ("errored", "errored_not_text", "errored_too_large"))


@pytest.mark.parametrize(("line", "said"), [(BAD[0], "row 1: not JSON .* give errors="), (b"[1]", "row 1: a record is a JSON object")])
def test_without_a_place_for_it_a_broken_record_stops_the_task(line: bytes, said: str, tmp_path: Path) -> None:
    shard(tmp_path / "in/a.jsonl", [HUMAN, line])

    with pytest.raises(ShardError, match=said):
        read(tmp_path / "in")


def test_too_many_broken_records_stop_the_task_and_are_kept_apart(tmp_path: Path) -> None:
    shard(tmp_path / "in/a.jsonl", [HUMAN, *BAD])

    with pytest.raises(ShardError, match="6 of 7 records could not be read, more than input.max_error_rate"):
        read(tmp_path / "in", tmp_path / "errors", None)
    assert 6 == len(errors_in(tmp_path / "errors/a.jsonl.jsonl"))


@pytest.mark.parametrize("codec", [".gz", ".zst", ".bz2"])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: data[:40] + b"\x00\x00\x00\x00" + data[44:]])
def test_a_damaged_file_stops_the_task(codec: str, damage: object, tmp_path: Path) -> None:
    path = shard(tmp_path / f"in/a.jsonl{codec}", [HUMAN, *({"text": f"{number} " * number} for number in range(300))])
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]

    with pytest.raises(ShardError, match="a.jsonl"):
        read(tmp_path / "in", tmp_path / "errors")


@settings(max_examples=60)
@given(lines)
def test_every_line_becomes_a_document_or_an_error(given: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "in/a.jsonl")
        path.parent.mkdir()
        path.write_bytes(b"\n".join(given))
        found = read(path.parent, Path(folder, "errors"))
        errors = errors_in(Path(folder, "errors/a.jsonl.jsonl"))

    assert sum(bool(line.strip()) for line in given) == len(found) + len(errors)


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    given = [
        {"text": "a", "id": "x", "n": 1, "deep": {"l": [None, True, 1.5]}},
        {"text": "", "id": 7},
        {"id": "m", "text": "t", "metadata": "no object"},
        {"id": "c", "text": "t", "metadata": {"n": 1}, "n": 2},
    ]
    shard(tmp_path / "in/a.jsonl", given)
    writer = DecontamWriter(str(tmp_path / "out"), expand_metadata=True)
    list(writer.run(DecontamReader(str(tmp_path / "in"), add_file_path=False).run()))
    (out,) = (tmp_path / "out").iterdir()

    assert "00000.jsonl.zst" == out.name
    assert given == [json.loads(line) for line in lines_of(out)[:-1]]


def test_rows_of_the_stock_writer_are_read_as_its_reader_would(tmp_path: Path) -> None:
    shard(tmp_path / "in/a.jsonl", [{"text": "a", "id": "x", "metadata": {"url": "u"}}])

    assert [{"url": "u"}] == [each.metadata for each in read(tmp_path / "in", add_file_path=False)]
    writer = DecontamWriter(str(tmp_path / "out"), "${rank}.jsonl")
    list(writer.run(iter(read(tmp_path / "in", add_file_path=False)), rank=12))
    assert b'{"text":"a","id":"x","metadata":{"url":"u"}}' == lines_of(tmp_path / "out/00012.jsonl")[0]


def test_parquet_is_read_with_every_column(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pq.write_table(table_of([HUMAN, MAIL, API]), tmp_path / "in/a.parquet")
    first, *_ = found = read(tmp_path / "in", add_file_path=False)

    assert [HUMAN["text"], MAIL["text"], API["text"]] == [each.text for each in found]
    assert set(OTHERS) == first.metadata.keys()
    assert (1, b"\xff\x00", ["a", None], {"a": "x", "b": [{"c": 1}]}) == tuple(first.metadata[key] for key in ("n", "raw", "tags", "in"))
    writer = DecontamWriter(str(tmp_path / "out"), "${rank}.jsonl", expand_metadata=True)
    assert 3 == len(list(writer.run(iter(found))))
    assert "/wA=" == json.loads(lines_of(tmp_path / "out/00000.jsonl")[0])["raw"]


def test_parquet_rows_without_text_are_errors(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"text": ["a", None, "b"], "n": [1, 2, 3]}), tmp_path / "in/a.parquet")

    assert [1, 3] == [each.metadata["n"] for each in read(tmp_path / "in", tmp_path / "errors")]
    assert [("not_text", 1)] == [(each["reason"], each["row"]) for each in errors_in(tmp_path / "errors/a.parquet.jsonl")]


def test_every_file_is_read_by_one_rank_and_what_is_no_shard_by_none(tmp_path: Path) -> None:
    for number in range(5):
        shard(tmp_path / f"in/{number}.jsonl", [{"text": str(number)}])
    (tmp_path / "in/_SUCCESS").touch()
    (tmp_path / "in/README.md").write_text("no records")
    ranks = [[each.text for each in DecontamReader(str(tmp_path / "in")).run(None, rank, 2)] for rank in range(2)]

    assert ["0", "1", "2", "3", "4"] == sorted(ranks[0] + ranks[1])
    assert [3, 2] == [len(ranks[0]), len(ranks[1])]


def test_options_of_datatrove_are_heard(tmp_path: Path) -> None:
    for number in range(5):
        shard(tmp_path / f"in/{number}.jsonl", [{"text": f"{number}{letter}"} for letter in "abc"])
    before = Document("before", "b")
    reader = DecontamReader(str(tmp_path / "in"), glob_pattern="[34].jsonl", skip=1, limit=3)

    assert ["before", "3b", "3c", "4a"] == [each.text for each in reader.run(iter([before]))]


@pytest.mark.parametrize(
    ("config", "options", "row", "text", "rest"),
    [
        (None, {"text_key": "body"}, {"body": "b", "text": "t"}, "b", {"text": "t"}),
        (load_config(None, {"input": {"text_key": "content", "id_key": "n"}}), {}, {"content": "c", "n": "i"}, "c", {}),
        ("chat", {}, {"messages": [{"content": "hi"}]}, "", {"messages": [{"content": "hi"}]}),
        (None, {"default_metadata": {"set": "a"}}, {"text": "t"}, "t", {"set": "a"}),
    ],
)
def test_the_config_says_where_texts_are(config: object, options: dict, row: dict, text: str, rest: dict, tmp_path: Path) -> None:
    shard(tmp_path / "in/a.jsonl", [row])
    (found,) = read(tmp_path / "in", None, config, add_file_path=False, **options)

    assert (text, rest) == (found.text, found.metadata)


def test_an_adapter_of_ones_own_is_heard(tmp_path: Path) -> None:
    shard(tmp_path / "in/a.jsonl", [HUMAN])
    (found,) = read(tmp_path / "in", adapter=lambda self, data, path, row: {"text": data["text"].upper(), "id": f"{path}#{row}"})

    assert (HUMAN["text"].upper(), "a.jsonl#0") == (found.text, found.id)


def test_whatever_a_document_holds_is_written(tmp_path: Path) -> None:
    odd = {"t": dt.datetime(2024, 5, 17), "b": b"\xff", "s": "\ud800", "big": 2**70, 5: "key", "set": frozenset([1])}
    odd_media = Media("m", 0, "u", media_bytes=b"1")
    writer = DecontamWriter(str(tmp_path), "${rank}.jsonl.gz")
    list(writer.run(iter([Document("text", "1", metadata=odd), Document("\ud800", "2", media=[odd_media])])))
    one, two = (json.loads(line) for line in lines_of(tmp_path / "00000.jsonl.gz")[:-1])

    assert (2**70, "/w==", "\ud800", "key") == tuple(one["metadata"][key] for key in ("big", "b", "s", "5"))
    assert ("\ud800", "u", None) == (two["text"], two["media"][0]["url"], two["media"][0]["media_bytes"])


def test_nothing_appears_of_a_rank_that_failed(tmp_path: Path) -> None:
    def fails() -> object:
        yield Document("a", "a")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        list(DecontamWriter(str(tmp_path)).run(fails()))  # type: ignore[arg-type]
    assert [] == list(tmp_path.iterdir())


def test_no_documents_make_no_file(tmp_path: Path) -> None:
    assert [] == list(DecontamWriter(str(tmp_path)).run(iter([])))
    assert [] == list(tmp_path.iterdir())


def test_ranks_may_not_share_a_file() -> None:
    with pytest.raises(ValueError, match="tasks would write the same file"):
        DecontamWriter("out", "all.jsonl")
