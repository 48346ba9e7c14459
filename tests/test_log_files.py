"""Files of logs: told by their content, read a record at a time, each record with its bytes; what is broken stays its own."""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from decontam.errors import InputError, ShardError
from decontam.logs import Options, cassettes, documents, lines, read, readers, tables
from decontam.logs.units import MALFORMED, NOISE, TOO_LARGE, Unit
from tests.conftest import COMPRESS

MOST = 1 << 20


def chat(number: int, text: str | None = None) -> dict[str, Any]:
    message = {"role": "assistant", "content": text if text is not None else f'Answer number {number}, "quoted" and\nbroken.'}
    return {"id": f"c-{number}", "object": "chat.completion", "created": 1700000000 + number, "choices": [{"message": message}]}


def har(count: int, indent: int | None) -> str:
    entries = [
        {"request": {"method": "POST", "url": "https://api.openai.com/v1"}, "response": {"content": {"text": json.dumps(chat(at))}}}
        for at in range(count)
    ]
    return json.dumps(
        {"log": {"version": "1.2", "creator": {"name": "x", "pages": [{"a": 1}]}, "entries": entries, "comment": "]}"}}, indent=indent
    )


def cassette(count: int) -> str:
    exchanges = "".join(
        f"- request:\n    method: POST\n    uri: https://api.openai.com/v1\n    body: ''\n  response:\n    status: {{code: 200}}\n"
        f"    body:\n      string: {json.dumps(json.dumps(chat(at)))}\n"
        for at in range(count)
    )
    return f"---\nhttp_interactions:\n{exchanges}recorded_with: VCR 6.1.0\n"


def csv_of(count: int) -> str:
    rows = "".join(f'{at},"{json.dumps(chat(at)).replace(chr(34), chr(34) * 2)}","two\nlines"\r\n' for at in range(count))
    return f"request_id,response_body,request_created_at\r\n{rows}"


FILES = {
    "lines": "\n".join(json.dumps(chat(at)) for at in range(20)),
    "lines with blank ones and CRLF": "\r\n\r\n".join(json.dumps(chat(at)) for at in range(20)),
    "a server's log": "\n".join(
        f"2024-01-01T00:00:00 INFO call {at} {json.dumps(chat(at))} took 3 ms\nstarting up [x]" for at in range(20)
    ),
    "objects over several lines": "\n".join(json.dumps(chat(at), indent=2) for at in range(20)),
    "objects with nothing between": "".join(json.dumps(chat(at)) for at in range(20)),
    "an array": json.dumps([chat(at) for at in range(20)]),
    "an array over several lines": json.dumps([chat(at) for at in range(20)], indent=4),
    "an array whose elements are lines": "[\n" + ",\n".join(json.dumps(chat(at)) for at in range(20)) + "\n]\n",
    "records of an event hub": json.dumps(
        {"records": [{"time": "t", "properties": {"backendUrl": "u", "responseBody": json.dumps(chat(at))}} for at in range(20)]}
    ),
    "a page of an API": json.dumps({"data": [{"request_body": {}, "response_body": chat(at)} for at in range(20)], "meta": {"page": 1}}),
    "HAR": har(20, None),
    "HAR over several lines": har(20, 2),
    "HTTP": "".join(f"HTTP/1.1 200 OK\ncontent-type: application/json\n\n{json.dumps(chat(at), indent=1)}\n" for at in range(20)),
    "a cassette": cassette(20),
    "CSV": csv_of(20),
    "with a byte order mark": "\ufeff" + "\n".join(json.dumps(chat(at)) for at in range(20)),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("codec", COMPRESS)
def test_a_file_is_told_by_its_content_and_records_know_their_bytes(name: str, codec: str, tmp_path: Path) -> None:
    """Whatever its name: compressed under a name that does not say so."""
    data = FILES[name].encode()
    path = tmp_path / "some.log"
    path.write_bytes(COMPRESS[codec](data))
    reading = read(str(path))
    references = list(reading)

    assert [chat(at)["choices"][0]["message"]["content"] for at in range(20)] == [each.text for each in references]
    assert [f"c-{at}" for at in range(20)] == [each.id for each in references]
    assert (20, 0) == (reading.report.understood, reading.report.unread())
    for at, each in enumerate(references):
        record = data[each.start : each.end]
        assert f"c-{at}".encode() in record
        assert not any(f"c-{other}".encode() + b"\\" in record or f'"c-{other}"'.encode() in record for other in range(20) if other != at)


@pytest.mark.parametrize("name", sorted(FILES.keys() - {"a cassette", "CSV"}))
def test_the_bytes_of_a_record_give_its_text_again(name: str, tmp_path: Path) -> None:
    data = FILES[name].encode()
    path, slice_of = tmp_path / "a.log", tmp_path / "slice.log"
    path.write_bytes(data)
    for each in read(str(path)):
        slice_of.write_bytes(data[each.start : each.end])

        assert [each.text] == [other.text for other in read(str(slice_of))]


def test_a_stream_stands_from_its_first_piece_to_its_last(tmp_path: Path) -> None:
    piece = 'data: {"id":"%s","choices":[{"delta":{"content":"%s"}}]}\n\n'
    data = (piece % ("1", "One ") + piece % ("1", "text.") + "data: [DONE]\n\n" + piece % ("2", "Two.")).encode()
    path = tmp_path / "a.sse"
    path.write_bytes(data)
    one, two = read(str(path))

    assert ("One text.", "Two.") == (one.text, two.text)
    assert (
        data[one.start : one.end] == (piece % ("1", "One ") + piece % ("1", "text.")).strip().removeprefix("data: ").encode()[:0]
        or b"One" in data[one.start : one.end]
    )
    assert b"Two" not in data[one.start : one.end]


@pytest.mark.parametrize("codec", [".gz", ".zst", ".bz2"])
def test_a_truncated_file_is_an_error_that_names_it(codec: str, tmp_path: Path) -> None:
    data = COMPRESS[codec]("\n".join(json.dumps(chat(at, os.urandom(200).hex())) for at in range(200)).encode())
    path = tmp_path / f"a.jsonl{codec}"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ShardError, match=rf"a\.jsonl{codec}: truncated"):
        list(read(str(path)))


@pytest.mark.parametrize(("begins", "says"), [(b"PK\x03\x04", "zip archive"), (b"\xff\xfe{\x00", "UTF-16"), (b"Obj\x01", "Avro")])
def test_what_is_not_read_is_named(begins: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(begins + b"x" * 50)
    with pytest.raises(InputError, match=says):
        list(read(str(path)))


def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="no such file"):
        list(read(str(tmp_path / "none.jsonl")))


def test_parquet_rows_are_records_without_bytes(tmp_path: Path) -> None:
    path = tmp_path / "log.bin"
    rows = {
        "request_id": ["a", "b"],
        "response": [json.dumps(chat(1)), json.dumps({"error": {"message": "no"}})],
        "ts": [1700000000, 1700000001],
    }
    pq.write_table(pa.table(rows), path)
    reading = read(str(path))
    (only,) = reading

    assert ("c-1", 0, 0, "2023-11-14T22:13:21Z") == (only.id, only.start, only.end, only.time)
    assert (2, 1) == (reading.report.understood, reading.report.without_text)


class Counting(io.BytesIO):
    """Bytes that say how far they were read."""

    at_most = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.at_most = max(self.at_most, self.tell())
        return data


LISTS = tuple(path for reader in readers() for path in reader.lists)


def test_a_long_document_is_read_an_element_at_a_time() -> None:
    data = json.dumps({"records": [chat(at, "x" * 1000) for at in range(20_000)]}).encode()
    source = Counting(data)
    units = documents.units(source, MOST, LISTS)
    first = next(units)

    assert chat(0, "x" * 1000) == first.value
    assert source.at_most < len(data) / 5
    assert 19_999 == sum(1 for _ in units)


@pytest.mark.parametrize("shape", ["array", "records", "lines", "one object"])
def test_a_record_that_is_too_large_is_told_and_passed_over(shape: str) -> None:
    small, large = json.dumps(chat(1)), json.dumps(chat(2, '\\"x' * 50_000))
    data = {
        "array": f"[{small},{large},{small}]",
        "records": f'{{"n": 1, "records": [{small},{large},{small}]}}',
        "lines": f"{small}\n{large}\n{small}\n",
        "one object": f"{large} {small}",
    }[shape].encode()
    made = lines.units(io.BytesIO(data), 50_000) if shape == "lines" else documents.units(io.BytesIO(data), 50_000, LISTS)
    units = [unit for unit in made if unit.problem != NOISE]

    assert (["", TOO_LARGE, ""] if shape != "one object" else [TOO_LARGE, ""]) == [unit.problem for unit in units]
    large_one = next(unit for unit in units if unit.problem)
    assert large.encode() == data[large_one.start : large_one.end]


@pytest.mark.parametrize("name", ["an array over several lines", "HAR over several lines", "an array", "HAR", "records of an event hub"])
def test_a_document_that_is_cut_off_gives_all_before_the_cut(name: str, tmp_path: Path) -> None:
    data = FILES[name].encode()
    path = tmp_path / "a.log"
    for end in random.Random(1).sample(range(len(data) // 2, len(data) - 200), 12):
        path.write_bytes(data[:end])
        reading = read(str(path))
        ids = [each.id for each in reading]
        begun = sum(f"c-{at}" in FILES[name][: end - 2].replace("\\", "") for at in range(20))

        assert [f"c-{at}" for at in range(len(ids))] == ids
        assert begun - 2 <= len(ids) <= begun


@pytest.mark.parametrize("indent", [None, 2])
def test_a_broken_element_costs_no_other(indent: int | None, tmp_path: Path) -> None:
    elements = [json.dumps(chat(at), indent=indent).replace("\n", "\n    ") for at in range(6)]
    elements[2] = elements[2].replace('"choices": [', '"choices": ', 1)
    elements[4] = elements[4].replace('"message"', '"mess', 1)
    path = tmp_path / "a.json"
    path.write_text("[\n    " + ",\n    ".join(elements) + "\n]\n")
    reading = read(str(path))

    assert {"c-0", "c-1", "c-3", "c-5"} <= {each.id for each in reading}
    assert reading.report.records == 6
    assert reading.report.unread() + reading.report.cut >= 1


JUNK = [
    b"",
    b"   ",
    b"not json",
    b"{",
    b"[",
    b'{"a": ',
    b'{"a": "b',
    b'"text"',
    b"7",
    b"null",
    b"}",
    b'{"a": [{"b": 1}',
    b"data: {",
    b"data: x",
    b": ping",
    b"[INFO] up",
    b"2024-01-01 00:00:00 {",
    b"{}",
    b"]",
    b"\xff\xfe",
    b"<html>",
]


def numbers(value: Any) -> Iterator[int]:
    """The good lines in a value: it may be one, or what stood around it may have made a document of which it is a part."""
    if isinstance(value, dict) and "n" in value:
        yield value["n"]
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from numbers(inner)


@given(order=st.lists(st.one_of(st.integers(0, 4), st.sampled_from(JUNK)), max_size=14), newline=st.sampled_from([b"\n", b"\r\n"]))
@example(order=[b"[", 0, b"]"], newline=b"\n")
@example(order=[b"[", 0, b"}"], newline=b"\n")
@settings(max_examples=150)
def test_junk_between_lines_costs_no_record(order: list[int | bytes], newline: bytes) -> None:
    """Every good line is there, once, in order, whatever stands between; and the books of bytes are right."""
    good = [json.dumps({"n": number, "text": 'a {b} [c] " d'}).encode() for number in range(5)]
    content = [good[each] if isinstance(each, int) else each for each in order]
    data = newline.join(content)
    found = [unit for unit in lines.units(io.BytesIO(data), MOST) if not unit.cut and list(numbers(unit.value))]

    assert [each for each in order if isinstance(each, int)] == [number for unit in found for number in numbers(unit.value)]
    for unit in found:
        assert json.loads(data[unit.start : unit.end]) == unit.value


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**6) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    values=st.lists(st.dictionaries(st.text(max_size=4), VALUES, min_size=1, max_size=3), min_size=1, max_size=5),
    indent=st.sampled_from([None, 1]),
    block=st.integers(1, 30),
)
@settings(max_examples=120)
def test_a_document_is_its_elements_wherever_its_blocks_end(values: list[dict[str, Any]], indent: int | None, block: int) -> None:
    class Blocks(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(block)

    data = json.dumps({"other": values, "records": values, "z": {"records": 1}}, indent=indent).encode()
    units = list(documents.units(Blocks(data), MOST, (("records",),)))

    assert values == [unit.value for unit in units]
    assert values == [json.loads(data[unit.start : unit.end]) for unit in units]


def _units(data: bytes) -> list[Unit]:
    return list(cassettes.units(io.BytesIO(data), MOST))


def test_an_exchange_of_a_cassette_that_is_broken_costs_no_other() -> None:
    data = cassette(3).replace("status: {code: 200}", "status: {code: 200", 1).encode()
    units = _units(data)

    assert [MALFORMED, "", ""] == [unit.problem for unit in units]
    assert "line" in units[0].message


def test_what_yaml_of_other_languages_says_is_plain() -> None:
    first_one = b"- request: {method: POST, uri: u, headers: &id001 {a: [b]}}\n  response: {body: {string: !!python/unicode 'x'}}\n"
    second_one = b"- request: {method: GET, headers: *id001}\n  response:\n    body: !!binary |\n      aGVsbG8=\n    headers: *id001\n"
    data = b"interactions:\n" + first_one + second_one + b"version: 1\n"
    first, second = _units(data)

    assert "x" == first.value["response"]["body"]["string"]
    assert b"hello" == second.value["response"]["body"]


def test_a_cell_that_is_not_closed_is_told() -> None:
    units = list(tables.csv_units(io.BytesIO(b'a,b\n1,"x\ny"\n2,"open\n'), MOST))

    assert [{"a": "1", "b": "x\ny"}, None] == [unit.value for unit in units]
    assert MALFORMED == units[1].problem


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("file", ["One line.\nAnother.\n\n\nA paragraph."]),
        ("paragraph", ["One line.\nAnother.", "A paragraph."]),
        ("line", ["One line.", "Another.", "A paragraph."]),
    ],
)
def test_plain_text_is_read_by_lines_paragraphs_or_files(by: Any, expected: list[str], tmp_path: Path) -> None:
    data = b"\n\nOne line.\nAnother.\n\n\nA paragraph.\n\n"
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    references = list(read(str(path), Options(text=by)))

    assert expected == [each.text for each in references]
    assert expected == [data[each.start : each.end].decode() for each in references]
    assert {"text"} == {each.part for each in references}


def test_a_log_of_beginnings_is_read_in_time_that_grows_with_it() -> None:
    """Each line may begin a record that goes on for ever, and each other one is a record: it must not be read over and over."""
    data = b'{"a":\n{"n": 1}\n' * 5_000
    units = list(lines.units(io.BytesIO(data), MOST))

    assert len(units) < 10_000
