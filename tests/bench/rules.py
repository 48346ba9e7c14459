"""What each rule costs in the first pass and in its own: milliseconds of CPU time for each MB of ordinary text.

    python tests/bench/rules.py [MEGABYTES] [ROWS]

A rule that is dear by its anchors wants rarer ones, or an expression of its own as its `gate`; one that is cheaper as a pattern wants
`gate: pattern`. Rules that are looked for around a landmark or an anchor that others share cost less than either column says.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import hyperscan
import orjson
import re2
import zstandard

sys.path.insert(0, str(Path(__file__).parent))

import corpus

from decontam import matching, passes
from decontam.config import load_config, rules_of
from decontam.gates import Row
from decontam.rules import LARGEST_PROGRAM, Rule


def texts(megabytes: float) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.zst"
        corpus.write(path, megabytes)
        with path.open("rb") as file:
            lines = zstandard.ZstdDecompressor().stream_reader(file).read().splitlines()
    return [orjson.loads(line)["text"] for line in lines]


Data = list[tuple[bytes, int]]
"""Texts in UTF-8, and how many more bytes than characters each has."""


def cost(work: Callable[[bytes, int], object], data: Data) -> float:
    started = time.process_time()
    for text, extra in data:
        work(text, extra)
    return (time.process_time() - started) / sum(len(text) for text, _ in data) * 1e9


def gated(row: Row) -> Callable[[bytes], passes.Seen] | None:
    """Where a row is seen in a text; None if hyperscan does not take it."""
    try:
        run = passes.HyperscanPass([row])
    except hyperscan.error:
        return None

    def seen(text: bytes) -> passes.Seen:
        found: passes.Seen = defaultdict(list)
        run(text, found)
        return found

    return seen


def priced(rule: Rule, data: Data, empty: float) -> tuple[float | None, float]:
    """(as a pattern in the first pass, by its anchors with the pattern behind them)"""
    pattern = gated(Row(rule.bounded)) if rule.program <= LARGEST_PROGRAM else None
    literals = not rule.held
    first = gated(Row(rule.held or "|".join(map(re2.escape, rule.anchors)), literals=literals, everywhere=True))
    assert first is not None
    looked_for = matching.compiled(rule)

    def behind(text: bytes, extra: int) -> None:
        for ends in first(text).values():
            for window in looked_for.windows(list(zip(ends, ends, strict=True)), len(text), extra):
                list(matching.candidates(looked_for, text, *window))

    as_pattern = None if pattern is None else cost(lambda text, extra: pattern(text), data) - empty
    return as_pattern, cost(behind, data) - empty


def main(megabytes: float, rows: int) -> None:
    data = [(encoded := text.encode(), len(encoded) - len(text)) for text in texts(megabytes)]
    nothing = gated(Row("qzqzqzqzqz"))
    assert nothing is not None
    empty = cost(lambda text, extra: nothing(text), data)
    found = []
    for rule in rules_of(load_config()):
        if rule.anchors and not rule.opens:
            pattern, anchors = priced(rule, data, empty)
            found.append((min(anchors, anchors if pattern is None else pattern), rule.name, rule.gate or rule.landmark, pattern, anchors))
    print(f"{'ms/MB':>7}  {'pattern':>8} {'anchors':>8}  rule and its gate ({empty:.2f} ms/MB is the price of any pass)")
    for now, name, gate, pattern, anchors in sorted(found, key=lambda row: -row[0])[:rows]:
        print(f"{now:7.2f}  {'-' if pattern is None else f'{pattern:.2f}':>8} {anchors:8.2f}  {name}  {gate}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 2, int(sys.argv[2]) if len(sys.argv) > 2 else 30)
