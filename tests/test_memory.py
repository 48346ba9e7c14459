"""Memory does not grow with the shard: what a process has held at most, by the kernel's own account."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from decontam.config import load_config

from .conftest import shard
from .test_run import HUMAN, MAIL

MOST = 650  # MB for records of up to 8 MB

PROGRAM = """
import json, re, sys
from decontam.config import load_config
from decontam.inputs import discover
from decontam.run import Job, run
report = run(Job(config=load_config(None, json.loads(sys.argv[3])), shards=discover([sys.argv[1]])[0], out=sys.argv[2]))
most = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1)) / 1024
print(json.dumps({"most": most, "problems": report["problems"], **report["tally"]["outcomes"]}))
"""


def peak(path: Path, out: Path, options: dict | None = None) -> dict:
    load_config()  # compiled rules are in the cache by now; making them takes more memory than using them
    done = subprocess.run([sys.executable, "-c", PROGRAM, path, out, json.dumps(options or {})], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def long_text(size: int, number: int) -> str:
    """Words, four bytes to a character in memory, and an address every 20,000 characters."""
    return f"{number} {MAIL['text']} {HUMAN['text'] * 400} \U0001f600. " * (size // 20_000 + 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_lines_of_8_megabytes(name: str, tmp_path: Path) -> None:
    path = shard(tmp_path / name, ({"text": long_text(7_000_000, number)} for number in range(6)))
    used = peak(path, tmp_path / "out")
    print(f"{name}: {used['most']:.0f} MB")

    assert used["most"] < MOST
    assert {} == used["problems"]


@pytest.mark.slow
def test_a_table_of_one_row_group(tmp_path: Path) -> None:
    texts = [long_text(20_000, number) for number in range(6_000)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", compression="zstd", row_group_size=1_000_000)
    used = peak(tmp_path / "a.parquet", tmp_path / "out")
    print(f"a.parquet: {used['most']:.0f} MB for {sum(map(len, texts)) / 1e6:.0f} MB of text in one row group")

    assert used["most"] < MOST


@pytest.mark.slow
def test_a_line_of_300_megabytes_is_never_held(tmp_path: Path) -> None:
    with (tmp_path / "a.jsonl").open("wb") as file:
        file.write(b'{"text": "fine"}\n{"text": "')
        for _ in range(300):
            file.write(b"word and word and " * 58_254)
        file.write(b'"}\n{"text": "fine"}\n')
    used = peak(tmp_path / "a.jsonl", tmp_path / "out", {"input": {"max_error_rate": 1.0}})
    print(f"a.jsonl: {used['most']:.0f} MB")

    assert used["most"] < MOST
    assert (2, 1) == (used["kept"], used["errored"])
