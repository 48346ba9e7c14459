"""What a door costs: the same corpus through `decontam run` and through other programs, in one run; CPU seconds.

    python tests/bench/doors.py [MEGABYTES] [REPEATS]

Each case is a process of its own, start-up included; shards are zst JSON lines, in and out.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import corpus
import throughput


def run(path: str, out: str) -> None:
    """decontam run, one worker, everything written."""
    throughput.run_one_worker(path, out)


def _beam(path: str, out: str, screen: bool) -> None:
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from decontam.adapters.beam import Decontaminate
    from decontam.adapters.beam_shards import ReadShards, WriteShards

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        lines = pipeline | ReadShards(path + ".d")
        if not screen:
            lines | WriteShards(f"{out}/kept")
            return
        outputs = lines | Decontaminate()
        outputs.kept | "Kept" >> WriteShards(f"{out}/kept")
        for name in ("quarantined", "findings"):
            outputs._asdict()[name] | name >> beam.io.WriteToParquet(f"{out}/{name}/part")
        outputs.errors | "Errors" >> WriteShards(f"{out}/errors")


def beam_noop(path: str, out: str) -> None:
    """ReadShards and WriteShards in memory, nothing between them."""
    _beam(path, out, screen=False)


def beam_screen(path: str, out: str) -> None:
    """ReadShards, Decontaminate, WriteShards in memory, everything written."""
    _beam(path, out, screen=True)


CASES: tuple[Callable[[str, str], None], ...] = (run, beam_noop, beam_screen)
RATIOS = (("Beam in memory / decontam run", "beam_screen", "run", 0.6),)


def main(megabytes: float, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/corpus.jsonl.zst"
        corpus.write(Path(path), megabytes)
        throughput.split(path, 8)
        lines = throughput.lines_of(path)
        size = sum(len(line) + 1 for line in lines) / 1e6
        print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
              f"{size:.0f} MB of JSON lines, {len(lines):,} documents, median of {repeats}")  # fmt: skip
        # Case by case within each round, so that what else the machine does falls on all of them.
        rounds = [{case.__name__: throughput.measure(case, path, __file__) for case in CASES} for _ in range(repeats)]
        seconds = {case.__name__: statistics.median(each[case.__name__] for each in rounds) for case in CASES}
        for case in CASES:
            spent = seconds[case.__name__]
            print(f"{case.__name__:<18} {spent:8.2f} CPU s {size / spent:8.1f} MB/s   {(case.__doc__ or '').splitlines()[0]}")
        for name, ours, theirs, goal in RATIOS:
            print(f"{name:<36} {seconds[theirs] / seconds[ours]:6.2f}x   (goal {goal}x)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        {case.__name__: case for case in CASES}[sys.argv[2]](*sys.argv[3:])
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 200, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
