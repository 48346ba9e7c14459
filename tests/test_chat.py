"""Chat and nested rows: texts found by path, roles heard, redaction in place, provenance read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from decontam.config import chain_of, load_config
from decontam.errors import ConfigError
from decontam.layout import Layout, Unreadable
from decontam.types import Action, Field, Record

from .conftest import shard
from .test_run import CHAT_ID, HUMAN, KEY

MAIL = "odalys.brennwald@gartenfreunde-nord.de"
REFUSAL = "I'm sorry, but as an AI language model, I cannot help with that. I don't have personal opinions."


def layout(*paths: str, **more: object) -> Layout:
    return Layout(paths, "id", **more)


def fields(line: bytes | dict, *paths: str, **more: object) -> list[tuple]:
    raw = line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode()
    record = layout(*paths, **more).read(raw, "a.jsonl", 3)
    return [tuple(field) for field in record.fields] if isinstance(record, Record) else [record.reason]


OPENAI = {
    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "u"}, {"type": "image_url"}]}]
}
SHAREGPT = {"conversations": [{"from": "human", "value": "h"}, {"from": "gpt", "value": "g"}]}


@pytest.mark.parametrize(
    ("line", "paths", "found"),
    [
        ({"text": ["no", "string"]}, ["body"], ["missing_text"]),
        ({"messages": "none"}, ["messages[*].content"], ["missing_text"]),
        ({"text": 5}, ["text"], ["not_text"]),
        ({"meta": {"body": "b"}}, ["meta.body"], [("meta.body", "b", None)]),
        (OPENAI, ["messages[*].content"], [("messages[0].content", "s", "system"), ("messages[1].content[0].text", "u", "user")]),
        (
            SHAREGPT,
            ["conversations[*].value"],
            [("conversations[0].value", "h", "user"), ("conversations[1].value", "g", "assistant")],
        ),
        ({"a": "x", "b": "y"}, ["a", "b"], [("a", "x", None), ("b", "y", None)]),
        ({"a": "x"}, ["a", "b"], [("a", "x", None)]),
        (b'{"m": [{"c": "1", "c": "2"}]}', ["m[*].c"], [("m[0].c", "2", None), ("m[0].c#1", "1", None)]),
        (
            b'{"m": [{"role": "user", "c": "old"}], "m": [{"role": "user", "c": "new"}]}',
            ["m[*].c"],
            [("m[0].c", "new", "user"), ("m[0].c#1", "old", "user")],
        ),
    ],
)
def test_texts_are_found_where_paths_lead(line: object, paths: list[str], found: list) -> None:
    assert found == fields(line, *paths)


def test_every_string_can_be_a_text() -> None:
    assert [("id", "7", None), ("a.b[0]", "x", None)] == fields({"id": "7", "a": {"b": ["x", 1]}}, "text", everything=True)


def test_a_record_nested_beyond_reason_is_unreadable() -> None:
    line = b'{"a": ' + b"[" * 900 + b'"x"' + b"]" * 900 + b"}"

    assert isinstance(layout("text", everything=True).read(line, "a", 0), (Record, Unreadable))


@pytest.mark.parametrize("path", ["", "a..b", "[*]", "a[0]", ".a", "a[*"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="is no path"):
        layout(path)


def test_redaction_stays_inside_its_turn(screen_files: Callable, tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": f"mail {MAIL}"}, {"role": "assistant", "content": "é 😀 done"}], "n": 1.0}
    line = json.dumps(row, separators=(", ", " : ")).encode()
    config = load_config(None, {"input": {"text_key": ["messages[*].content"]}})
    screen_files(shard(tmp_path / "in/a.jsonl", [line]), config=config)

    assert line.replace(MAIL.encode(), b"<EMAIL>") + b"\n" == (tmp_path / "out/kept/a.jsonl").read_bytes()
    (row,) = pq.read_table(tmp_path / "out/findings/a.jsonl.parquet").to_pylist()
    assert {"messages[0].content"} == {finding["field"] for finding in row["findings"]}


@pytest.mark.parametrize(("role", "heard"), [("user", False), ("assistant", True), (None, True)])
def test_refusals_count_where_an_assistant_may_speak(role: str | None, heard: bool) -> None:
    verdict = chain_of(load_config()).screen(Record("1", (Field("messages[0].content", REFUSAL, role),)))
    kinds = {finding.kind for finding in verdict.findings}

    assert heard == bool(kinds & {"REFUSAL", "SELF_IDENTIFICATION"})


@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_secrets_and_people_count_whoever_speaks(role: str) -> None:
    verdict = chain_of(load_config()).screen(Record("1", (Field("m", f"{KEY} {MAIL}", role),)))

    assert {"SECRET", "EMAIL"} <= {finding.kind for finding in verdict.findings}


@pytest.mark.parametrize(
    ("extra", "provider"),
    [
        ({"model": "gpt-4"}, "openai"),
        ({"generator": "claude-3-opus-20240229"}, "anthropic"),
        ({"model": "Qwen/Qwen2.5-7B-Instruct"}, "alibaba-dashscope"),
        ({"source": "chatgpt"}, "openai"),
        ({"model": "toyota corolla"}, None),
        ({"source": "en.wikipedia.org"}, None),
        ({"note": "gpt-4"}, None),
        ({"model": 4}, None),
    ],
)
def test_a_row_that_names_a_model_as_its_maker_is_its_output(extra: dict, provider: str | None) -> None:
    config = load_config()
    line = json.dumps({**HUMAN, **extra}).encode()
    record = Layout(("text",), "id", provenance_keys=config.input.provenance_keys).read(line, "a", 0)
    verdict = chain_of(config).screen(record)

    assert (Action.QUARANTINE if provider else Action.KEEP) == verdict.action
    assert ({provider} if provider else set()) == {finding.provider for finding in verdict.findings}


def test_a_model_name_in_a_text_is_no_provenance() -> None:
    assert Action.KEEP == chain_of(load_config()).screen_text("gpt-4").action


def test_the_chat_config_reads_the_common_shapes(screen_files: Callable, tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": f"see {CHAT_ID}"}]},
        {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": REFUSAL}]},
        {"instruction": "sum", "input": "", "output": f"by {MAIL}"},
        {"prompt": "p", "chosen": [{"role": "assistant", "content": "fine"}], "rejected": []},
    ]
    report = screen_files(shard(tmp_path / "in/a.jsonl", rows), config=load_config("chat"))

    assert {"quarantined": 2, "redacted": 1, "kept": 1} == report["tally"]["outcomes"]


def test_the_report_names_what_was_not_screened(screen_files: Callable, tmp_path: Path) -> None:
    rows = [{**HUMAN, "summary": "s", "tags": ["a", "b"], "model": "x"}]

    assert ["summary", "tags[*]"] == screen_files(shard(tmp_path / "in/a.jsonl", rows))["unscreened"]
    everything = load_config(None, {"input": {"screen": "all-strings"}})
    assert [] == screen_files(tmp_path / "in/a.jsonl", config=everything, out=None)["unscreened"]


def test_a_key_that_no_table_can_hold_is_found_in_all_the_same(screen_files: Callable, tmp_path: Path) -> None:
    line = b'{"id": "\\ud800", "a\\ud800": "write to odalys.brennwald@gartenfreunde-nord.de"}'
    report = screen_files(shard(tmp_path / "a.jsonl", [line]), config=load_config(None, {"input": {"screen": "all-strings"}}))

    assert {"redacted": 1} == report["tally"]["outcomes"]
    assert line.replace(b"odalys.brennwald@gartenfreunde-nord.de", b"<EMAIL>") + b"\n" == (tmp_path / "out/kept/a.jsonl").read_bytes()
