"""Prism, built from its Go module: parity, streams, and workers that are killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .beam_engines import Engine, prism
from .beam_parity import agrees, fails_and_is_done_again, streams

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with prism(tmp_path_factory.mktemp("logs")) as started:
        yield started


@pytest.mark.parametrize("config", ["default", "chat"])
def test_it_says_what_a_run_says(engine: Engine, config: str, tmp_path: Path) -> None:
    agrees(engine, tmp_path, config)


def test_a_worker_that_is_killed_fails_the_pipeline_which_can_be_started_again(engine: Engine, tmp_path: Path) -> None:
    fails_and_is_done_again(engine, tmp_path)


def test_a_stream_is_screened_in_its_windows(engine: Engine, tmp_path: Path) -> None:
    streams(engine, tmp_path)
