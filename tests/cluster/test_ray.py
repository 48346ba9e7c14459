"""Ray, for real: two raylets, actors and their processes killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from decontam.audit.verify import verify
from tests.test_run import TOLERANT
from tests.test_shares import as_one

from .corpora import alone, expected, from_datatrove, from_rows, in_the_middle, slow, spread
from .engines import ROOT, processes, python, ran, started, until

pytestmark = pytest.mark.cluster
OPTIONS = ("--executor-option", "mem_per_cpu_gb=0.5")


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """The environment in which programs find the cluster."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [python(), "-m", "tests.cluster.ray_nodes"], cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nodes:
        address = nodes.stdout.readline().strip()  # type: ignore[union-attr]
        assert address, "Ray has not started"
        yield {**env, "RAY_ADDRESS": address}
        nodes.communicate()


def command(source: Path, out: Path, *more: object) -> list[str]:
    arguments = [source, "--out", out, "--executor", "ray", "--parts", 3, *OPTIONS, *more]
    return [str(python()), "-m", "decontam", "run", *map(str, arguments)]


def test_parts_on_two_raylets_come_to_one_run(cluster: dict[str, str], tmp_path: Path) -> None:
    source = spread("default", tmp_path / "in")
    ran(*command(source, tmp_path / "out"), env=cluster)
    alone(source, tmp_path / "alone", "default")
    report = json.loads((tmp_path / "out/report.json").read_bytes())
    (step,) = json.loads((tmp_path / "out/shares/datatrove/stats.json").read_text())

    assert as_one(tmp_path / "alone") == as_one(tmp_path / "out")
    assert verify(str(tmp_path / "out")).ok
    assert report["tally"]["records"] == step["stats"]["records"]["total"]
    assert b"decontam_balanced 1.0" in (tmp_path / "out/metrics.prom").read_bytes()


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("victim", ["rank", "actor"])
def test_kill(victim: str, cluster: dict[str, str], tmp_path: Path) -> None:
    """A rank that is killed leaves datatrove waiting for ever: it is given up, and the same command finishes. Actors are started again."""
    source, out = slow(tmp_path / "in"), tmp_path / "out"
    (tmp_path / "c.json").write_text(json.dumps(TOLERANT))
    options = ["--config", tmp_path / "c.json", "--stall", 20]
    with started(*command(source, out, *options), env=cluster) as process:
        rank = in_the_middle(out, source, 3, process)["process"]
        os.kill(rank if victim == "rank" else parent_of(rank), signal.SIGKILL)
        _, told = process.communicate(timeout=200)

    if victim == "rank":
        assert (1, True) == (process.returncode, "nothing has moved for 20 s" in told), told
        ran(*command(source, out, *options), env=cluster)
    else:
        assert 0 == process.returncode, told
    alone(source, tmp_path / "alone", None, TOLERANT)
    assert as_one(tmp_path / "alone") == as_one(out)
    assert verify(str(out)).ok


def test_a_pipeline_says_what_the_command_says(cluster: dict[str, str], tmp_path: Path) -> None:
    told = expected("chat", tmp_path)
    script = ROOT / "pipelines/datatrove_cluster.py"
    ran(python(), script, "ray", tmp_path / "in", tmp_path / "out", 3, "mem_per_cpu_gb=0.5", env={**cluster, "CONFIG": "chat"})

    assert told == from_datatrove(tmp_path / "out", "chat")


def test_rows_in_ray_data_say_what_the_command_says(cluster: dict[str, str], tmp_path: Path) -> None:
    told = expected("default", tmp_path)
    ran(python(), ROOT / "pipelines/ray_data.py", tmp_path / "in", tmp_path / "out", env=cluster)

    assert told == from_rows(tmp_path / "out")


def test_killed_workers_of_ray_data_cost_nothing(cluster: dict[str, str], tmp_path: Path) -> None:
    source, out = slow(tmp_path / "in"), tmp_path / "out"
    report = alone(source, tmp_path / "alone", None, TOLERANT)
    with started(python(), ROOT / "pipelines/ray_data.py", source, out, env=cluster) as process:
        for _ in range(2):
            (*_, victim) = until(screening, "a task at work", 120)
            os.kill(victim, signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=200)

    assert 0 == process.returncode, stderr[-3000:]
    assert f"{report['tally']['records']:,} records: " in stdout
    assert report["tally"]["outcomes"] == from_rows(out).counts["outcomes"]


def screening() -> list[int]:
    """Ray's worker processes that map batches now."""
    return processes(["MapBatches"])
