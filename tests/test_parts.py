"""A large shard is screened in parts: with the output of one that is not, and without losing what is finished."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decontam import screening
from decontam.chain import Chain
from decontam.config import load_config
from decontam.types import Record, Verdict

from .conftest import COMPRESS, run_over, shard
from .test_nothing_lost import lines
from .test_parquet import table_of, written
from .test_run import API, BAD, HUMAN, MAIL, SECRET, tree

MIXED = [HUMAN, API, MAIL, HUMAN, SECRET, HUMAN] * 30


def parted(checkpoint: int, **output: object) -> dict:
    return {"input": {"max_error_rate": 1.0, "max_record_bytes": 4000}, "output": {"checkpoint_bytes": checkpoint, **output}}


def content(out: Path) -> dict[str, bytes]:
    """What a run wrote, but for what names its options."""
    return {name: data for name, data in tree(out).items() if not name.startswith(("tallies", "manifest"))}


@settings(max_examples=80)
@given(lines, st.sampled_from(sorted(COMPRESS)), st.booleans(), st.integers(1, 400), st.sampled_from(["all", "changed", "none"]))
def test_parts_never_show_in_the_output(given: list[bytes], codec: str, newline: bool, checkpoint: int, mode: str) -> None:
    data = COMPRESS[codec](b"\n".join(given) + (b"\n" if newline and given else b""))

    def write(folder: Path) -> Path:
        (folder / f"a.jsonl{codec}").write_bytes(data)
        return folder

    with (
        run_over(write, load_config(None, parted(10**9, kept=mode))) as (report, out),
        run_over(write, load_config(None, parted(checkpoint, kept=mode))) as (report_parted, out_parted),
    ):
        if report is None:
            assert report_parted is None
            return
        assert report["tally"] == report_parted["tally"]
        assert content(out) == content(out_parted)


def interrupted(monkeypatch: pytest.MonkeyPatch, after: int) -> list[str]:
    """The chain gives up after so many records, as if the machine had; the ids of all that it was asked about."""
    asked: list[str] = []
    original = Chain.screen

    def screen(self: Chain, record: Record) -> Verdict:
        if len(asked) == after:
            raise KeyboardInterrupt
        asked.append(record.id)
        return original(self, record)

    monkeypatch.setattr(screening.Chain, "screen", screen)
    return asked


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst", "a.parquet"])
def test_an_interrupted_shard_goes_on_where_it_was(
    name: str, screen_files: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [record | {"id": f"{number}"} for number, record in enumerate(MIXED)]
    if name.endswith(".parquet"):
        path = written(table_of(records), tmp_path / "in" / name, row_group_size=10)
    else:
        path = shard(tmp_path / "in" / name, [*records, *BAD])
    config = load_config(None, parted(700))
    screen_files(path, out=tmp_path / "calm", config=config)
    with monkeypatch.context() as patch:
        asked = interrupted(patch, 100)
        with pytest.raises(KeyboardInterrupt):
            screen_files(path, config=config)
    assert 100 == len(asked)
    assert list((tmp_path / "out/parts" / name).iterdir())
    asked = interrupted(monkeypatch, -1)
    screen_files(path, config=config)

    assert 0 < len(asked) < 100
    assert tree(tmp_path / "calm") == tree(tmp_path / "out")
    assert not (tmp_path / "out/parts").exists()
    assert not (tmp_path / "out/quarantine/.parts").exists()


def test_parts_of_a_shard_that_has_changed_since_are_not_used(
    screen_files: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(None, parted(2000))
    path = shard(tmp_path / "in/a.jsonl", MIXED)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupted(patch, 100)
        screen_files(path, config=config)
    shard(path, [HUMAN, *MIXED[:90]])
    screen_files(path, config=config)
    screen_files(path, out=tmp_path / "calm", config=config)

    assert tree(tmp_path / "calm") == tree(tmp_path / "out")


def test_a_large_row_group_is_one_part(screen_files: Callable, tmp_path: Path) -> None:
    table = table_of(MIXED)
    whole = screen_files(written(table, tmp_path / "in/a.parquet", row_group_size=1000), config=load_config(None, parted(100)))

    assert isinstance(table, pa.Table)
    assert len(MIXED) == whole["tally"]["records"]
