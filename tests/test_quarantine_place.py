"""Quarantine in a place of its own, which others may use too: theirs is never touched, and ours does not outlive its run."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from decontam.config import Config, load_config
from decontam.errors import ConfigError, InputError
from decontam.inputs import discover

from .conftest import shard
from .test_cli import decontam
from .test_run import API, HUMAN, tree

THEIRS = ("b.jsonl.parquet", "a.jsonl.parquet.bak", "a.jsonl", "deep/a.jsonl.parquet", ".b.jsonl.parquet.7-0.decontam-part")


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """A place that others use."""
    for name in THEIRS:
        (tmp_path / "vault" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "vault" / name).write_text("theirs")
    return tmp_path / "vault"


def to(place: Path | None, **output: str) -> Config:
    return load_config(None, {"output": {"quarantine": str(place) if place else None, **output}})


def theirs(vault: Path) -> bool:
    return all((vault / name).read_text() == "theirs" for name in THEIRS)


def test_it_is_the_same_table_for_its_owner_alone(screen_files: Callable, tmp_path: Path) -> None:
    path = shard(tmp_path / "in/deep/a.jsonl", [HUMAN, API]).parents[1]
    screen_files(path, out=tmp_path / "beside")
    screen_files(path, config=to(tmp_path / "new/vault"))
    name = "deep/a.jsonl.parquet"

    assert (tmp_path / "beside/quarantine" / name).read_bytes() == (tmp_path / "new/vault" / name).read_bytes()
    assert {name} == tree(tmp_path / "new/vault").keys()
    assert not (tmp_path / "out/quarantine").exists()
    assert 0o600 == stat.S_IMODE((tmp_path / "new/vault" / name).stat().st_mode)
    assert {0o700} == {stat.S_IMODE((tmp_path / "new/vault" / folder).stat().st_mode) for folder in (".", "deep")}


def test_a_folder_that_was_there_keeps_its_mode(screen_files: Callable, vault: Path, tmp_path: Path) -> None:
    vault.chmod(0o750)
    screen_files(shard(tmp_path / "in/a.jsonl", [API]), config=to(vault))

    assert 0o750 == stat.S_IMODE(vault.stat().st_mode)
    assert 0o600 == stat.S_IMODE((vault / "a.jsonl.parquet").stat().st_mode)


def test_a_shard_that_is_done_again_replaces_its_own_table_alone(screen_files: Callable, vault: Path, tmp_path: Path) -> None:
    path = shard(tmp_path / "in/a.jsonl", [API])
    screen_files(path, config=to(vault))
    (vault / ".a.jsonl.parquet.99-1.decontam-part").touch()
    shard(path, [HUMAN])
    os.utime(path, (1, 1))
    screen_files(path, config=to(vault))

    assert set(THEIRS) == tree(vault).keys()
    assert theirs(vault)


@pytest.mark.parametrize("again", ["same", "beside", "another"])
def test_overwriting_takes_the_earlier_tables_along(again: str, screen_files: Callable, vault: Path, tmp_path: Path) -> None:
    place = {"same": vault, "beside": None, "another": tmp_path / "another"}[again]
    first, second = (shard(tmp_path / f"in/{name}.jsonl", [API]) for name in ("a", "c"))
    screen_files(first, second, config=to(vault))
    screen_files(first, config=to(place, kept="none"), overwrite=True)
    there = place or tmp_path / "out/quarantine"

    assert theirs(vault)
    assert {*THEIRS, *(["a.jsonl.parquet"] if again == "same" else [])} == tree(vault).keys()
    assert (there / "a.jsonl.parquet").exists()


@pytest.mark.parametrize("earlier", ["nothing", "a run beside", "a run of other shards"])
def test_a_table_that_is_there_already_is_somebody_elses(earlier: str, screen_files: Callable, vault: Path, tmp_path: Path) -> None:
    path, other = shard(tmp_path / "in/b.jsonl", [API]), shard(tmp_path / "in/d.jsonl", [API])
    if earlier != "nothing":
        screen_files(other, config=to(vault if "shards" in earlier else None))
    overwrite = earlier == "a run beside"
    with pytest.raises(InputError, match=r"vault/b\.jsonl\.parquet is there already and not from this run"):
        screen_files(path, other, config=to(vault), overwrite=overwrite)

    assert theirs(vault)
    assert {"nothing": set(), "a run beside": {"kept", "quarantine"}}.get(earlier, {"kept"}) >= {
        path.name for path in (tmp_path / "out").glob("[kq]*")
    }
    if overwrite:
        assert (tmp_path / "out/quarantine/d.jsonl.parquet").exists()


def test_it_lies_apart_from_inputs_and_output(tmp_path: Path) -> None:
    data, out = shard(tmp_path / "data/a.jsonl", [HUMAN]).parent, tmp_path / "out"
    for place in (data, data / "q", tmp_path):
        with pytest.raises(InputError, match="--quarantine"):
            discover([str(data)], str(out), str(place))
    for place in (out, out / "q", out / "quarantine"):
        with pytest.raises(InputError, match="lie inside each other"):
            discover([str(data)], str(out), str(place))

    assert discover([str(data)], str(out), str(tmp_path / "data-q"))[0]


def test_a_place_that_cannot_be_written_is_said_before_anything_is_screened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = shard(tmp_path / "in/a.jsonl", [API])
    done = decontam("run", path, "--out", tmp_path / "out", "--quarantine", tmp_path / "file", "--workers", 0)

    assert (2, f"decontam: --quarantine {tmp_path}/file: cannot be written: file exists\n") == (done.returncode, done.stderr)
    assert {".lock"} >= {path.name for path in (tmp_path / "out").iterdir()}


def test_a_relative_place_is_below_the_folder_where_it_was_named(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("output: {quarantine: vault}")
    path = shard(tmp_path / "in/a.jsonl", [API])
    decontam("run", path, "--out", tmp_path / "out", "--config", tmp_path / "c.yaml", "--workers", 0)

    assert f"{tmp_path}/vault" == load_config(tmp_path / "c.yaml").output.quarantine
    assert (tmp_path / "vault/a.jsonl.parquet").exists()
    with pytest.raises(ConfigError, match=r"output\.quarantine"):
        load_config(None, {"output": {"quarantine": 5}})
