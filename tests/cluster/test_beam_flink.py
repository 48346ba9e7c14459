"""Flink, a real cluster from Maven: parity, streams, and workers and managers that are killed under way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .beam_engines import Engine, flink
from .beam_parity import KEPT, agrees, streams

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with flink(tmp_path_factory.mktemp("logs")) as started:
        yield started


def test_it_says_what_a_run_says(engine: Engine, tmp_path: Path) -> None:
    agrees(engine, tmp_path, "chat")


def test_a_worker_that_is_killed_costs_nothing_and_counts_once(engine: Engine, tmp_path: Path) -> None:
    agrees(engine, tmp_path, dies=KEPT)


def test_a_task_manager_that_is_killed_costs_nothing_and_counts_once(engine: Engine, tmp_path: Path) -> None:
    assert engine.victim is not None
    agrees(engine, tmp_path, dies=f"{KEPT}@{engine.victim()}")


def test_a_stream_is_screened_in_its_windows(engine: Engine, tmp_path: Path) -> None:
    streams(engine, tmp_path)
