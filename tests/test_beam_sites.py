"""Sites and books in Beam: what `decontam sites` says of a run, and nothing lost on the way to the files without a word."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from decontam.adapters.beam import Decontaminate, DecontaminatedPages, DecontaminatePages
from decontam.adapters.beam_books import balance, tally_of
from decontam.adapters.beam_rows import Counted
from decontam.adapters.beam_shards import ReadShards, WriteShards
from decontam.adapters.beam_sites import AddSites, JudgeSites
from decontam.census import as_row, reference_of, surveyed
from decontam.config import load_config
from decontam.errors import BooksError, ConfigError
from decontam.finished import opened
from decontam.inputs import discover
from decontam.run import Job, run

from .cluster.beam_parity import PAGES
from .conftest import COMPRESS, shard
from .test_beam import ROOT, in_memory, written
from .test_run import API, BAD, HUMAN, MAIL

CRAWLED = [
    {**page, "id": f"old-{number}", "url": f"http://old.org/{number}", "crawl": "2020-01-01"} for number, page in enumerate(PAGES[:3])
]
CONFIG = load_config(None, {"input": {"crawl_date_key": "crawl", "max_error_rate": 1}})
DOCUMENTS = [
    *PAGES,
    *CRAWLED,
    {"id": "short", "text": "x", "url": "http://short.org"},
    {"id": "odd", "text": "x", "url": "odd"},
    API,
    HUMAN,
]


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Two shards of pages, errors among them."""
    for number in range(2):
        shard(tmp_path / f"in/{number}.jsonl", [*DOCUMENTS[number::2], *BAD])
    return tmp_path / "in"


def test_sites_are_those_of_a_run(pages: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    run(Job(config=CONFIG, shards=discover([str(pages)])[0], out=out))
    rows: Counter[tuple] = Counter()
    for path in (tmp_path / "run/sites").rglob("*.parquet"):
        for row in pq.read_table(path).to_pylist():
            rows[row["site"], row["language"], row["bin"]] += row["pages"]
    with in_memory() as pipeline:
        outputs = pipeline | ReadShards(str(pages), CONFIG) | DecontaminatePages(CONFIG)
        counts = outputs.pages | AddSites()
        sites = counts | JudgeSites(CONFIG) | "As rows" >> beam.Map(lambda row: row._asdict())

        assert isinstance(outputs, DecontaminatedPages)
        assert_that(counts | "As keys" >> beam.Map(tuple), equal_to([(*key, number) for key, number in rows.items()]), label="counts")
        assert_that(sites, equal_to([as_row(site) for site in surveyed([opened(out)], reference_of(CONFIG), 0.002)]), label="sites")

    assert {"site-0.com", "site-1.com", "old.org", "short.org"} == {site for site, _, _ in rows}


def test_pages_are_counted_in_their_windows() -> None:
    with in_memory() as pipeline:
        timed = pipeline | beam.Create([(page, 70 * number) for number, page in enumerate(PAGES[:2])]) | beam.MapTuple(TimestampedValue)
        pages = (timed | beam.WindowInto(FixedWindows(60)) | DecontaminatePages()).pages
        told = pages | AddSites() | beam.Map(lambda row, window=beam.DoFn.WindowParam: (int(window.start), row.site, row.pages))

        assert_that(told, equal_to([(0, "site-0.com", 1), (60, "site-0.com", 1)]))


def test_counts_of_runs_and_pipelines_add_up() -> None:
    with in_memory() as pipeline:
        counts = pipeline | beam.Create([Counted("a.com", "en", 40, 20), Counted("a.com", "en", 40, 1), Counted("b.com", "*", -1, 2)])
        judged = counts | JudgeSites() | beam.Map(lambda row: (row.site, row.pages, row.abstained, row.share is None, row.decision))

        assert_that(judged, equal_to([("a.com", 21, 0, False, "model"), ("b.com", 2, 2, True, "too few")]))


def test_what_cannot_be_judged_is_said_when_the_pipeline_is_made() -> None:
    with pytest.raises(ConfigError, match=r"fpr=0.5: is one of 0.01, 0.002, 0.001"):
        JudgeSites(fpr=0.5)
    with pytest.raises(ConfigError, match=r"stages\.synthetic is off"):
        JudgeSites(load_config(None, {"stages": {"synthetic": {"enabled": False}}}))


# Books.

FOLDERS = ("kept", "quarantined", "findings", "errors")


def screened(source: Path, out: Path) -> beam.Pipeline:
    with in_memory() as pipeline:
        outputs = pipeline | ReadShards(str(source)) | Decontaminate()
        outputs.kept | "Kept" >> WriteShards(str(out / "kept"))
        outputs.errors | "Errors" >> WriteShards(str(out / "errors"))
        for name in ("quarantined", "findings"):
            rows = getattr(outputs, name)
            rows | name >> beam.io.WriteToParquet(str(out / name / "part"), file_name_suffix=".parquet")
    return pipeline


@pytest.fixture
def done(tmp_path: Path) -> beam.Pipeline:
    shard(tmp_path / "in/a.jsonl", [HUMAN, API, MAIL, *BAD])
    return screened(tmp_path / "in", tmp_path / "out")


def places(out: Path) -> dict[str, str]:
    return {name: str(out / name) for name in FOLDERS}


def test_books_that_balance_are_the_tally_of_a_run(done: beam.Pipeline, tmp_path: Path) -> None:
    report = run(Job(config=CONFIG, shards=discover([str(tmp_path / "in")])[0], out=str(tmp_path / "run")))
    (tmp_path / "out/kept/beam-temp-part-0").mkdir()
    shard(tmp_path / "out/kept/beam-temp-part-0/x.jsonl", [HUMAN])  # what an earlier try left

    assert report["tally"] == balance(done.result, places(tmp_path / "out")).to_dict()
    assert tally_of(done.result) == balance(done.result, {})


@pytest.mark.parametrize(
    ("lose", "says"),
    [
        (lambda out: next((out / "kept").glob("part*")).unlink(), "kept: 2 expected, 0 found"),
        (lambda out: next((out / "quarantined").glob("part*")).unlink(), "quarantined: 1 expected, 0 found"),
        (lambda out: next((out / "findings").glob("part*")).unlink(), "findings: 2 expected, 0 found"),
        (lambda out: shard(out / "errors/part-1.jsonl.zst", [HUMAN]), "errors: 6 expected, 7 found"),
        (lambda out: shard(out / "kept/part-1.jsonl.gz", [HUMAN]), "kept: 2 expected, 3 found"),
    ],
    ids=["kept", "quarantined", "findings", "errors twice", "kept twice"],
)
def test_what_is_lost_or_comes_twice_is_said(lose: object, says: str, done: beam.Pipeline, tmp_path: Path) -> None:
    lose(tmp_path / "out")  # type: ignore[operator]

    with pytest.raises(BooksError, match=says):
        balance(done.result, places(tmp_path / "out"))


class Loses(beam.DoFn):
    """An engine between reading and screening that loses every document of a name."""

    def process(self, line):
        return [] if b"mail" in line.line else [line]


def test_what_is_lost_before_it_was_screened_is_said(tmp_path: Path) -> None:
    shard(tmp_path / "in/a.jsonl", [HUMAN, API, MAIL])
    with in_memory() as pipeline:
        pipeline | ReadShards(str(tmp_path / "in")) | beam.ParDo(Loses()) | Decontaminate()

    with pytest.raises(BooksError, match="records: 3 expected, 2 found"):
        balance(pipeline.result, {})


@pytest.mark.slow
def test_the_batch_pipeline_checks_its_books_and_exits_3(tmp_path: Path) -> None:
    for number, codec in enumerate(COMPRESS):
        shard(tmp_path / f"in/{number}.jsonl{codec}", [HUMAN, API, MAIL])
    shard(tmp_path / "out/kept/part-left.jsonl", [HUMAN])
    command = [sys.executable, str(ROOT / "pipelines/beam_batch.py"), "--input", str(tmp_path / "in"), "--out", str(tmp_path / "out"),
               "--runner=FnApiRunner"]  # fmt: skip
    twice = subprocess.run(command, capture_output=True, text=True, check=False)
    (tmp_path / "out/kept/part-left.jsonl").unlink()
    again = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 3 == twice.returncode, twice.stderr
    assert "kept: 8 expected, 9 found" in twice.stderr
    assert 0 == again.returncode, again.stderr
    assert 8 == len(written(tmp_path / "out/kept"))
    assert "12  records" in again.stdout
