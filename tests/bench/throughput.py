"""Throughput beside named peers and a floor, all in one run: CPU seconds, MB of JSON lines per CPU second, ratios.

    python tests/bench/throughput.py [MEGABYTES] [REPEATS]

Each case is a process of its own; what counts is its CPU time, start-up included unless the case says otherwise.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import zstandard

sys.path.insert(0, str(Path(__file__).parent))

import corpus


def lines_of(path: str) -> list[bytes]:
    with Path(path).open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read().splitlines()


def _texts(path: str) -> list[str]:
    return [orjson.loads(line)["text"] for line in lines_of(path)]


def _timed(work: Callable[[], object]) -> None:
    """Print the CPU seconds of the loop alone."""
    started = time.process_time()
    work()
    print(json.dumps({"cpu": time.process_time() - started}))


def floor(path: str, out: str) -> None:
    """Read zst, split, parse, encode, write the raw lines to zst level 1: what no screening can go below."""
    lines = lines_of(path)
    with (Path(out) / "floor.zst").open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as writer:
        batch: list[bytes] = []
        for line in lines:
            orjson.loads(line)["text"].encode()
            batch.append(line)
            if len(batch) == 256:
                writer.write(b"\n".join(batch))
                batch = []
        writer.write(b"\n".join(batch))


def datatrove_noop(path: str, out: str) -> None:
    """datatrove's stock reader and writer, nothing between them."""
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers.jsonl import JsonlWriter
    from loguru import logger

    logger.remove()
    folder, name = os.path.split(path)
    reader = JsonlReader(folder, glob_pattern=name, compression="zstd")
    for _ in JsonlWriter(out, output_filename="${rank}.jsonl.zst", compression="zstd").run(reader.run(None)):
        pass


def datatrove_pii(path: str, out: str) -> None:
    """datatrove's PIIFormatter (2 rules) over texts in memory; the loop alone."""
    from datatrove.pipeline.formatters.pii import PIIFormatter

    texts, formatter = _texts(path), PIIFormatter()
    _timed(lambda: [formatter.format(text) for text in texts])


def chain_detect(path: str, out: str) -> None:
    """Our whole chain over texts in memory, detect only; the loop alone, first use of everything included."""
    from decontam.config import chain_of, load_config

    texts, chain = _texts(path), chain_of(load_config())
    _timed(lambda: [chain.screen_text(text) for text in texts])


def _stages_detect(path: str, *names: str, warm: bool = False) -> None:
    from decontam.config import chain_of, load_config

    every = load_config().stages
    texts = _texts(path)
    chain = chain_of(load_config(None, {"stages": {name: {"enabled": name in names} for name in every}}))
    if warm:
        for text in texts:
            chain.screen_text(text)
    _timed(lambda: [chain.screen_text(text) for text in texts])


def pii_and_secrets(path: str, out: str) -> None:
    """The stages `pii` and `secrets` in the same way."""
    _stages_detect(path, "pii", "secrets")


def pii_and_secrets_warm(path: str, out: str) -> None:
    """The same for the second time: patterns are compiled when they are first needed, two seconds' worth in each process."""
    _stages_detect(path, "pii", "secrets", warm=True)


def rules_warm(path: str, out: str) -> None:
    """All three stages of rules, `signatures` with them, for the second time."""
    _stages_detect(path, "pii", "secrets", "signatures", warm=True)


def _run(path: str, out: str, workers: int) -> None:
    command = [sys.executable, "-m", "decontam", "run", path + ".d", "--out", f"{out}/run", "--workers", str(workers)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def run_one_worker(path: str, out: str) -> None:
    """decontam run, zst to zst, everything written; one worker."""
    _run(path, out, 1)


def run_two_workers(path: str, out: str) -> None:
    """The same with two workers."""
    _run(path, out, 2)


PEERS = (floor, datatrove_noop, datatrove_pii)
CASES = (*PEERS, pii_and_secrets, pii_and_secrets_warm, rules_warm, chain_detect, run_one_worker, run_two_workers)
RATIOS = (
    ("pii and secrets / PIIFormatter", "pii_and_secrets", "datatrove_pii", None),
    ("the same, warm / PIIFormatter", "pii_and_secrets_warm", "datatrove_pii", 8.0),
    ("rules, warm / PIIFormatter", "rules_warm", "datatrove_pii", None),
    ("chain, detect only / PIIFormatter", "chain_detect", "datatrove_pii", 3.0),
    ("decontam run / datatrove no-op", "run_one_worker", "datatrove_noop", 1.5),
    ("decontam run / floor", "run_one_worker", "floor", None),
)


def measure(case: Callable[[str, str], None], path: str, script: str = __file__) -> float:
    """CPU seconds of one case, children included."""
    out = tempfile.mkdtemp()
    try:
        before = os.times()
        command = [sys.executable, script, "--case", case.__name__, path, out]
        # Everybody's modules are compiled to bytecode once, not in every process.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
        after = os.times()
    finally:
        shutil.rmtree(out)
    if printed.startswith("{"):
        return float(json.loads(printed)["cpu"])
    return after.children_user + after.children_system - before.children_user - before.children_system


def main(megabytes: float, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/corpus.jsonl.zst"
        corpus.write(Path(path), megabytes)
        split(path, 8)
        size = sum(len(line) + 1 for line in lines_of(path)) / 1e6
        print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
              f"{size:.0f} MB of JSON lines, {len(lines_of(path)):,} documents, median of {repeats}")  # fmt: skip
        seconds = {case.__name__: statistics.median(measure(case, path) for _ in range(repeats)) for case in CASES}
        for case in CASES:
            spent = seconds[case.__name__]
            print(f"{case.__name__:<21} {spent:8.2f} CPU s {size / spent:8.1f} MB/s   {(case.__doc__ or '').splitlines()[0]}")
        for name, ours, theirs, goal in RATIOS:
            print(f"{name:<36} {seconds[theirs] / seconds[ours]:6.2f}x" + (f"   (goal {goal}x)" if goal else ""))
        print(f"{'two workers / one, CPU time':<36} {seconds['run_two_workers'] / seconds['run_one_worker']:6.2f}x   (goal 1.1x at most)")


def split(path: str, shards: int) -> None:
    """The same corpus in several shards, beside it, for the cases with workers."""
    Path(f"{path}.d").mkdir()
    lines = lines_of(path)
    for number in range(shards):
        data = b"".join(line + b"\n" for line in lines[number::shards])
        Path(f"{path}.d/{number}.jsonl.zst").write_bytes(zstandard.ZstdCompressor(level=3).compress(data))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        {case.__name__: case for case in CASES}[sys.argv[2]](*sys.argv[3:])
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 200, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
