"""The portable job service of Beam, and Prism, with an external pool of workers: parity, streams, workers that are killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.external import ImplicitSchemaPayloadBuilder

from tests.test_run import API, HUMAN, MAIL

from .beam_engines import Engine, expansion_service, job_service, prism
from .beam_parity import agrees, fails_and_is_done_again, streams

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module", params=[job_service, prism], ids=["job service", "prism"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with request.param(tmp_path_factory.mktemp("logs")) as started:
        yield started


@pytest.mark.parametrize("config", ["default", "chat"])
def test_it_says_what_a_run_says(engine: Engine, config: str, tmp_path: Path) -> None:
    agrees(engine, tmp_path, config)


def test_a_worker_that_is_killed_fails_the_pipeline_which_can_be_started_again(engine: Engine, tmp_path: Path) -> None:
    fails_and_is_done_again(engine, tmp_path)


@pytest.mark.parametrize("engine", [prism], indirect=True, ids=["prism"])
def test_a_stream_is_screened_in_its_windows(engine: Engine, tmp_path: Path) -> None:
    streams(engine, tmp_path)


def test_pipelines_of_other_languages_find_it_in_an_expansion_service(tmp_path: Path) -> None:
    asked = ImplicitSchemaPayloadBuilder({"constructor": "decontam.adapters.beam.from_yaml", "kwargs": beam.Row(source="elsewhere")})
    with expansion_service(tmp_path) as address, beam.Pipeline(runner=FnApiRunner()) as pipeline:
        rows = pipeline | beam.Create([beam.Row(**document) for document in (HUMAN, MAIL, API)])
        outputs = rows | beam.ExternalTransform("beam:transforms:python:fully_qualified_named", asked, address)
        kept = outputs["kept"] | "Kept" >> beam.Map(lambda row: row.id)
        found = outputs["findings"] | "Found" >> beam.Map(lambda row: (row.id, row.source))

        assert_that(kept, equal_to([HUMAN["id"], MAIL["id"]]), label="kept")
        assert_that(found, equal_to([(MAIL["id"], "elsewhere"), (API["id"], "elsewhere")]), label="found")
