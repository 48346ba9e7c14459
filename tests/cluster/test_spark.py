"""Spark, for real: a master and two workers; a Python worker and an executor killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_run import TOLERANT

from .corpora import alone, expected, from_rows, slow
from .engines import ROOT, processes, ran, started, until
from .spark import spark

pytestmark = pytest.mark.cluster
Cluster = tuple[list[str], dict[str, str]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with spark(tmp_path_factory.mktemp("spark")) as started:
        yield started


def test_rows_in_spark_say_what_the_command_says(cluster: Cluster, tmp_path: Path) -> None:
    told = expected("default", tmp_path)
    submit, env = cluster
    done = ran(*submit, ROOT / "pipelines/spark.py", tmp_path / "in", tmp_path / "out", env=env)

    assert told == from_rows(tmp_path / "out")
    assert f"{sum(told.counts['outcomes'].values()):,} records: " in done.stdout


def test_killed_workers_cost_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """A Python worker and an executor: Spark tries their tasks again, and what a task has not committed is not there."""
    source, out = slow(tmp_path / "in"), tmp_path / "out"
    report = alone(source, tmp_path / "alone", None, TOLERANT)
    submit, env = cluster
    # Their environment tells these processes from those of others.
    mark = ["--conf", f"spark.executorEnv.WHOSE={tmp_path}"]
    with started(*submit, *mark, ROOT / "pipelines/spark.py", source, out, env=env) as process:
        for kind in ("pyspark.daemon", "CoarseGrainedExecutorBackend"):
            until(lambda: list(out.rglob("part-*.parquet")), "a task at work", 120)
            (*_, victim) = until(lambda kind=kind: processes([kind, f"WHOSE={tmp_path}"]), kind)
            os.kill(victim, signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=200)

    assert 0 == process.returncode, stderr[-3000:]
    assert f"{report['tally']['records']:,} records: " in stdout
    assert report["tally"]["outcomes"] == from_rows(out).counts["outcomes"]
