"""`decontam index`, and indexes in `run` and `scan`, as a user types them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest

import decontam
from decontam import cli
from decontam.config import load_config, with_indexes

from .conftest import shard
from .test_known import words


class Done(NamedTuple):
    code: int
    out: str
    err: str


Typed = Callable[..., Done]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Typed:
    """Types a command in a folder with two days of logs, a background and a shard."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOG_KEY", "what only the tests know")
    monkeypatch.setenv("OTHER_KEY", "what nobody needs to know")
    monkeypatch.setenv("COLUMNS", "140")
    for day in (1, 2):
        shard(tmp_path / f"logs/{day}.jsonl", [answer(day, number) for number in range(6)])
    shard(tmp_path / "human.jsonl", [{"id": f"h{number}", "text": words(500 + number, 300)} for number in range(12)])
    leak = words(600, 80) + "\n\n" + words(102, 100).replace(" ", "  ") + "\n" + words(601, 80)
    shard(tmp_path / "shard.jsonl", [{"id": "clean", "text": words(602, 200)}, {"id": "leak", "text": leak}])

    def run(*arguments: object) -> Done:
        monkeypatch.setattr("sys.argv", ["decontam", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Done(code, *capsys.readouterr())

    return run


def answer(day: int, number: int) -> dict[str, object]:
    """A response of a chat API, as a gateway logs it."""
    message = {"role": "assistant", "content": words(100 * day + number, 100)}
    return {"id": f"chatcmpl-{day}-{number}", "object": "chat.completion", "created": 1760000000 + 86400 * day, "model": "gpt-4o",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {"total_tokens": 9}}  # fmt: skip


def sources(typed: Typed, index: str) -> list[str]:
    return [each["name"] for each in json.loads(typed("index", "info", index, "--json").out)["sources"]]


def test_an_index_is_built_described_verified(typed: Typed) -> None:
    done = typed("index", "build", "logs", "-o", "api.idx", "--key-env", "LOG_KEY", "--background", "human.jsonl")

    assert (0, "api.idx: 12 texts (0 copies) from 2 sources") == (done.code, done.out.split(",")[0])
    assert "response, openai, gpt-4o" in typed("index", "info", "api.idx").out
    assert "logs/1.jsonl: 6, 2025-10-10T08:53:20Z to 2025-10-10T08:53:20Z" in typed("index", "info", "api.idx").out
    assert "api.idx: whole" in typed("index", "verify", "api.idx", "--key-env", "LOG_KEY").out
    assert (2, True) == (
        (wrong := typed("index", "verify", "api.idx", "--key-env", "OTHER_KEY")).code,
        "was built with the key" in wrong.err,
    )


def test_a_day_is_added_and_a_day_expires(typed: Typed) -> None:
    for day in (2, 1):
        assert 0 == typed("index", "build", f"logs/{day}.jsonl", "-o", f"{day}.idx", "--key-env", "LOG_KEY").code
    typed("index", "merge", "2.idx", "1.idx", "-o", "all.idx")
    assert ["logs/1.jsonl", "logs/2.jsonl"] == sources(typed, "all.idx")

    done = typed("index", "remove", "all.idx", "--before", "2025-10-11")
    assert (0, "6 texts were taken out") == (done.code, done.out.splitlines()[0])
    assert ["logs/2.jsonl"] == sources(typed, "all.idx")
    assert "holds none of these" in typed("index", "remove", "all.idx", "--id", "chatcmpl-1-1").err


def test_a_run_takes_out_what_an_index_knows(typed: Typed) -> None:
    typed("index", "build", "logs", "-o", "api.idx", "--key-env", "LOG_KEY")
    done = typed("run", "shard.jsonl", "--out", "out", "--index", "api.idx", "--key-env", "LOG_KEY", "--workers", "0")
    manifest = json.loads(Path("out/manifest.json").read_text())
    (row,) = pq.read_table("out/findings/shard.jsonl.parquet").to_pylist()
    (finding,) = row["findings"]

    assert (0, True) == (done.code, "kept 1, quarantined 1" in done.out)
    assert ["api"] == list(manifest["indexes"])
    assert ("leak", "known", "api", "openai") == (row["id"], finding["stage"], finding["rule"], finding["provider"])
    assert "chatcmpl-1-2" == json.loads(finding["detail"])["id"]
    assert words(102, 100)[:30] not in Path("out/report.json").read_text() + Path("out/manifest.json").read_text()


def test_a_run_that_cannot_use_its_index_writes_nothing(typed: Typed) -> None:
    typed("index", "build", "logs", "-o", "api.idx", "--key-env", "LOG_KEY")
    for options, said in (([], "there is no key"), (["--key-env", "OTHER_KEY"], "but the key is")):
        done = typed("run", "shard.jsonl", "--out", "out", "--index", "api.idx", *options, "--workers", "0")

        assert (2, True, False) == (done.code, said in done.err, Path("out").exists())


def test_scan_shows_both_sides(typed: Typed) -> None:
    typed("index", "build", "logs", "-o", "api.idx", "--key-env", "LOG_KEY")
    shown = typed("scan", "shard.jsonl", "--index", "api.idx", "--key-env", "LOG_KEY").out

    assert "known: chatcmpl-1-2 (response, gpt-4o, 2025-10-10T08:53:20Z), bytes " in shown
    assert "of logs/1.jsonl" in shown
    assert f"⟦{words(102, 100)[:120]} ..." in shown


def test_injection_says_what_is_found_again(typed: Typed) -> None:
    typed("index", "build", "logs", "-o", "api.idx", "--key-env", "LOG_KEY")
    given = [
        "index",
        "inject",
        "api.idx",
        "logs",
        "--into",
        "human.jsonl",
        "--passages",
        "3",
        "--words",
        "50",
        "--key-env",
        "LOG_KEY",
        "--json",
    ]
    *rows, clean = (json.loads(line) for line in typed(*given).out.splitlines())
    counts = {row["change"]: (row["found"], row["right"]) for row in rows}

    assert {(3, 3)} == {counts[change] for change in ("verbatim", "re-wrapped", "10 % masked", "20 % replaced")}
    assert {50} == {row["words"] for row in rows}
    assert (12, 0, 0) == (clean["texts"], clean["found"], clean["out"])
    assert "right text" in typed(*given[:-1]).out


def test_a_benchmark_is_read_by_its_fields(typed: Typed, tmp_path: Path) -> None:
    shard(tmp_path / "bench.jsonl", [{"qid": 7, "q": words(700, 30), "a": words(701, 30)}])
    typed("index", "build", "bench.jsonl", "-o", "b.idx", "--no-key", "--field", "question=q", "--field", "answer=a", "--id-field", "qid")

    assert {"question", "answer"} == {part for part, _, _ in json.loads(typed("index", "info", "b.idx", "--json").out)["labels"]}
    screened = decontam.load(with_indexes(load_config(), ["b.idx"])).screen_text(f"Question: {words(700, 30)}")
    assert ("7", "question") == (screened.findings[0].detail["id"], screened.findings[0].detail["part"])


def test_every_door_finds_the_same(typed: Typed) -> None:
    """An index travels by its path: what is pickled opens it where it arrives."""
    typed("index", "build", "logs", "-o", "api.idx", "--no-key")
    documents = pickle.loads(pickle.dumps(decontam.load(with_indexes(load_config(), ["api.idx"]))))
    outcomes = [documents.screen(json.loads(line)).outcome for line in Path("shard.jsonl").read_text().splitlines()]

    assert ["kept", "quarantined"] == outcomes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build", "logs", "-o", "x.idx"], "an index is made with a key"),
        (["build", "logs", "-o", "x.idx", "--no-key", "--key-env", "LOG_KEY"], "name one of them"),
        (["build", "logs", "-o", "x.idx", "--key-env", "NO_SUCH"], "is not set or empty"),
        (["build", "no/such", "-o", "x.idx", "--no-key"], "no/such"),
        (["build", "logs", "-o", "no/such/x.idx", "--no-key"], "choose a place that can be written"),
        (["build", "logs", "-o", "shard.jsonl", "--no-key"], "use --overwrite"),
        (["build", "logs", "-o", "x.idx", "--no-key", "--field", "quesion=q"], "'quesion' is not a part"),
        (["build", "human.jsonl", "-o", "x.idx", "--no-key"], "human.jsonl: nothing in it is a log"),
        (["info", "shard.jsonl"], "is not an index of decontam"),
        (["merge", "no.idx", "-o", "x.idx"], "no.idx: No such file"),
        (["remove", "no.idx"], "says what is to be taken out"),
        (["inject", "no.idx", "logs", "--into", "shard.jsonl", "--words", "many"], "name lengths like"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing_behind(typed: Typed, arguments: list[str], said: str) -> None:
    before = sorted(Path().rglob("*"))
    done = typed("index", *arguments)

    assert (2, True) == (done.code, said in done.err)
    assert before == sorted(Path().rglob("*"))
