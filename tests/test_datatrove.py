"""The door of datatrove: its executor, its writers, its way to fail; our verdicts, our books."""

from __future__ import annotations

import copy
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import dill
import orjson
import pyarrow.parquet as pq
import pytest
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.writers import JsonlWriter, ParquetWriter

import decontam
from decontam import documents
from decontam.adapters.datatrove import Decontam, DecontamReader, DecontamWriter, Pii, Secrets, Signatures, books
from decontam.config import Config, load_config
from decontam.errors import BooksError, ConfigError, InputError
from decontam.tally import Tally

from .conftest import shard
from .test_run import API, BOTH, HUMAN, KEY, MAIL, SECRET, lines_of

ALL = [HUMAN, API, MAIL, SECRET, BOTH]
MASKED = "write to <EMAIL>, please"
PERSON = "odalys.brennwald@gartenfreunde-nord.de"


def document(row: dict) -> Document:
    return Document(text=row["text"], id=row["id"], metadata={key: value for key, value in row.items() if key not in {"text", "id"}})


def screened(step: Decontam, *rows: dict) -> list[Document]:
    return list(step.run(iter([document(row) for row in rows])))


def execute(logs: Path, *steps: object, tasks: int = 1, workers: int = 1) -> list[dict]:
    """Run a pipeline and return what its stats say, step by step."""
    LocalPipelineExecutor(list(steps), tasks=tasks, workers=workers, logging_dir=str(logs)).run()
    return [step["stats"] for step in json.loads((logs / "stats.json").read_text())]


def rows(folder: Path) -> list[dict]:
    return [orjson.loads(line) for path in sorted(folder.iterdir()) for line in lines_of(path) if line]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_whole_pipeline(workers: int, tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.zst", "c.jsonl"):
        shard(tmp_path / "in" / name, ALL)
    stats = execute(
        tmp_path / "logs",
        DecontamReader(str(tmp_path / "in"), add_file_path=False),
        Decontam(quarantine=str(tmp_path / "q"), exclusion_writer=JsonlWriter(str(tmp_path / "removed"), compression=None)),
        DecontamWriter(str(tmp_path / "out")),
        tasks=2,
        workers=workers,
    )

    kept = rows(tmp_path / "out")
    assert [HUMAN["text"], MASKED, "aws_access_key_id = <SECRET>\n"] * 3 == [row["text"] for row in kept]
    assert ["kept", "redacted", "redacted"] * 3 == [row["metadata"]["decontam"]["outcome"] for row in kept]
    assert {"signatures_api_id"} == {row["metadata"]["filter_reason"] for row in rows(tmp_path / "removed")}
    assert 6 == len(rows(tmp_path / "removed"))

    told = {key: value for key, value in stats[1].items() if not key.startswith(("seconds_", "doc_len"))}
    assert {
        "total": 15, "forwarded": 9, "dropped": 6, "dropped_signatures_api_id": 6, "quarantined": 6,
        "redacted": 6, "redacted_pii_email": 3, "redacted_secrets_secret": 3,
    } == told  # fmt: skip
    assert {"seconds_signatures", "seconds_secrets", "seconds_pii"} <= stats[1].keys()

    tally = books(str(tmp_path / "q"))
    assert (15, {"kept": 3, "redacted": 6, "quarantined": 6}) == (tally.records, dict(tally.outcomes))
    held = [row for path in sorted((tmp_path / "q").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    assert [True, False] * 3 == [row["exact"] for row in held]
    assert [API, {**BOTH, "text": f"{API['text']} and <SECRET>"}] * 3 == [orjson.loads(row["record"]) for row in held]
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "q").glob("*.parquet")}


def test_the_verdicts_and_the_counts_are_those_of_a_run(screen_files: Callable, tmp_path: Path) -> None:
    given = [*ALL, {"text": ""}, {"text": PERSON, "id": 7, "n": {"deep": [1]}}, {"text": "x", "model": "gpt-4o"}, {"text": "\ud800"}]
    path = shard(tmp_path / "in/a.jsonl", [json.dumps(row).encode() for row in given])
    report = screen_files(path)
    execute(
        tmp_path / "logs",
        DecontamReader(str(tmp_path / "in"), add_file_path=False),
        Decontam(quarantine=str(tmp_path / "q")),
        DecontamWriter(str(tmp_path / "kept"), "${rank}.jsonl", expand_metadata=True),
    )
    ours, run = books(str(tmp_path / "q")).to_dict(), report["tally"]
    held, found = (pq.read_table(path).to_pylist() for path in (tmp_path / "q/00000.parquet", tmp_path / "out/quarantine/a.jsonl.parquet"))

    for name in ("bytes", "sizes", "lengths"):  # a line is longer than its text
        del ours[name], run[name]
    assert run == ours
    assert [(row["findings"], row["action"], row["row"]) for row in found] == [(row["findings"], row["action"], row["row"]) for row in held]
    kept = [json.loads(line) for line in lines_of(tmp_path / "kept/00000.jsonl")[:-1]]
    expected = [json.loads(line) for line in lines_of(tmp_path / "out/kept/a.jsonl")[:-1]]
    assert [row["text"] for row in expected] == [row["text"] for row in kept]
    assert [row.get("n") for row in expected] == [row.get("n") for row in kept]
    assert [row["id"] for row in expected if "id" in row] == [row["id"] for row in kept if "/" not in str(row["id"])]


def test_what_stays_as_it_was_is_the_very_document() -> None:
    human = document({**HUMAN, "n": [1]})
    (kept,) = Decontam().run(iter([human]))

    assert kept is human
    assert (HUMAN["text"], "h", [1]) == (kept.text, kept.id, kept.metadata["n"])


def test_evidence_has_the_same_keys_and_types_for_every_document() -> None:
    evidence = [kept.metadata["decontam"] for kept in screened(Decontam(), HUMAN, MAIL, SECRET)]

    assert {("outcome", "reason", "findings", "scores")} == {tuple(each) for each in evidence}
    assert {str} == {type(value) for each in evidence for value in each.values()}
    assert ["", "pii_email", "secrets_secret"] == [each["reason"] for each in evidence]
    assert PERSON not in json.dumps(evidence)
    assert (9, 47) == tuple(json.loads(evidence[1]["findings"])[0][key] for key in ("start", "end"))


def test_evidence_survives_the_parquet_writer_which_knows_the_first_document_only(tmp_path: Path) -> None:
    shard(tmp_path / "in/a.jsonl", [HUMAN, MAIL, SECRET])
    execute(tmp_path / "logs", DecontamReader(str(tmp_path / "in")), Decontam(), ParquetWriter(str(tmp_path / "out"), batch_size=2))
    table = pq.read_table(tmp_path / "out/000_00000.parquet").to_pylist()

    assert ["kept", "redacted", "redacted"] == [row["metadata"]["decontam"]["outcome"] for row in table]
    assert "pii" == json.loads(table[1]["metadata"]["decontam"]["findings"])[0]["stage"]


def test_texts_may_stand_in_metadata() -> None:
    turns = [{"role": "user", "content": "hello", "n": 1}, {"role": "assistant", "content": MAIL["text"]}]
    (kept,) = screened(Decontam("chat"), {"text": "", "id": "c", "messages": turns, "other": {"a": [None]}})

    assert [turns[0], turns[1] | {"content": MASKED}] == kept.metadata["messages"]
    assert ("", {"a": [None]}) == (kept.text, kept.metadata["other"])
    assert ["messages[1].content"] == [finding["field"] for finding in json.loads(kept.metadata["decontam"]["findings"])]


def test_what_made_a_document_counts_as_in_a_row() -> None:
    made = {"id": "m", "text": HUMAN["text"], "model": "gpt-4o"}

    assert "quarantined" == decontam.load("chat").screen(made).outcome
    assert [] == screened(Decontam("chat"), made)


@pytest.mark.parametrize("key", ["content", "messages[*].content", ["prompt", "answer"]])
def test_the_text_of_a_document_is_always_looked_at(key: object) -> None:
    config = load_config(None, {"input": {"text_key": key}})

    assert [MASKED] == [kept.text for kept in screened(Decontam(config), MAIL)]


def test_a_key_of_the_metadata_may_be_called_as_ours() -> None:
    (kept,) = Decontam().run(iter([Document(MAIL["text"], "id", metadata={"text": "other", "id": 5})]))

    assert (MASKED, "id", "other", 5) == (kept.text, kept.id, kept.metadata["text"], kept.metadata["id"])


def test_a_step_for_each_kind(tmp_path: Path) -> None:
    q = str(tmp_path / "q")
    shard(tmp_path / "in/a.jsonl", ALL)
    stats = execute(tmp_path / "logs", DecontamReader(str(tmp_path / "in")), Signatures(quarantine=q), Secrets(books=q), Pii(books=q))

    assert [5, 3, 3] == [step["total"] for step in stats[1:]]
    assert {"dropped_signatures_api_id": 2} == {key: value for key, value in stats[1].items() if key.startswith("dropped_")}
    assert [1, 1] == [stats[2]["redacted_secrets_secret"], stats[3]["redacted_pii_email"]]
    assert [2, 0, 0] == [books(q, only).outcomes["quarantined"] for only in ("signatures", "secrets", "pii")]
    with pytest.raises(BooksError, match="no tallies"):
        books(q)
    with pytest.raises(ConfigError, match="did you mean 'secrets'"):
        Decontam(only="secret")


@pytest.mark.parametrize(
    ("row", "config", "held"),
    [
        (BOTH, {"quarantine": {"secrets": "keep"}}, BOTH["text"]),
        (BOTH, {}, f"{API['text']} and <SECRET>"),
        (API, {"quarantine": {"original": "drop"}}, ""),
        (API, {"policy": {"actions": [{"rule": "signatures/*", "action": "drop"}]}}, ""),
    ],
)
def test_an_exclusion_writer_gets_what_quarantine_gets(row: dict, config: dict, held: str, tmp_path: Path) -> None:
    step = Decontam(load_config(None, config), str(tmp_path / "q"), DecontamWriter(str(tmp_path / "removed"), "${rank}.jsonl"))
    screened(step, row)
    (removed,) = rows(tmp_path / "removed")
    (table,) = pq.read_table(tmp_path / "q/00000.parquet").to_pylist()

    assert held == removed["text"] == (orjson.loads(table["record"])["text"] if table["record"] else "")
    assert "signatures_api_id" == removed["metadata"]["filter_reason"] == removed["metadata"]["decontam"]["reason"]


def test_a_document_that_cannot_be_screened_is_counted_and_kept_apart(tmp_path: Path) -> None:
    step = Decontam(quarantine=str(tmp_path / "q"))
    list(step.run(iter([Document(None, "x", metadata={"a": "\ud800", "b": b"\xff"}), document(HUMAN)])))  # type: ignore[arg-type]
    (error,) = map(json.loads, (tmp_path / "q/errors/00000.jsonl").read_text().splitlines())

    assert ("not_text", 0) == (error["reason"], error["row"])
    assert {"a": "\ud800", "b": "/w==", "text": None, "id": "x"} == json.loads(error["raw"])
    assert {"not_text": 1} == dict(books(str(tmp_path / "q")).errors)
    assert 1 == step.stats["dropped_error_not_text"].total


class Breaks:
    """Lets one rank fail behind some documents, once."""

    def __init__(self, rank: int, mark: Path) -> None:
        self.rank, self.mark = rank, mark

    def __call__(self, data: Iterable[Document], rank: int, world_size: int) -> Iterator[Document]:
        for number, each in enumerate(data):
            if number == 2 and rank == self.rank and not self.mark.exists():
                self.mark.touch()
                raise RuntimeError("a broken disk, say")
            yield each


def test_a_rank_that_failed_is_done_again_and_the_books_are_right(tmp_path: Path) -> None:
    for number in range(3):
        shard(tmp_path / f"in/{number}.jsonl", ALL)
    q = str(tmp_path / "q")
    steps = (
        DecontamReader(str(tmp_path / "in")),
        Decontam(quarantine=q),
        Breaks(1, tmp_path / "broken"),
        DecontamWriter(str(tmp_path / "out")),
    )
    with pytest.raises(RuntimeError):
        execute(tmp_path / "logs", *steps, tasks=3)
    there = sorted(path.name for folder in ("q", "out") for path in (tmp_path / folder).rglob("*") if path.is_file())

    assert ["00000.json", "00000.jsonl.zst", "00000.parquet"] == there
    with pytest.raises(BooksError, match="2 of 3 ranks are not finished: 1, 2"):
        books(q)

    again = execute(tmp_path / "logs", *steps, tasks=3)
    assert 10 == again[1]["total"]  # datatrove forgets what it did before
    assert (15, 3, 6, 6) == (books(q).records, *(books(q).outcomes[name] for name in ("kept", "redacted", "quarantined")))
    assert 9 == len(rows(tmp_path / "out"))


def test_what_a_killed_writer_left_goes_and_so_does_what_an_earlier_try_wrote(tmp_path: Path) -> None:
    q = tmp_path / "q"
    screened(Decontam(quarantine=str(q)), API)
    left, other = q / "tallies/.00000.json.77.decontam-part", q / ".00001.parquet.77.decontam-part"
    left.touch()
    other.touch()
    screened(Decontam(quarantine=str(q)), HUMAN)

    assert [other, q / "tallies/00000.json"] == sorted(path for path in q.rglob("*") if path.is_file())


def test_other_options_do_not_mix_with_what_is_there(tmp_path: Path) -> None:
    screened(Decontam(quarantine=str(tmp_path)), HUMAN)

    with pytest.raises(InputError, match="other options"):
        screened(Decontam("strict", quarantine=str(tmp_path)), HUMAN)
    assert 1 == books(str(tmp_path)).records


@pytest.mark.parametrize("option", ["quarantine", "books"])
def test_a_place_that_cannot_be_written_is_found_before_the_first_document(option: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    asked: list[int] = []
    documents = (asked.append(1) or document(HUMAN) for _ in range(1))

    with pytest.raises(InputError, match=f"{option}= "):
        list(Decontam(**{option: str(tmp_path / "file/q")}).run(documents))
    assert [] == asked


def test_it_travels_and_compiles_nothing_before_it_arrives() -> None:
    before = documents._chain.cache_info().misses
    step = Decontam(load_config(None, {"policy": {"placeholder": "<X>"}}), exclusion_writer=DecontamWriter("nowhere"))
    pipeline = [DecontamReader("nowhere"), step, DecontamWriter("nowhere")]  # as Slurm's executor.pik holds it
    there = [copy.deepcopy(pipeline)[1], dill.loads(dill.dumps(pipeline))[1]]

    assert before == documents._chain.cache_info().misses
    assert ["write to <X>, please"] * 2 == [screened(each, MAIL)[0].text for each in there]
    assert len(dill.dumps(there[0])) < 30_000  # also when it has compiled


def test_nothing_private_reaches_the_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    allowed = {"values": [PERSON], "reason": "a test", "by": "us", "expires": "2999-01-01"}
    shard(tmp_path / "in/a.jsonl", ALL)
    place = f"memory://{KEY}/vault"
    execute(
        tmp_path / "logs",
        DecontamReader(str(tmp_path / "in"), errors=place),
        Decontam(load_config(None, {"policy": {"allow": [allowed]}}), place, DecontamWriter(place), f"{place}/books"),
        DecontamWriter(f"{place}/out"),
    )
    told = b"".join(path.read_bytes() for path in (tmp_path / "logs").rglob("*") if path.is_file())

    assert '"config": "given"' in (tmp_path / "logs/executor.json").read_text()
    assert 5 == books(f"{place}/books").records
    assert KEY.encode() not in told
    assert PERSON.encode() not in told


def test_the_step_needs_nothing_but_datatrove_itself() -> None:
    code = (
        "import sys\n"
        "for name in ('warcio', 'zstandard', 'magic', 'cchardet', 'datasets', 'pandas', 'nltk', 'fasttext', 'trafilatura'):\n"
        "    sys.modules[name] = None\n"
        "from datatrove.data import Document\n"
        "from decontam.adapters.datatrove import Decontam\n"
        f"print(next(Decontam().run(iter([Document({MAIL['text']!r}, 'x')]))).text)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})

    assert MASKED == done.stdout.strip()


def test_a_config_may_be_given_as_a_file(tmp_path: Path, config: Config) -> None:
    (tmp_path / "c.yaml").write_text("policy: {placeholder: '[{kind}]'}")

    assert "write to [EMAIL], please" == screened(Decontam(str(tmp_path / "c.yaml")), MAIL)[0].text
    assert MASKED == screened(Decontam(config), MAIL)[0].text


def test_no_documents_make_a_tally_too(tmp_path: Path) -> None:
    assert [] == list(Decontam(books=str(tmp_path)).run(None))
    assert Tally() == books(str(tmp_path))
