"""What each door costs beside the chain alone and beside the host's own steps: CPU seconds, and their ratios.

    python tests/bench/doors.py [MEGABYTES] [REPEATS]

Each case is a process of its own. For datatrove it prints the CPU time of its loop: start-up, compiling and first use are left
out. For Beam, which does not let go of its workers, start-up counts. The cases of one round follow one another, so that a neighbour on the
machine disturbs all of them.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import corpus
import throughput
from throughput import _texts, _timed, lines_of

WARM = "Somebody wrote to somebody, and nobody answered."


def chain_alone(path: str, out: str) -> None:
    """The chain over texts in memory."""
    import decontam

    texts, chain = _texts(path), decontam.load().chain
    chain.screen_text(WARM)
    _timed(lambda: [chain.screen_text(text) for text in texts])


def _documents(texts: Iterable[str]) -> list:
    from datatrove.data import Document

    return [Document(text, str(number)) for number, text in enumerate(texts)]


def _step(out: str) -> object:
    from decontam.adapters.datatrove import Decontam

    step = Decontam(quarantine=f"{out}/quarantine")
    deque(Decontam().run(iter(_documents([WARM]))))
    return step


def datatrove_step(path: str, out: str) -> None:
    """Decontam, the step, with quarantine, over documents in memory."""
    documents, step = _documents(_texts(path)), _step(out)
    _timed(lambda: deque(step.run(iter(documents)), maxlen=0))


def _through(*steps: object) -> None:
    def work() -> None:
        data = None
        for step in steps:
            data = step.run(data)
        deque(data, maxlen=0)

    from loguru import logger

    logger.remove()
    _timed(work)


def _stock_reader(path: str) -> object:
    from datatrove.pipeline.readers import JsonlReader

    folder, name = os.path.split(path)
    return JsonlReader(folder, glob_pattern=name, compression="zstd")


def _stock_writer(out: str) -> object:
    from datatrove.pipeline.writers import JsonlWriter

    return JsonlWriter(out, output_filename="${rank}.jsonl.zst", compression="zstd")


def _our_reader(path: str) -> object:
    from decontam.adapters.datatrove import DecontamReader

    folder, name = os.path.split(path)
    return DecontamReader(folder, glob_pattern=name)


def _our_writer(out: str) -> object:
    from decontam.adapters.datatrove import DecontamWriter

    return DecontamWriter(out)


def datatrove_stock(path: str, out: str) -> None:
    """datatrove's reader and writer, zst to zst, nothing between them."""
    _through(_stock_reader(path), _stock_writer(out))


def datatrove_stock_level_10(path: str, out: str) -> None:
    """The same where decontam is not installed: without backports.zstd fsspec compresses at level 10, with it at level 3."""
    sys.modules["backports.zstd"] = None  # type: ignore[assignment]
    datatrove_stock(path, out)


def datatrove_stock_and_step(path: str, out: str) -> None:
    """The same with Decontam between them."""
    _through(_stock_reader(path), _step(out), _stock_writer(out))


def datatrove_ours(path: str, out: str) -> None:
    """DecontamReader and DecontamWriter, zst to zst, nothing between them."""
    _through(_our_reader(path), _our_writer(out))


def datatrove_ours_and_step(path: str, out: str) -> None:
    """The same with Decontam between them."""
    _through(_our_reader(path), _step(out), _our_writer(out))


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


CASES = (
    chain_alone,
    datatrove_step,
    datatrove_stock,
    datatrove_stock_level_10,
    datatrove_stock_and_step,
    datatrove_ours,
    datatrove_ours_and_step,
)
WHOLE = (run, beam_noop, beam_screen)
Seconds = dict[str, float]
RATIOS: tuple[tuple[str, Callable[[Seconds], float], str], ...] = (
    ("datatrove: the step / the chain alone", lambda s: s["datatrove_step"] / s["chain_alone"], "at most 1.3"),
    (
        "datatrove: what the step adds to stock reader and writer / the chain alone",
        lambda s: (s["datatrove_stock_and_step"] - s["datatrove_stock"]) / s["chain_alone"],
        "at most 1.3",
    ),
    ("datatrove: stock reader, step, stock writer / the chain alone", lambda s: s["datatrove_stock_and_step"] / s["chain_alone"], ""),
    ("datatrove: our reader, step, our writer / the chain alone", lambda s: s["datatrove_ours_and_step"] / s["chain_alone"], ""),
    ("decontam run / Beam in memory", lambda s: s["run"] / s["beam_screen"], "at least 0.6"),
    ("datatrove: stock reader and writer, level 3 / ours", lambda s: s["datatrove_stock"] / s["datatrove_ours"], ""),
    ("datatrove: stock reader and writer, level 10 / ours", lambda s: s["datatrove_stock_level_10"] / s["datatrove_ours"], "at least 4"),
)


def measure(case: Callable[[str, str], None], path: str) -> float:
    """CPU seconds of the loop of one case."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, __file__, "--case", case.__name__, path, out]
        # Everybody's modules are compiled to bytecode once, not in every process.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return float(json.loads(printed)["cpu"])


def _round(path: str) -> Seconds:
    loops = {case.__name__: measure(case, path) for case in CASES}
    return loops | {case.__name__: throughput.measure(case, path, __file__) for case in WHOLE}


def main(megabytes: float, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/corpus.jsonl.zst"
        corpus.write(Path(path), megabytes)
        lines = lines_of(path)
        size = sum(len(line) + 1 for line in lines) / 1e6
        print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
              f"{size:.0f} MB of JSON lines, {len(lines):,} documents, {repeats} rounds")  # fmt: skip
        throughput.split(path, 8)
        rounds = [_round(path) for _ in range(repeats)]
    for case in (*CASES, *WHOLE):
        spent = statistics.median(seconds[case.__name__] for seconds in rounds)
        print(f"{case.__name__:<26} {spent:8.2f} CPU s {size / spent:8.1f} MB/s   {(case.__doc__ or '').splitlines()[0]}")
    for name, ratio, goal in RATIOS:
        found = sorted(map(ratio, rounds))
        print(f"{name:<76} {statistics.median(found):5.2f}x   [{found[0]:.2f}, {found[-1]:.2f}]" + (f"   (goal {goal})" if goal else ""))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        {case.__name__: case for case in (*CASES, *WHOLE)}[sys.argv[2]](*sys.argv[3:])
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 100, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
