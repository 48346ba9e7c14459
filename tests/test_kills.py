"""kill -9 at any moment, of the run or of its workers: the same command finishes, with the output of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import shard
from .test_parquet import table_of, written
from .test_run import API, HUMAN, MAIL, MIXED, tree

KILLS = int(os.environ.get("DECONTAM_KILLS", "40"))  # 200 take nine minutes on two cores


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "decontam", "run", *map(str, arguments)]


def children(pid: int) -> list[int]:
    """The processes that a process has started, by the kernel's own list."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def corpus(folder: Path) -> Path:
    """Small shards, and two that are large enough to be screened in parts under PARTS."""
    for number in range(20):
        suffix = ["", ".gz", ".zst"][number % 3]
        shard(folder / f"{number:02}.jsonl{suffix}", [*MIXED[:6], HUMAN, MAIL, API] * 40)
    shard(folder / "large.jsonl", [*MIXED[:6], HUMAN, MAIL, API] * 400)
    written(table_of([HUMAN, MAIL, API, HUMAN] * 300), folder / "large.parquet", row_group_size=40)
    return folder


PARTS = "output: {checkpoint_bytes: 30000}"


def kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["run", "worker"])
def test_any_number_of_kills_at_any_moment(victim: str, tmp_path: Path) -> None:
    """Half of KILLS for each kind of victim; a run that got through starts over with an empty folder."""
    draw = random.Random(victim)
    data = corpus(tmp_path / "data")
    (tmp_path / "c.yaml").write_text(PARTS)
    always = ["--workers", 2, "--config", tmp_path / "c.yaml"]
    started = time.perf_counter()
    subprocess.run(command(data, "--out", tmp_path / "calm", *always), check=True, capture_output=True)
    whole = time.perf_counter() - started
    calm = tree(tmp_path / "calm")
    killed = rounds = 0
    out = tmp_path / "out"
    while killed < KILLS // 2:
        again = [data, "--out", out, *always]
        first = [*again, "--overwrite"] if rounds else again
        for attempt in range(KILLS):
            process = subprocess.Popen(command(*(again if attempt else first)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # While it starts, works or ends: how long each takes depends on the machine.
            time.sleep(draw.random() * whole)
            while victim == "worker" and process.poll() is None and not children(process.pid):
                time.sleep(0.05)
            targets = [process.pid] if victim == "run" else children(process.pid)
            killed += kill(draw.choice(targets)) if targets and process.poll() is None else 0
            if process.wait(timeout=120) == 0 or killed >= KILLS // 2:
                break
        subprocess.run(command(*again), check=True, capture_output=True, timeout=120)
        rounds += 1

        assert calm == tree(out)
        assert not list(out.rglob("*decontam-part*"))
    print(f"kills survived: {killed} ({victim}), {rounds} runs completed; records lost 0, doubled 0")


@pytest.mark.parametrize(
    ("begun", "left"),
    [
        (False, ".manifest.json.71-1.decontam-part"),
        (True, ".manifest.json.71-1.decontam-part"),
        (True, "tallies/.a.jsonl.json.71-2.decontam-part"),
        (True, "tallies/.gone.jsonl.json.71-3.decontam-part"),
        (True, "kept/.a.jsonl.71-4.decontam-part"),
    ],
)
def test_what_a_kill_leaves_of_a_file_is_nobodys_output(begun: bool, left: str, screen_files: Callable, tmp_path: Path) -> None:
    path, out = shard(tmp_path / "in/a.jsonl", [HUMAN, MAIL]), tmp_path / "out"
    if begun:
        screen_files(path)
        (out / "tallies/a.jsonl.json").unlink()
    (out / left).parent.mkdir(parents=True, exist_ok=True)
    (out / left).write_bytes(b"{")
    told = screen_files(path)

    assert (True, {}) == (told["balanced"], told["problems"])
    assert (out / "tallies/a.jsonl.json").exists()


STAGE = """
import os, signal
class Poison:
    name = "poison"
    @classmethod
    def load(cls, options, scanner): return cls()
    def inspect(self, view):
        if "poison" in view.text:
            os.kill(os.getpid(), signal.SIGKILL)
        return ()
"""


def test_a_shard_that_kills_its_worker_twice_is_named_and_the_others_finish(tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "poison-1.0.dist-info").mkdir(parents=True)
    (package / "poison.py").write_text(STAGE)
    (package / "poison-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: poison\nVersion: 1.0\n")
    (package / "poison-1.0.dist-info/entry_points.txt").write_text("[decontam.stages]\npoison = poison:Poison\n")
    (tmp_path / "c.yaml").write_text("stages: {poison: {enabled: true}}")
    for number in range(6):
        shard(tmp_path / f"data/{number}.jsonl", [HUMAN, MAIL])
    shard(tmp_path / "data/bad.jsonl", [HUMAN, {"id": "p", "text": "poison"}, HUMAN])
    arguments = command(tmp_path / "data", "--out", tmp_path / "out", "--workers", 2, "--config", tmp_path / "c.yaml")
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(package)})

    assert 1 == done.returncode
    assert "failed: bad.jsonl" in done.stderr
    assert "killed its worker twice" in done.stderr
    assert {f"{number}.jsonl" for number in range(6)} == {path.name for path in (tmp_path / "out/kept").iterdir()}


def test_workers_do_not_outlive_the_run(tmp_path: Path) -> None:
    process = subprocess.Popen(command(corpus(tmp_path / "data"), "--out", tmp_path / "out", "--workers", 2), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (workers := children(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.01)
    kill(process.pid)
    process.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert workers
    assert [] == [pid for pid in workers if Path(f"/proc/{pid}").exists()]
