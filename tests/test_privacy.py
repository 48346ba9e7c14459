"""Nothing that was found, and no text around it, reaches what is not made to hold text: logs, counts, findings, messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from decontam.config import load_config, rules_of
from decontam.figures.gather import gathered
from decontam.figures.page import html
from decontam.prove import examples

from .conftest import shard

AROUND = "Quillwort Ambergate"  # stands in every document, around what is found
KEY = "a key that nobody is to see either"
STAGE = """
class Sour:
    name = "sour"
    @classmethod
    def load(cls, options, scanner): return cls()
    def inspect(self, view):
        if "sour" in view.text:
            raise ValueError(f"cannot look at {view.text}")
        return ()
"""


def planted() -> dict[str, str]:
    """A document for each rule, and each value in them that can be searched for: value -> document."""
    documents = {}
    for rule in rules_of(load_config()):
        known = f"{rule.id} {rule.kind} {rule.provider} {rule.why} {rule.source}"
        for part, text, spans in examples(rule):
            if part == "catches" and rule.role is None:
                for start, end in spans:
                    value = text[start:end]
                    if len(value) >= 12 and value.isascii() and value not in known:
                        documents[value] = f"{AROUND} {text} {AROUND}"
    return documents


PLANTED = planted()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of the command over it all: lines, rows, lines that cannot be read, a stage that fails. OUT, and what was said."""
    root = tmp_path_factory.mktemp("privacy")
    package = root / "package"
    (package / "sour-1.0.dist-info").mkdir(parents=True)
    (package / "sour.py").write_text(STAGE)
    (package / "sour-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: sour\nVersion: 1.0\n")
    (package / "sour-1.0.dist-info/entry_points.txt").write_text("[decontam.stages]\nsour = sour:Sour\n")
    (root / "c.yaml").write_text("stages: {sour: {enabled: true}}\noutput: {checkpoint_bytes: 50000}\npolicy: {key: {env: PRIVACY_KEY}}")
    texts = list(PLANTED.values())
    broken = [json.dumps({"text": text})[:-1].encode() for text in texts[::7]] + [
        json.dumps({"text": [{"a": t}]}).encode() for t in texts[::9]
    ]
    sour = [{"text": f"sour {text}"} for text in texts[::11]]
    shard(root / "in/a.jsonl.gz", [*({"id": str(n), "text": text} for n, text in enumerate(texts)), *broken, *sour])
    shard(root / "in/bad.jsonl", broken)
    (root / "in/torn.jsonl.zst").write_bytes((shard(root / "whole.jsonl.zst", [{"text": text} for text in texts])).read_bytes()[:-200])
    pq.write_table(pa.table({"text": [*texts, None, f"sour {texts[0]}"]}), root / "in/a.parquet", row_group_size=100)
    arguments = ["run", root / "in", "--out", root / "out", "--config", root / "c.yaml", "--log-format", "json", "--workers", "2"]
    env = {**os.environ, "PRIVACY_KEY": KEY, "PYTHONPATH": os.pathsep.join([str(package), *sys.path])}
    ran = subprocess.run([sys.executable, "-m", "decontam", *arguments], capture_output=True, text=True, check=False, env=env)
    scanned = [
        subprocess.run([sys.executable, "-m", "decontam", "scan", path, "--json"], capture_output=True, text=True, check=False).stdout
        for path in (root / "in/a.parquet", root / "in/bad.jsonl")
    ]
    assert 1 == ran.returncode, ran.stderr[-2000:]
    return root / "out", "\n".join([ran.stdout, ran.stderr, *scanned])


def leaks(content: str) -> list[str]:
    return [value for value in [AROUND, KEY, *PLANTED] if value in content or json.dumps(value)[1:-1] in content]


def test_no_planted_value_is_in_what_is_said(done: tuple[Path, str]) -> None:
    assert len(PLANTED) > 500
    assert "stage_failed" in done[1]
    assert [] == leaks(done[1])


@pytest.mark.parametrize("kind", ["findings", "tallies", "proof", "manifest.json", "report.json", "metrics.prom"])
def test_no_planted_value_is_in_what_holds_no_text(kind: str, done: tuple[Path, str]) -> None:
    path = done[0] / kind
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())

    assert files
    for file in files:
        content = str(pq.read_table(file).to_pylist()) if file.suffix == ".parquet" else file.read_text()
        assert [] == leaks(content), file


def test_no_planted_value_is_in_a_report(done: tuple[Path, str]) -> None:
    figures = gathered([str(done[0])])

    assert figures["examples"]
    assert [] == leaks(html(figures))


def test_findings_know_every_value_by_its_keyed_hash(done: tuple[Path, str]) -> None:
    rows = [row for file in (done[0] / "findings").rglob("*.parquet") for row in pq.read_table(file).to_pylist()]
    hashes = [json.loads(finding["detail"])["value"] for row in rows for finding in row["findings"]]

    assert len(set(hashes)) > 500
    assert {16} == {len(digest) for digest in hashes}


def test_they_are_where_they_belong(done: tuple[Path, str]) -> None:
    """The search finds what is there to be found."""
    held = " ".join(str(pq.read_table(file)["record"].to_pylist()) for file in (done[0] / "quarantine").rglob("*.parquet"))

    assert leaks(held)
    assert leaks((done[0] / "errors/bad.jsonl.jsonl").read_text())
