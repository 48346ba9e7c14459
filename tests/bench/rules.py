"""What each rule costs in the first pass and in its own: milliseconds of CPU time for each MB of ordinary text.

    python tests/bench/rules.py [MEGABYTES] [ROWS]

A rule that is dear both ways wants rarer anchors; one that is dear as a pattern and cheap by its anchors wants `gate: anchors`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import hyperscan
import orjson
import re2
import zstandard

sys.path.insert(0, str(Path(__file__).parent))

import corpus

from decontam import passes, scan
from decontam.config import load_config, rules_of
from decontam.rules import Rule

_TOO_LARGE = 5000  # RE2 instructions; such a pattern keeps hyperscan busy for minutes


def texts(megabytes: float) -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.zst"
        corpus.write(path, megabytes)
        with path.open("rb") as file:
            lines = zstandard.ZstdDecompressor().stream_reader(file).read().splitlines()
    return [orjson.loads(line)["text"].encode() for line in lines]


def cost(work: Callable[[bytes], object], data: list[bytes]) -> float:
    started = time.process_time()
    for text in data:
        work(text)
    return (time.process_time() - started) / sum(map(len, data)) * 1e9


def gated(expression: str, anchors: bool) -> Callable[[bytes], object] | None:
    try:
        run = passes.HyperscanPass(passes.gate_of([(expression, (0,), anchors)]))
    except hyperscan.error:
        return None
    return lambda text: run(text, {})


def priced(rule: Rule, data: list[bytes], empty: float) -> tuple[float | None, float]:
    """(as a pattern in the first pass, by its anchors with the pattern behind them)"""
    pattern = gated(rule.bounded, False) if rule.program < _TOO_LARGE else None
    first = passes.HyperscanPass(passes.gate_of([("|".join(map(re2.escape, rule.anchors)), (0,), True)]))
    looked_for = scan.compiled(rule)

    def behind(text: bytes) -> None:
        hits: passes.Hits = {}
        first(text, hits)
        for ends in hits.values():
            for window in looked_for.windows(ends, len(text)):
                list(scan.candidates(looked_for, text, *window))

    return (cost(pattern, data) - empty if pattern else None), cost(behind, data) - empty


def main(megabytes: float, rows: int) -> None:
    data = texts(megabytes)
    nothing = gated("qzqzqzqzqz", False)
    assert nothing is not None
    empty = cost(nothing, data)
    found = []
    for rule in rules_of(load_config()):
        if rule.anchors:
            pattern, anchors = priced(rule, data, empty)
            chosen = rule.gate or passes.cheaper_gate(rule)
            now = anchors if chosen == "anchors" or pattern is None else pattern
            found.append((now, rule.name, chosen, pattern, anchors))
    print(f"{'ms/MB':>7}  {'gate':<8} {'pattern':>8} {'anchors':>8}  rule ({empty:.2f} ms/MB is the price of any pass)")
    for now, name, chosen, pattern, anchors in sorted(found, reverse=True)[:rows]:
        print(f"{now:7.2f}  {chosen:<8} {'-' if pattern is None else f'{pattern:.2f}':>8} {anchors:8.2f}  {name}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 2, int(sys.argv[2]) if len(sys.argv) > 2 else 30)
