"""Slurm, for real: one node, arrays, a task that is killed."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from decontam.audit.verify import verify
from tests.test_run import TOLERANT
from tests.test_shares import as_one

from .corpora import alone, expected, from_datatrove, in_the_middle, slow, spread
from .engines import ROOT, ran, started, until
from .slurm import slurm

pytestmark = pytest.mark.cluster
OPTIONS = ("--executor-option", "partition=cpu", "--executor-option", "mem_per_cpu_gb=1")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with slurm(tmp_path_factory.mktemp("slurm")) as env:
        yield {**env, "PYTHONPATH": str(ROOT)}


def command(source: Path, out: Path, *more: object) -> list[str]:
    return [
        sys.executable,
        "-m",
        "decontam",
        "run",
        *map(str, (source, "--out", out, "--executor", "slurm", "--parts", 3, *OPTIONS, *more)),
    ]


def test_an_array_of_parts_comes_to_one_run(cluster: dict[str, str], tmp_path: Path) -> None:
    source = spread("default", tmp_path / "in")
    ran(*command(source, tmp_path / "out"), env=cluster)
    alone(source, tmp_path / "alone", "default")
    stats = tmp_path / "out/shares/datatrove/stats.json"
    until(stats.exists, "datatrove's merged statistics")

    assert as_one(tmp_path / "alone") == as_one(tmp_path / "out")
    assert verify(str(tmp_path / "out")).ok
    report = json.loads((tmp_path / "out/report.json").read_bytes())
    (step,) = json.loads(stats.read_text())
    assert report["tally"]["records"] == step["stats"]["records"]["total"]
    assert b"decontam_balanced 1.0" in (tmp_path / "out/metrics.prom").read_bytes()


def test_a_task_that_is_killed_is_named_and_the_same_command_finishes(cluster: dict[str, str], tmp_path: Path) -> None:
    source, out = slow(tmp_path / "in"), tmp_path / "out"
    (tmp_path / "c.json").write_text(json.dumps(TOLERANT))
    options = ["--config", tmp_path / "c.json", "--stall", 60]
    with started(*command(source, out, *options), env=cluster) as process:
        victim = in_the_middle(out, source, 3, process)
        os.kill(victim["process"], signal.SIGKILL)
        _, told = process.communicate(timeout=200)

    assert 1 == process.returncode, told
    assert f"1 of 3 parts are not through: {victim['part']} began at" in told
    ran(*command(source, out, *options), env=cluster)
    alone(source, tmp_path / "alone", None, TOLERANT)
    assert as_one(tmp_path / "alone") == as_one(out)
    assert verify(str(out)).ok


def test_an_array_without_datatrove(cluster: dict[str, str], tmp_path: Path) -> None:
    """As README tells it: sbatch, an array of parts, and a job behind it that finishes."""
    source, out = spread("default", tmp_path / "in"), tmp_path / "out"
    part = f"{sys.executable} -m decontam run {source} --out {out} --workers 1 --part $SLURM_ARRAY_TASK_ID/3"
    array = ran("sbatch", "--parsable", "--array=1-3", f"--output={tmp_path}/%a.log", "--wrap", part, env=cluster).stdout.strip()
    finish = f"{sys.executable} -m decontam finish {out}"
    ran("sbatch", "--wait", f"--dependency=afterok:{array}", f"--output={tmp_path}/finish.log", "--wrap", finish, env=cluster)
    alone(source, tmp_path / "alone", "default")

    assert as_one(tmp_path / "alone") == as_one(out)


def test_a_pipeline_says_what_the_command_says(cluster: dict[str, str], tmp_path: Path) -> None:
    told = expected("chat", tmp_path)
    given = ["slurm", tmp_path / "in", tmp_path / "out", 3, "partition=cpu", "mem_per_cpu_gb=1"]
    ran(sys.executable, ROOT / "pipelines/datatrove_cluster.py", *given, env={**cluster, "CONFIG": "chat"})

    assert told == from_datatrove(tmp_path / "out", "chat")
