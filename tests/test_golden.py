"""A whole run over the sample shards, as it was last agreed. After a change that is meant: pytest --accept, and read the diff."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from decontam.files import Source
from decontam.samples import write

GOLDEN = Path(__file__).parent / "golden" / "samples.json"


def told(out: Path) -> dict:
    """What a run did, in words that a diff can show: no revisions, no digests, no times."""
    story: dict = {}
    for path in sorted((out / "kept").rglob("*.*")):
        with Source(str(path)) as source:
            records = [json.loads(line) for line in b"".join(iter(source.read, b"")).splitlines()]
        story[str(path.relative_to(out))] = {record["id"]: record["text"][:60] for record in records}
    for folder in ("findings", "quarantine"):
        for path in sorted((out / folder).rglob("*.parquet")):
            story[str(path.relative_to(out))] = {
                row["id"]: [
                    row["action"],
                    *sorted(f"{f['stage']}/{f['rule']} {f['strength']} {f['start']}-{f['end']}" for f in row["findings"]),
                ]
                for row in pq.read_table(path).to_pylist()
            }
    story["outcomes"] = json.loads((out / "report.json").read_bytes())["tally"]["outcomes"]
    return story


def test_the_samples_are_screened_as_agreed(screen_files: Callable, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    write(tmp_path / "data")
    screen_files(tmp_path / "data")
    story = told(tmp_path / "out")
    if request.config.getoption("--accept"):
        GOLDEN.write_text(json.dumps(story, indent=1, ensure_ascii=False) + "\n", "utf-8")

    assert json.loads(GOLDEN.read_text("utf-8")) == story


def test_the_samples_are_the_same_every_time(tmp_path: Path) -> None:
    first, second = ([path.read_bytes() for path in write(tmp_path / name)] for name in "ab")

    assert first == second
