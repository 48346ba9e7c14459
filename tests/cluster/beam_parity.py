"""One corpus through `decontam run` and through an engine: every line, finding, count and site must be the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from decontam.census import as_row, reference_of, surveyed
from decontam.config import load_config
from decontam.finished import opened
from decontam.inputs import discover
from decontam.run import Job, run
from tests.conftest import shard
from tests.test_parity import CORPORA, Finding, finding_of
from tests.test_pipelines import PROSE
from tests.test_run import BAD, lines_of

from . import beam_engines
from .beam_engines import Engine

LAW = (beam_engines.ROOT / "LICENSE").read_text("utf-8")
_TEXTS = [*(LAW[start : start + 4000] for start in range(0, 6000, 1000)), *(PROSE * times for times in range(10, 16))]
PAGES = [{"id": f"page-{n}", "text": text, "url": f"https://www{n}.site-{n // 6}.com/{n}"} for n, text in enumerate(_TEXTS)]
"""Twelve pages of two sites, long enough to be scored."""
KEPT = "odd-6"
"""A record of the parity corpus in which nothing is found."""


class Told(NamedTuple):
    """What becomes of a corpus: lines that go on, findings by id, errors by shard and reason, the tally, the sites."""

    kept: list[bytes]
    quarantined: list[str]
    found: list[tuple[str, Finding]]
    errors: list[tuple[str, str]]
    tally: dict[str, Any]
    sites: list[dict[str, Any]]


def corpus(folder: Path, config: str) -> Path:
    """The parity corpus in four shards of four codecs, with broken lines and pages of sites."""
    documents = CORPORA[config]
    extra = {"": [*BAD, b""], ".zst": PAGES}
    for number, codec in enumerate(("", ".gz", ".zst", ".bz2")):
        shard(folder / f"{number}.jsonl{codec}", [*documents[number::4], *extra.get(codec, [])])
    return folder


def by_run(source: Path, config: str, out: Path) -> Told:
    """What `decontam run` and `decontam sites` say."""
    checked = load_config(config, {"input": {"max_error_rate": 1}})
    report = run(Job(config=checked, shards=discover([str(source)])[0], out=str(out)))
    tables = {name: [row for path in (out / name).rglob("*.parquet") for row in pq.read_table(path).to_pylist()]
              for name in ("findings", "quarantine")}  # fmt: skip
    errors = [json.loads(line) for path in (out / "errors").rglob("*.jsonl") for line in lines_of(path) if line]
    return Told(
        sorted(line for path in (out / "kept").iterdir() for line in lines_of(path) if line),
        sorted(row["id"] for row in tables["quarantine"]),
        sorted((row["id"], finding_of(finding)) for row in tables["findings"] for finding in row["findings"]),
        sorted((row["source"], row["reason"]) for row in errors),
        report["tally"],
        [as_row(site) for site in surveyed([opened(str(out))], reference_of(checked), 0.002)],
    )


def started(module: str, engine: Engine, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A pipeline of this folder, launched in a process of its own."""
    command = [sys.executable, "-m", f"tests.cluster.{module}", *arguments, *engine.options]
    return subprocess.run(command, cwd=beam_engines.ROOT, capture_output=True, text=True, check=False, timeout=400)


def written(folder: Path) -> list[bytes]:
    return [line for path in folder.glob("part-*") for line in lines_of(path) if line]


def by_engine(done: subprocess.CompletedProcess[str], out: Path) -> Told:
    """What an engine has written, and what the pipeline that is `done` said."""
    assert 0 == done.returncode, done.stderr[-5000:]
    rows: dict[str, Sequence[dict[str, Any]]] = {
        name: [json.loads(line) for line in written(out / name)] for name in ("quarantined", "findings", "errors", "sites")
    }
    return Told(
        sorted(written(out / "kept")),
        sorted(row["id"] for row in rows["quarantined"]),
        sorted((row["id"], finding_of(row)) for row in rows["findings"]),
        sorted((row["source"], row["reason"]) for row in rows["errors"]),
        json.loads(done.stdout),
        sorted(rows["sites"], key=lambda row: row["site"]),
    )


def same(expected: Told, said: Told) -> None:
    for name, wanted, found in zip(Told._fields, expected, said, strict=True):
        assert wanted == found, f"{name}: expected {str(wanted)[:500]}, found {str(found)[:500]}"


def agrees(engine: Engine, folder: Path, config: str = "default", dies: str = "-") -> None:
    """An engine says what a run says, whoever dies meanwhile."""
    source = corpus(folder / "in", config)
    expected = by_run(source, config, folder / "run")
    said = by_engine(started("beam_job", engine, str(source), str(folder / "out"), config, dies), folder / "out")

    assert (dies != "-") == (folder / "out/died").exists()
    assert {"site-0.com", "site-1.com"} == {row["site"] for row in expected.sites if row["scored"] >= 5}
    same(expected, said)


def fails_and_is_done_again(engine: Engine, folder: Path) -> None:
    """An engine that gives up with its worker leaves no shard behind; the same command, given again, finishes."""
    source = corpus(folder / "in", "default")
    arguments = str(source), str(folder / "out"), "default", KEPT
    failed = started("beam_job", engine, *arguments)

    assert 1 == failed.returncode, failed.stdout
    assert (folder / "out/died").exists()
    assert [] == list((folder / "out").rglob("part-*"))
    same(by_run(source, "default", folder / "run"), by_engine(started("beam_job", engine, *arguments), folder / "out"))


def streams(engine: Engine, folder: Path) -> None:
    """Three minutes of documents end up in the window they came in, and count once."""
    done = started("beam_stream", engine, str(folder / "out"))
    assert 0 == done.returncode, done.stderr[-5000:]
    said = {path.name: json.loads(path.read_text()) for path in (folder / "out").iterdir()}

    assert [["h", "mail"], ["h", "secret"], ["mail"]] == [said[f"kept-{minute}"] for minute in range(3)]
    assert ["api"] == said["quarantined-0"]
    assert [["api", "mail"], ["secret"], ["mail"]] == [said[f"findings-{minute}"] for minute in range(3)]
    assert [1, 1, 1] == [len(said[f"errors-{minute}"]) for minute in range(3)]
    assert {"kept": 2, "redacted": 3, "quarantined": 1, "errored": 3} == json.loads(done.stdout)["outcomes"]
