"""Since: new rules over what an earlier run kept come to what all rules come to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from decontam import finished
from decontam.audit.verify import verify
from decontam.config import Config, load_config
from decontam.errors import InputError
from decontam.scan import Scanner

from .conftest import shard
from .test_cli import decontam
from .test_run import API, HUMAN, MAIL, MIXED, TOLERANT, tree
from .test_simulate import small, texts


def corpus(root: Path) -> Path:
    records: list = [{"id": str(number), "text": text} for number, text in enumerate(texts())]
    records[10:10] = [b"", b"{no json", b"   "]
    shard(root / "in/a.jsonl.gz", records[:150])
    shard(root / "in/deep/b.jsonl", records[150:])
    texts_only = [record for record in records[:200] if isinstance(record, dict)]
    pq.write_table(pa.Table.from_pylist(texts_only), root / "in/c.parquet", row_group_size=50)
    return root / "in"


def without(*rules: str, **more: object) -> Config:
    """All rules but some of each stage."""
    return small(None, {**TOLERANT, "stages": {stage: {"disable": list(rules)} for stage in ("signatures", "secrets", "pii")}, **more})


def told(out: Path) -> dict:
    """All that a run wrote but what names its input, its options and its parent."""
    return {name: data for name, data in tree(out).items() if not name.startswith(("manifest", "tallies"))}


SOME = ("anthropic.*", "refusal.*", "email.*", "phone.*", "*.token*", "card.*")


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from decontam.inputs import discover
    from decontam.run import Job, run

    root = tmp_path_factory.mktemp("since")
    shards, _ = discover([str(corpus(root))])
    run(Job(config=without(*SOME), shards=shards, out=str(root / "out")))
    return root / "out"


@pytest.mark.parametrize(
    "config",
    [
        without(),
        without("bedrock.*", "iban*"),
        without(policy={"redaction": "mask", "embedded": []}),
        small("strict", TOLERANT),
        small(None, {**TOLERANT, "stages": {"pii": {"enabled": False}}}),
    ],
    ids=["more", "fewer and more", "other policy", "strict", "a stage less"],
)
def test_it_comes_to_what_all_rules_come_to(config: Config, parent: Path, screen_files: Callable, tmp_path: Path) -> None:
    for name, options in (("since", {"since": str(parent)}), ("whole", {})):
        screen_files(parent / "kept", config=config, out=tmp_path / name, **options)

    assert told(tmp_path / "whole") == told(tmp_path / "since")
    about = finished.opened(str(tmp_path / "since")).about
    assert {"out": str(parent), "run": json.loads((parent / "proof/proof.json").read_bytes())["run"]} == about["parent"]
    assert verify(str(tmp_path / "since")).ok


def test_a_stage_that_was_off_is_looked_at_whole(screen_files: Callable, tmp_path: Path) -> None:
    source = corpus(tmp_path)
    screen_files(source, config=small(None, {**TOLERANT, "stages": {"pii": {"enabled": False}}}), out=tmp_path / "out")
    for name, options in (("since", {"since": str(tmp_path / "out"), "workers": 2}), ("whole", {})):
        screen_files(tmp_path / "out/kept", config=without(), out=tmp_path / name, **options)

    assert told(tmp_path / "whole") == told(tmp_path / "since")


def test_only_new_rules_run_where_nothing_new_is_found(screen_files: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen_files(
        shard(tmp_path / "in/a.jsonl", [HUMAN, {"text": "It said: As an AI language model, I cannot."}, API] * 5), config=without("phone.*")
    )
    looked: dict[int, int] = {}
    real = Scanner.find

    def counted(scanner: Scanner, view: object) -> object:
        looked[len(scanner.rules)] = looked.get(len(scanner.rules), 0) + 1
        return real(scanner, view)

    monkeypatch.setattr(Scanner, "find", counted)
    screen_files(tmp_path / "out/kept", config=without(), out=tmp_path / "next", since=str(tmp_path / "out"))

    assert [15] == list(looked.values())
    assert max(looked) < 20


def test_the_same_rules_find_nothing_new(parent: Path, screen_files: Callable, tmp_path: Path) -> None:
    report = screen_files(parent / "kept", config=without(*SOME), out=tmp_path / "next", since=str(parent))

    assert 0 == sum(report["tally"]["outcomes"].get(name, 0) for name in ("quarantined", "dropped", "errored"))


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (lambda out: (out / "report.json").write_bytes(b"{}"), "does not hold"),
        (lambda out: (out / "proof/proof.json").unlink(), "does not hold"),
        (lambda out: (out / "manifest.json").unlink(), "name the --out folder"),
    ],
)
def test_a_run_that_does_not_hold_is_not_gone_on_from(does: Callable, says: str, screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [HUMAN, API]))
    does(tmp_path / "out")
    with pytest.raises(InputError, match=says):
        screen_files(tmp_path / "out/kept", out=tmp_path / "next", since=str(tmp_path / "out"))

    assert not (tmp_path / "next").exists()


def test_a_kept_shard_that_was_changed_or_added_fails_by_name(screen_files: Callable, tmp_path: Path) -> None:
    shard(tmp_path / "in/b.jsonl", [HUMAN, MAIL])
    screen_files(shard(tmp_path / "in/a.jsonl", MIXED), tmp_path / "in/b.jsonl", config=load_config(None, TOLERANT))
    shard(tmp_path / "out/kept/a.jsonl", [HUMAN])
    shard(tmp_path / "out/kept/c.jsonl", [HUMAN])
    report = screen_files(tmp_path / "out/kept", config=load_config(None, TOLERANT), out=tmp_path / "next", since=str(tmp_path / "out"))

    assert {"a.jsonl", "c.jsonl"} == report["problems"].keys()
    assert ["b.jsonl"] == [path.name for path in (tmp_path / "next/kept").iterdir()]


def test_other_texts_than_before_are_refused(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [HUMAN, API]))
    with pytest.raises(InputError, match="input.screen is not what it was"):
        screen_files(
            tmp_path / "out/kept",
            out=tmp_path / "next",
            since=str(tmp_path / "out"),
            config=load_config(None, {"input": {"screen": "all-strings"}}),
        )


def test_the_command_takes_the_config_of_the_earlier_run(tmp_path: Path) -> None:
    shard(tmp_path / "in/a.jsonl", [{"body": text["text"]} for text in (HUMAN, API, MAIL)])
    first = decontam(
        "run", tmp_path / "in", "--out", tmp_path / "out", "--text-key", "body", "--quarantine", tmp_path / "vault", "--workers", 0
    )
    second = decontam("run", "--since", tmp_path / "out", "--out", tmp_path / "next", "--workers", 0)
    both = decontam("run", tmp_path / "in", "--since", tmp_path / "out", "--out", tmp_path / "x", "--workers", 0)

    assert (0, 0, 2) == (first.returncode, second.returncode, both.returncode), second.stderr
    assert "2 records: kept 2" in second.stdout
    assert "other code" not in second.stderr
    assert "name no other inputs" in both.stderr
