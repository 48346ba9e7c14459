"""What the engines are given, and what they must come to: the corpus of tests/test_parity.py, and one that takes a while."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq

from decontam.config import load_config
from decontam.inputs import discover
from decontam.run import Job, run
from decontam.shares import Share, number_of
from decontam.tally import Tally
from tests.conftest import shard
from tests.test_parity import CORPORA, COUNTERS, Told, counts_of, finding_of, lines_of
from tests.test_run import API, HUMAN, MAIL, MIXED

from .engines import until


def spread(name: str, folder: Path, shards: int = 6) -> Path:
    """The corpus of a config, in shards."""
    for number in range(shards):
        shard(folder / f"{number}.jsonl{['', '.gz', '.zst'][number % 3]}", CORPORA[name][number::shards])
    return folder


def slow(folder: Path, shards: int = 12) -> Path:
    """Shards that take some seconds each, most of it on findings."""
    for number in range(shards):
        shard(folder / f"{number:02}.jsonl", [*MIXED, HUMAN, MAIL, API] * 250)
    return folder


def in_the_middle(out: Path, source: Path, parts: int, process: subprocess.Popen) -> dict[str, Any]:
    """Wait until the largest part has finished a shard and not yet all; what its worker has said."""
    names = [path.name for path in source.iterdir()]
    (number, _), *_ = Counter(number_of(name, parts) for name in names).most_common()
    mine = [name for name in names if number_of(name, parts) == number]
    said = out / Share(number, parts).name
    until(lambda: process.poll() is not None or any((out / f"tallies/{name}.json").exists() for name in mine), "a shard that is done", 180)
    told = json.loads(said.read_bytes())
    assert told["state"] == "running", "the part has ended before it could be killed"
    return told


def alone(source: Path, out: Path, name: str | None, options: dict[str, Any] | None = None) -> dict[str, Any]:
    """The report of `decontam run` on this machine."""
    return run(Job(config=load_config(name, options or {}), shards=discover([str(source)])[0], out=str(out)))


def expected(name: str, folder: Path, config: str | None = None) -> Told:
    """What the command line makes of a corpus, under the config of that name or another one."""
    report = alone(spread(name, folder / "in"), folder / "alone", config or name)
    rows = [row for table in sorted((folder / "alone/findings").iterdir()) for row in pq.read_table(table).to_pylist()]
    found = {row["id"]: sorted(finding_of(finding) for finding in row["findings"]) for row in rows}
    kept = {row["id"]: row for path in sorted((folder / "alone/kept").iterdir()) for row in lines_of(path)}
    return Told(kept, found, {counter: report["tally"][counter] for counter in COUNTERS})


def from_datatrove(out: Path, name: str) -> Told:
    """What a pipeline of reader, step and writer has left in a folder."""
    from decontam.adapters.datatrove import books

    quarantined = [row for table in (out / "quarantine").glob("*.parquet") for row in pq.read_table(table).to_pylist()]
    found = {row["id"]: sorted(finding_of(finding) for finding in row["findings"]) for row in quarantined}
    kept = {}
    for path in sorted((out / "kept").iterdir()):
        for row in lines_of(path):
            if evidence := json.loads(row.pop("decontam")["findings"]):
                found[row["id"]] = sorted(map(finding_of, evidence))
            kept[row["id"]] = {key: value for key, value in row.items() if not (name == "chat" and key == "text")}
    return Told(kept, found, counts_of(books(str(out / "quarantine"))))


def from_rows(out: Path) -> Told:
    """What is written of rows that went through `adapters.arrow.Screen`."""
    rows = ds.dataset(out, partitioning="hive").to_table().to_pylist()
    tally = sum((Tally.from_dict(json.loads(row["tally"])) for row in rows if row["outcome"] == "tally"), Tally())
    records = [row for row in rows if row["outcome"] != "tally"]
    assert len(records) == tally.records
    kept = {row["id"]: json.loads(row["document"]) for row in records if row["document"] is not None}
    found = {row["id"]: sorted(map(finding_of, findings)) for row in records if (findings := json.loads(row["findings"]))}
    return Told(kept, found, counts_of(tally))
