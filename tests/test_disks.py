"""Full and read-only disks, real ones: what cannot be written is named, nothing is half there, and the same command finishes later.

A limit on the size of files stands for a full disk where nothing may be mounted; it needs no rights. Where this process may
mount, a small tmpfs is filled as well.
"""

from __future__ import annotations

import ctypes
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import shard
from .test_run import API, HUMAN, MAIL, tree

_NOISE = random.Random("disks")
LARGE = [{"text": f"Plain words {_NOISE.randbytes(400).hex()}"} for _ in range(1500)]  # 1.3 MB


def run(data: Path, out: Path, *options: object, limits: Callable[[], None] | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "decontam", "run", str(data), "--out", str(out), "--workers", "2", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limits, env={**os.environ, **env})


def small_files() -> None:
    """No file may grow beyond 300 kB; a write that would make it larger fails."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


def permissions_count() -> None:
    """For root, too: gives up the rights to pass over the permissions of files. Others have none to give up."""
    for right in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP


def tmpfs(folder: Path, size: str, *how: str) -> bool:
    folder.mkdir(exist_ok=True)
    given = ["mount", "-t", "tmpfs", "-o", ",".join([*how, f"size={size}"]), "tmpfs", str(folder)]
    return subprocess.run(given, capture_output=True, check=False).returncode == 0


def _may_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        if mounted := tmpfs(Path(folder), "64k"):
            subprocess.run(["umount", folder], check=True)
        return mounted


MOUNTS = ["tmpfs"] if sys.platform == "linux" and _may_mount() else []


class Disk:
    """A disk with little room: options for the command, and what makes room."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.limits = small_files if kind == "limit" else None
        if kind == "tmpfs":
            tmpfs(folder, "600k")
        folder.mkdir(exist_ok=True)

    def make_room(self) -> None:
        if self.kind == "tmpfs":
            tmpfs(self.folder, "50m", "remount")
        self.limits = None


@pytest.fixture(params=["limit", *MOUNTS])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    made = Disk(request.param, tmp_path / "disk")
    yield made
    if made.kind == "tmpfs":
        subprocess.run(["umount", str(made.folder)], check=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    shard(tmp_path / "in/large.jsonl", [HUMAN, API, *LARGE, MAIL])
    shard(tmp_path / "in/large.jsonl.gz", [API, *LARGE, MAIL])
    for number in range(5):
        shard(tmp_path / f"in/small{number}.jsonl", [HUMAN, API, MAIL])
    return tmp_path / "in"


def test_a_full_disk_names_what_did_not_fit_and_the_same_command_finishes_later(data: Path, disk: Disk, tmp_path: Path) -> None:
    assert 0 == run(data, tmp_path / "calm").returncode
    calm = tree(tmp_path / "calm")
    full = run(data, disk.folder / "out", limits=disk.limits)
    there = list((disk.folder / "out/kept").iterdir())

    assert 1 == full.returncode
    for name in ("large.jsonl", "large.jsonl.gz"):
        assert f"failed: {name}: {data / name}: cannot write {disk.folder}/out/kept/{name}: " in full.stderr
    assert ("no space left on device" if disk.kind == "tmpfs" else "file too large") in full.stderr
    assert "make room or give access, and run the same command again" in full.stderr
    failed = {line.split(": ")[1] for line in full.stderr.splitlines() if line.startswith("failed: ")}
    assert {path.name for path in data.iterdir()} == failed | {path.name for path in there}
    assert not failed & {path.name for path in there}
    assert not list((disk.folder / "out").rglob("*decontam-part*"))
    for path in there:
        assert calm[f"kept/{path.name}"] == path.read_bytes()

    disk.make_room()
    later = run(data, disk.folder / "out", limits=disk.limits)

    assert 0 == later.returncode, later.stderr
    assert calm == tree(disk.folder / "out")
    print(f"full disk ({disk.kind}): records lost 0, doubled 0")


def test_a_full_temporary_folder_is_named(disk: Disk, tmp_path: Path) -> None:
    """A line too long for memory goes by way of the temporary folder."""
    shard(tmp_path / "in/wide.jsonl", [HUMAN] * 20 + [{"text": "x" * 2_000_000}] + [HUMAN] * 20)
    shard(tmp_path / "in/other.jsonl", [HUMAN])
    (tmp_path / "c.yaml").write_text("input: {max_record_bytes: 100000}")
    options = ["--config", tmp_path / "c.yaml"]
    full = run(tmp_path / "in", tmp_path / "out", *options, limits=disk.limits, TMPDIR=str(disk.folder))

    assert 1 == full.returncode
    assert f"wide.jsonl: cannot write to the temporary folder {disk.folder} (TMPDIR sets another): " in full.stderr
    assert ["other.jsonl"] == [path.name for path in (tmp_path / "out/kept").iterdir()]
    disk.make_room()
    assert 0 == run(tmp_path / "in", tmp_path / "out", *options, limits=disk.limits, TMPDIR=str(disk.folder)).returncode
    assert 2_000_000 < (tmp_path / "out/errors/wide.jsonl.jsonl.row20").stat().st_size


@pytest.mark.parametrize("mount", MOUNTS)
def test_a_disk_without_any_room_says_so(mount: str, data: Path, tmp_path: Path) -> None:
    tmpfs(tmp_path / "disk", "8k")
    try:
        (tmp_path / "disk/fill").write_bytes(bytes(8192))
        full = run(data, tmp_path / "disk/out")
    finally:
        subprocess.run(["umount", str(tmp_path / "disk")], check=True)

    assert 2 == full.returncode
    assert f"decontam: --out {tmp_path}/disk/out: cannot " in full.stderr
    assert "o space left on device; make room or give access, and run the same command again" in full.stderr


def test_a_folder_that_may_not_be_written_to(data: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    refused = run(data, tmp_path / "closed/out", limits=permissions_count)

    assert refused.returncode in {1, 2}
    assert f"decontam: {tmp_path}/closed/out: " in refused.stderr
    assert "ermission denied" in refused.stderr
    assert [] == list((tmp_path / "closed").iterdir())


def test_a_folder_that_became_read_only_costs_its_shards_alone(data: Path, tmp_path: Path) -> None:
    shard(data / "deep/a.jsonl", [HUMAN])
    (tmp_path / "out/kept/deep").mkdir(parents=True)
    assert 0 == run(data, tmp_path / "out2").returncode
    (tmp_path / "out2/tallies/deep/a.jsonl.json").unlink()
    (tmp_path / "out2/kept/deep/a.jsonl").unlink()
    (tmp_path / "out2/kept/deep").chmod(0o555)
    shard(data / "late.jsonl", [HUMAN])
    refused = run(data, tmp_path / "out2", limits=permissions_count)
    (tmp_path / "out2/kept/deep").chmod(0o755)

    assert 1 == refused.returncode
    assert f"cannot write {tmp_path}/out2/kept/deep/a.jsonl: permission denied; make room or give access" in refused.stderr
    assert (tmp_path / "out2/kept/late.jsonl").exists()
    assert not (tmp_path / "out2/tallies/deep/a.jsonl.json").exists()
    assert 0 == run(data, tmp_path / "out2", limits=permissions_count).returncode


def test_a_shard_that_may_not_be_read_fails_alone(data: Path, tmp_path: Path) -> None:
    (data / "small1.jsonl").chmod(0)
    refused = run(data, tmp_path / "out", limits=permissions_count)

    assert 1 == refused.returncode
    assert f"failed: small1.jsonl: {data}/small1.jsonl: permission denied" in refused.stderr
    assert {path.name for path in data.iterdir()} - {"small1.jsonl"} == {path.name for path in (tmp_path / "out/kept").iterdir()}


def test_a_folder_that_may_not_be_listed_is_not_passed_over(data: Path, tmp_path: Path) -> None:
    shard(data / "closed/a.jsonl", [HUMAN])
    (data / "closed").chmod(0)
    refused = run(data, tmp_path / "out", limits=permissions_count)
    (data / "closed").chmod(0o755)

    assert 2 == refused.returncode
    assert f"{data}/closed: cannot be listed (permission denied)" in refused.stderr
    assert not (tmp_path / "out").exists()
