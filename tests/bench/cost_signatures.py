"""What the signature rules cost, beside what they have to be measured by; CPU time, interleaved, medians of ratios within one run.

    python tests/bench/cost_signatures.py [MEGABYTES]

clean   prose and code in which no rule fires, as JSON lines
dirty   the labelled recordings, as JSON lines
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).parent))

from corpus import machine_texts, shared_rows

from decontam.config import load_config, rules_of
from decontam.scan import Scanner
from decontam.view import View

ROUNDS = 7


def clean_texts(scanner: Scanner, size: float) -> list[str]:
    """Human prose, and sources of this machine, of which the scanner finds nothing."""
    texts: list[str] = []
    taken = 0
    human = (row["text"] for row in shared_rows("synthetic/h_*.jsonl.zst"))
    sources = [(human, size * 2 / 3), (machine_texts(), size)]
    for source, until in sources:
        for text in source:
            if taken >= until:
                break
            if not scanner.find(View.of(text)):
                texts.append(text)
                taken += len(text.encode("utf-8", "replace"))
    return texts


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def interleaved(works: Sequence[Callable[[], object]]) -> list[list[float]]:
    """Seconds of each work, round after round, so that a busy neighbour slows all of them."""
    return [[seconds(work) for work in works] for _ in range(ROUNDS)]


def ratio(rounds: Sequence[Sequence[float]], over: int, under: int) -> float:
    return statistics.median(times[over] / times[under] for times in rounds)


def scan(scanner: Scanner, texts: Sequence[str]) -> None:
    for text in texts:
        scanner.find(View.of(text))


def parse(lines: Sequence[bytes]) -> None:
    for line in lines:
        orjson.loads(line)["text"].encode()


def main(megabytes: float) -> None:
    rules = tuple(rule for rule in rules_of(load_config()) if rule.stage == "signatures")
    every = Scanner(rules)
    hundred = Scanner(rules[:: len(rules) // 100 + 1] + rules[1 :: len(rules) // 100 + 1][: 100 - len(rules[:: len(rules) // 100 + 1])])
    clean = clean_texts(every, megabytes * 1e6)
    dirty = [row["text"] for row in shared_rows("signatures/positives.jsonl.zst")]
    for name, texts in (("clean", clean), ("dirty", dirty)):
        lines = [orjson.dumps({"text": text}) for text in texts]
        size = sum(map(len, lines)) / 1e6
        rounds = interleaved([lambda: scan(every, texts), lambda: scan(hundred, texts), lambda: parse(lines)])  # noqa: B023
        took = [statistics.median(column) for column in zip(*rounds, strict=True)]
        print(f"{name}: {size:.1f} MB; all {len(rules)} rules {size / took[0]:.0f} MB/s, 100 rules {size / took[1]:.0f}, "
              f"orjson.loads + encode {size / took[2]:.0f}")  # fmt: skip
        print(f"  all rules / 100 rules, seconds          {ratio(rounds, 0, 1):.2f}")
        print(f"  parse and encode / all rules, seconds   {ratio(rounds, 2, 0):.2f}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20)
