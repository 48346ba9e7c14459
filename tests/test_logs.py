"""Logs: every format proves itself by its own examples; streams are put together; nothing a log holds stops the rest."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decontam.errors import ConfigError, InputError
from decontam.logs import FORMATS, Options, fields, providers, read, readers
from decontam.logs.calls import Gives, Reader
from decontam.logs.fields import Shape, Wanted
from decontam.logs.looks import Looking
from decontam.logs.report import REASONS
from decontam.logs.streams import Asked, Streams, fits
from decontam.logs.units import ARRAY, EVENTS, LINES, Unit
from decontam.types import Reference

ROOT = Path(__file__).parents[1]
READERS = readers()
EXAMPLES = [(reader, number) for reader in READERS for number in range(len(reader.examples))]
ALL = Options(include="all")


def written(record: Any) -> bytes:
    return (record if isinstance(record, str) else json.dumps(record, ensure_ascii=False)).encode()


def gives(references: Sequence[Reference]) -> list[Gives]:
    return [Gives(each.id.removeprefix(each.source), each.text, each.provider, each.model, each.time, each.part) for each in references]


def said(path: Path, content: bytes | str, options: Options = ALL) -> list[str]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [reference.text for reference in read(str(path), options)]


@pytest.mark.parametrize(("reader", "number"), EXAMPLES, ids=lambda each: each.name if isinstance(each, Reader) else str(each))
def test_a_format_gives_what_its_examples_say(reader: Reader, number: int, tmp_path: Path) -> None:
    example = reader.examples[number]
    path = tmp_path / "a.log"
    path.write_bytes(written(example.record))
    reading = read(str(path), ALL)

    assert list(example.gives) == gives(list(reading))
    assert {reader.name} == set(reading.report.formats)
    assert (0, len(example.gives)) == (reading.report.unread(), reading.report.references)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_format_leaves_what_it_spares(reader: Reader) -> None:
    looking = Looking(READERS, 1 << 20, prompts=True)

    assert [] == [spared for spared in reader.spares if fits(reader, tuple(spared)) and reader.read(spared, looking) is not None]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_format_proves_itself(reader: Reader) -> None:
    assert reader.examples
    assert reader.about
    assert reader.source
    assert FORMATS[reader.name].endswith(f"{reader.name.replace('-', '_')}:READER")
    assert any(not isinstance(example.record, str) or "data:" in example.record for example in reader.examples)
    assert (reader.chunk is None) == (reader.join is None)


def test_the_examples_of_all_formats_can_stand_in_one_log(tmp_path: Path) -> None:
    """Every record that is one object, each on its line; ids aside, all give what they give alone."""
    records = [example for reader in READERS for example in reader.examples if isinstance(example.record, dict) and not reader.lists]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(written(example.record) for example in records))

    expected = sorted(each.text for example in records for each in example.gives)
    assert expected == sorted(reference.text for reference in read(str(path), ALL))


def test_readme_has_a_row_for_every_format() -> None:
    table = (ROOT / "decontam/logs/README.md").read_text("utf-8").partition("# Logs that can be read")[2]

    assert [] == [row for reader in READERS if (row := f"| `{reader.name}` | {reader.about} |\n") not in table]


@pytest.mark.parametrize(
    ("include", "expected"),
    [("responses", ["Too deep."]), ("prompts", ["Ford?"]), ("all", ["Too deep.", "Ford?"])],
)
def test_what_is_read_can_be_chosen(include: Any, expected: list[str], tmp_path: Path) -> None:
    record = {
        "request": {"messages": [{"role": "user", "content": "Ford?"}], "model": "m"},
        "response": {"choices": [{"message": {"role": "assistant", "content": "Too deep."}}], "id": "1", "object": "chat.completion"},
    }

    assert expected == said(tmp_path / "a.jsonl", written(record), Options(include=include))


def test_what_the_model_wrote_before_is_a_prompt_where_it_is_asked_again(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Ford?"}, {"role": "assistant", "content": "Deep."}, {"role": "user", "content": "How deep?"}]
    record = {"request": {"model": "m", "messages": turns}, "response": "not logged"}

    assert [] == said(tmp_path / "a.jsonl", written(record), Options())


# One text, cut anywhere into pieces, as each API streams them: (pieces, id) -> the log.
Streamed = Callable[[list[str]], str]


def _events(values: list[Any]) -> str:
    return "".join(f"data: {json.dumps(value)}\n\n" for value in values)


def _lines(values: list[Any]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def _so_far(pieces: list[str]) -> list[str]:
    return ["".join(pieces[: end + 1]) for end in range(len(pieces))]


STREAMED: dict[str, Streamed] = {
    "chat": lambda pieces: _events(
        [{"id": "1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": each}}]} for each in pieces]
    ),
    "chat on lines": lambda pieces: _lines(
        [{"id": "1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": each}}]} for each in pieces]
    ),
    "chat, reasoning": lambda pieces: _events([{"id": "1", "choices": [{"delta": {"reasoning_content": each}}]} for each in pieces]),
    "chat, in a string": lambda pieces: json.dumps(
        {"body": _events([{"id": "1", "choices": [{"delta": {"content": each}}]} for each in pieces])}
    ),
    "chat, in a list": lambda pieces: json.dumps({"chunks": [{"id": "1", "choices": [{"delta": {"content": each}}]} for each in pieces]}),
    "completions": lambda pieces: _events(
        [{"id": "1", "object": "text_completion", "choices": [{"text": each, "index": 0}]} for each in pieces]
    ),
    "responses": lambda pieces: _events([{"type": "response.output_text.delta", "output_index": 0, "delta": each} for each in pieces]),
    "anthropic": lambda pieces: _events(
        [
            {"type": "message_start", "message": {"id": "1", "content": []}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": each}} for each in pieces),
            {"type": "message_stop"},
        ]
    ),
    "anthropic, older": lambda pieces: _events(
        [{"type": "completion", "id": "1", "completion": each, "stop_reason": None} for each in pieces]
    ),
    "gemini": lambda pieces: _events([{"candidates": [{"content": {"parts": [{"text": each}]}}], "responseId": "r"} for each in pieces]),
    "gemini as an array": lambda pieces: json.dumps(
        [{"candidates": [{"content": {"parts": [{"text": each}]}}]} for each in pieces], indent=2
    ),
    "dashscope": lambda pieces: _events([{"output": {"text": each}, "request_id": "q"} for each in pieces]),
    "dashscope, the whole so far": lambda pieces: _events([{"output": {"text": each}, "request_id": "q"} for each in _so_far(pieces)]),
    "qianfan": lambda pieces: _events(
        [{"id": "as-1", "sentence_id": at, "is_end": at == len(pieces) - 1, "result": each} for at, each in enumerate(pieces)]
    ),
    "hunyuan": lambda pieces: _events([{"Id": "h", "Choices": [{"Delta": {"Content": each}}]} for each in pieces]),
    "spark": lambda pieces: _lines(
        [
            {"header": {"sid": "s"}, "payload": {"choices": {"status": min(at, 1), "text": [{"content": each}]}}}
            for at, each in enumerate(pieces)
        ]
    ),
    "sensenova": lambda pieces: _events([{"data": {"id": "s", "choices": [{"index": 0, "delta": each}]}} for each in pieces]),
    "cohere": lambda pieces: _events(
        [
            {"type": "message-start", "id": "k"},
            *({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": each}}}} for each in pieces),
        ]
    ),
    "cohere, first version": lambda pieces: _lines(
        [{"is_finished": False, "event_type": "text-generation", "text": each} for each in pieces]
    ),
    "ollama": lambda pieces: _lines(
        [*({"model": "l", "message": {"content": each}, "done": False} for each in pieces), {"model": "l", "message": {}, "done": True}]
    ),
    "ollama, generate": lambda pieces: _lines(
        [*({"model": "l", "response": each, "done": False} for each in pieces), {"model": "l", "response": "", "done": True}]
    ),
    "tgi": lambda pieces: _events([{"token": {"text": each, "special": False}, "generated_text": None} for each in pieces]),
    "bedrock converse": lambda pieces: json.dumps(
        [{"contentBlockDelta": {"delta": {"text": each}, "contentBlockIndex": 0}} for each in pieces]
    ),
}


@pytest.mark.parametrize("name", STREAMED)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=3, max_size=60), seed=st.integers(0, 99))
@settings(max_examples=15)
def test_a_stream_says_what_its_pieces_say(name: str, text: str, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = f"A {text}."
    draw = random.Random(seed)
    cuts = sorted({0, len(text), *(draw.randrange(1, len(text)) for _ in range(draw.randint(1, 5)))})
    pieces = [text[start:end] for start, end in zip(cuts, cuts[1:], strict=False)]
    path = tmp_path_factory.getbasetemp() / "stream.log"

    assert [text] == said(path, STREAMED[name](pieces), Options())


def test_streams_that_are_mixed_are_told_apart_by_their_ids(tmp_path: Path) -> None:
    words = {"1": ["one", "two", "three", "four"], "2": ["uno", "dos", "tres"], "3": ["eins", "zwei", "drei", "vier", "fünf"]}
    pieces = [(id, word) for id, all_words in words.items() for word in all_words]
    turns = {id: [at for at, piece in enumerate(pieces) if piece[0] == id] for id in words}
    order = [turn[at] for at in range(5) for turn in turns.values() if at < len(turn)]
    chunks = [
        {"id": id, "object": "chat.completion.chunk", "choices": [{"delta": {"content": f"{word} "}}]}
        for id, word in map(pieces.__getitem__, order)
    ]
    done = "data: [DONE]\n\n"  # of the shortest, whose piece came last, in the middle of the others
    log = _events(chunks[:8]) + done + _events(chunks[8:])

    assert sorted(" ".join(each) + " " for each in words.values()) == sorted(said(tmp_path / "a.log", log))


def test_streams_one_after_another_are_apart_even_without_ids(tmp_path: Path) -> None:
    one, two = (STREAMED["tgi"]([f"{name} ", "says ", "so."]) for name in ("Ada", "Bob"))
    log = f"HTTP/1.1 200 OK\ncontent-type: text/event-stream\n\n{one}HTTP/1.1 200 OK\ndate: x\n\n{two}"

    assert ["Ada says so.", "Bob says so."] == said(tmp_path / "a.log", log)


def test_choices_are_texts_of_their_own(tmp_path: Path) -> None:
    log = _events(
        [{"id": "1", "choices": [{"index": at % 2, "delta": {"content": word}}]} for at, word in enumerate(["a", "x", "b", "y", "c", "z"])]
    )

    assert ["abc", "xyz"] == said(tmp_path / "a.log", log)


def test_too_many_open_streams_are_closed_and_none_is_lost(tmp_path: Path) -> None:
    log = _lines(
        [{"id": str(at), "object": "chat.completion.chunk", "choices": [{"delta": {"content": f"text {at}"}}]} for at in range(1000)]
    )

    assert 1000 == len(said(tmp_path / "a.log", log))


KEYS = sorted(
    {key for path in (ROOT / "decontam/logs").rglob("*.py") for key in re.findall(r'"([A-Za-z_@.-]{2,30})"', path.read_text("utf-8"))}
)
VALUES = [
    "x",
    "",
    "assistant",
    "text",
    "response.created",
    "content_block_delta",
    '{"a": [1',
    'data: {"choices": [{"delta": {}}]}',
    0,
    2,
    -1.5,
    True,
    None,
    [],
    {},
]


def _odd(draw: random.Random, depth: int = 0) -> Any:
    kind = draw.random()
    if depth < 4 and kind < 0.3:
        return {draw.choice(KEYS): _odd(draw, depth + 1) for _ in range(draw.randint(0, 5))}
    if depth < 4 and kind < 0.5:
        return [_odd(draw, depth + 1) for _ in range(draw.randint(0, 3))]
    return draw.choice(VALUES)


def _mutated(draw: random.Random, value: Any) -> Any:
    if draw.random() < 0.12:
        return _odd(draw, 2)
    if isinstance(value, dict):
        more = {draw.choice(KEYS): _odd(draw, 2)} if draw.random() < 0.1 else {}
        return {**{key: _mutated(draw, each) for key, each in value.items() if draw.random() > 0.08}, **more}
    return [_mutated(draw, each) for each in value] if isinstance(value, list) else value


def test_no_shape_of_a_record_makes_a_reader_fail() -> None:
    """Records of all formats with fields gone, added, and of other types; whole and as pieces of streams."""
    draw = random.Random(7)
    records = [json.loads(line) for reader in READERS for each in reader.examples for line in _json_lines(each.record)]
    looking = Looking(READERS, 1 << 20, prompts=True)
    for _ in range(3000):
        streams = Streams(Asked(reader for reader in READERS if reader.chunk), 1 << 20)
        wholes = [
            whole
            for at in range(draw.randint(1, 4))
            for whole in streams.add(Unit(_mutated(draw, draw.choice(records)), at, at + 1, draw.choice((EVENTS, ARRAY, LINES))), at)
        ]
        for whole in [*wholes, *streams.rest()]:
            for call in looking.calls(whole.value):
                assert all(isinstance(each.text, str) and each.part in ("response", "prompt") for each in call.said)
                assert all(isinstance(each, (str, type(None))) for each in (call.id, call.model, call.provider, call.host))


def _json_lines(record: Any) -> list[str]:
    if not isinstance(record, str):
        return [json.dumps(record)]
    return [line for each in record.splitlines() if (line := each.removeprefix("data:").strip()).startswith("{") and line.endswith("}")]


def test_a_body_that_a_gateway_cut_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """At every byte: never an error, never a text that is not the beginning of the whole, and counted as cut where there is one."""
    text = 'Der Fluss trägt Schnee, 江上有雪, "quoted" and\nbroken.'
    body = json.dumps(
        {"id": "c-1", "object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": text}}]}, ensure_ascii=False
    )
    path = tmp_path / "a.jsonl"
    longest = 0
    for end in range(1, len(body)):
        path.write_bytes(
            written(
                {"time": "2024-01-01T00:00:00Z", "correlationId": "k", "properties": {"backendResponseBody": body[:end], "backendUrl": "u"}}
            )
        )
        reading = read(str(path))
        found = [reference.text for reference in reading]

        assert found in ([], [text[: len(found[0])] if found else ""])
        assert bool(found) <= bool(reading.report.cut)
        longest = max(longest, *(len(each) for each in found), 0)
    assert len(text) == longest


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = {"id": "c", "object": "chat.completion", "choices": [{"message": {"content": "Good."}}]}
    lines = [
        written(good),
        b'{"id": "c", "cho',
        b"\xff\xfe",
        b'{"colour": "red"}',
        b"[1, 2",
        written(good),
        b'{"id": 1, "choices": [{"message": {"content": "Half',
    ]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    reading = read(str(path))
    texts = [reference.text for reference in reading]
    report = reading.report

    assert ["Good.", "Good.", "Half"] == texts
    assert (3, 1, 2, 1, 1) == (report.understood, report.foreign, report.malformed, report.cut, report.noise)
    assert report.records == report.understood + report.unread()
    for trouble in report.troubles:
        assert trouble.reason in REASONS
        assert path.read_bytes()[trouble.start : trouble.end] in lines
    assert "Good" not in "".join(report.lines())
    assert "red" not in "".join(report.lines())


@pytest.mark.parametrize("content", [b'{"text": "Plain words."}\n', b"Plain words.\n", b'[{"a": 1}]', b"a,b\n1,2\n", b"\x00\x01\x02"])
def test_a_file_of_which_nothing_is_understood_is_an_error_that_says_what_is_known(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(content)
    with pytest.raises(InputError) as problem:
        list(read(str(path)))

    assert "openai-chat" in str(problem.value)
    assert "words" not in str(problem.value)


def test_an_empty_file_holds_nothing_and_is_no_error(tmp_path: Path) -> None:
    assert [] == said(tmp_path / "a.log", b"")


def test_only_the_formats_that_are_named_are_read(tmp_path: Path) -> None:
    record = written({"completion": " Low.", "stop_reason": "stop", "model": "claude-2"})

    assert [" Low."] == said(tmp_path / "a.log", record, Options(formats=("anthropic",)))
    with pytest.raises(InputError, match="known are ollama"):
        said(tmp_path / "a.log", record, Options(formats=("ollama",)))
    with pytest.raises(ConfigError, match="did you mean 'ollama'"):
        said(tmp_path / "a.log", record, Options(formats=("olama",)))


def test_records_without_ids_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n\n".join(written({"completion": f"No {at}.", "stop_reason": "x"}) for at in range(3)))

    assert [f"{path}:{at}" for at in range(3)] == [reference.id for reference in read(str(path))]


@pytest.mark.parametrize(
    ("host", "model", "expected"),
    [
        ("https://team.openai.azure.com/openai", "gpt-4", "azure-openai"),
        ("api.openai.com", "gpt-4", "openai"),
        ("https://notopenai.com", None, None),
        ("http://10.0.0.1:8000/v1", "qwen2.5-72b-instruct", "alibaba-dashscope"),
        ("https://ark.cn-beijing.volces.com/api/v3", "ep-2024", "volcengine-ark"),
        (None, "ft:gpt-4o:org", None),
        (None, "deepseek-ai/DeepSeek-V3", "deepseek"),
    ],
)
def test_a_provider_is_told_by_the_host_and_else_by_the_model(host: str | None, model: str | None, expected: str | None) -> None:
    assert expected == (providers.by_host(host) or providers.by_model(model))


def test_fields_that_are_named_are_read_as_they_are_named(tmp_path: Path) -> None:
    shape = Shape(
        (
            Wanted("question", ("question",)),
            Wanted("choices", ("choices",), joined=True),
            Wanted("answer", ("answer",), of=("choices",)),
            Wanted("passage", ("meta.passages[*].text",)),
        ),
        id="key",
    )
    record = {
        "key": 7,
        "question": "Which?",
        "choices": ["Oak", "Ash"],
        "answer": 1,
        "meta": {"passages": [{"text": "Trees."}, {"text": "More trees."}]},
    }
    path = tmp_path / "a.jsonl"
    path.write_bytes(written(record) + b"\n" + written({"question": "   "}) + b"\n")
    reading = read(str(path), Options(shapes=(shape,)))

    assert [
        ("7", "Which?", "question"),
        ("7#1", "Oak\nAsh", "choices"),
        ("7#2", "Ash", "answer"),
        ("7#3", "Trees.", "passage"),
        ("7#4", "More trees.", "passage"),
    ] == [(each.id, each.text, each.part) for each in reading]
    assert 1 == reading.report.foreign
    with pytest.raises(InputError, match="has a text in 'query'"):
        list(read(str(path), Options(shapes=(Shape((Wanted("question", ("query",)),)),))))


@pytest.mark.parametrize(
    ("key", "expected"), [("B", "b"), ("(B)", "b"), (1, "b"), ("1", "b"), ("two", "b"), ("E", None), (9, None), (-1, None)]
)
def test_an_answer_picks_among_the_choices(key: Any, expected: str | None) -> None:
    wanted = Wanted("answer", ("key",), of=("choices.text",), labels=("choices.label",))
    found = fields.read(Shape((wanted,)), {"key": key, "choices": {"text": ["a", "b"], "label": ["one", "two"]}})

    assert [expected] * (expected is not None) == [each.text for each in found]


def test_an_answer_that_a_record_holds_twice_is_one_text(tmp_path: Path) -> None:
    answer = {"id": "1", "object": "chat.completion", "choices": [{"message": {"content": "Once."}}]}

    assert ["Once."] == said(tmp_path / "a.log", written({"response": answer, "response_text": json.dumps(answer)}))


def test_what_a_reader_cannot_stand_is_a_record_that_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of somebody else's that fails costs its record and no other."""
    from decontam import logs

    def fail(value: dict[str, Any], look: Any) -> None:
        raise KeyError(value["secret"])

    mine = READERS[0]._replace(name="mine", read=fail, keys=(("secret",),), chunk=None, join=None)
    monkeypatch.setattr(logs, "readers", lambda names=(): (mine, *READERS))
    path = tmp_path / "a.jsonl"
    path.write_bytes(written({"secret": "hush"}) + b"\n" + written({"completion": "Fine.", "stop_reason": "x"}))
    reading = read(str(path))

    assert ["Fine."] == [reference.text for reference in reading]
    assert (1, 1) == (reading.report.understood, reading.report.malformed)
    assert "KeyError" in reading.report.troubles[0].message
    assert "hush" not in "".join(reading.report.lines())


def test_formats_of_other_packages_are_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    from decontam import logs

    point = EntryPoint("mine", "decontam.logs.formats.ollama:READER", "decontam.logs")
    monkeypatch.setattr(logs, "entry_points", lambda group: [point] * (group == "decontam.logs"))
    logs.readers.cache_clear()
    try:
        assert len(READERS) + 1 == len(logs.readers())
        assert "ollama" == logs.readers(("mine",))[0].name
    finally:
        logs.readers.cache_clear()
