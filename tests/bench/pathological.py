"""Hostile lines beside prose: milliseconds of CPU time for 100 KB, and how many times what prose takes.

    python tests/bench/pathological.py [ROWS]

First the alphabets of tests/hostile.py, then for each rule its anchors, what it catches, and beginnings of that, over and
over: the ROWS dearest of each kind. Where a text is all findings, time goes into findings; they are told apart.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))

import corpus

from decontam.chain import Chain
from decontam.config import chain_of, load_config, rules_of
from decontam.prove import examples
from decontam.rules import Rule
from tests.hostile import PIECES, SIZE, prose, repeated

FEW = SIZE // 1000  # findings; with more of them a text is not only looked at but found


class Cost(NamedTuple):
    seconds: float
    findings: int
    name: str


def cost(chain: Chain, name: str, text: str, tries: int = 3) -> Cost:
    """The best of several tries; the first one pays for what RE2 learns from the text, and does not count."""
    found = len(chain.screen_text(text).findings)
    taken = []
    for _ in range(tries):
        started = time.process_time()
        chain.screen_text(text)
        taken.append(time.process_time() - started)
    return Cost(min(taken), found, name)


def prose_texts() -> list[str]:
    """Ten texts of 100 KB: of ../shared/data where it is there."""
    rows = (row["text"] for row in corpus.shared_rows("synthetic/*.jsonl.zst"))
    text = ""
    for row in rows:
        text += row + "\n"
        if len(text) > 10 * SIZE:
            break
    return [text[at : at + SIZE] for at in range(0, len(text) - SIZE, SIZE)] or [prose()]


def made_of(rule: Rule) -> Iterator[tuple[str, str]]:
    """Pieces of a rule that come close to what it looks for."""
    caught = next(text for part, text, _ in examples(rule) if part == "catches")
    yield "caught", caught + " "
    yield "all but the last character", caught[:-1]
    for quarters in (2, 3):
        yield f"{quarters}/4 of it", caught[: len(caught) * quarters // 4]
    if rule.anchors:
        yield "anchors", " ".join(rule.anchors) + " "


def show(title: str, costs: list[Cost], base: float, rows: int) -> None:
    print(f"\n{title}: {len(costs)} texts, {sum(c.seconds > 20 * base for c in costs)} of them above 20x")
    for seconds, findings, name in sorted(costs, reverse=True)[:rows]:
        print(f"{seconds * 1e3:8.1f} ms {seconds / base:6.1f}x {findings:6} findings  {name}")


def main(rows: int) -> None:
    gc.freeze()
    config = load_config()
    chain = chain_of(config)
    bases = sorted(cost(chain, "prose", text).seconds for text in prose_texts())
    base = bases[len(bases) // 2]
    print(f"prose: {base * 1e3:.2f} ms for {SIZE:,} characters (median of {len(bases)}, {bases[0] * 1e3:.2f} to {bases[-1] * 1e3:.2f})")
    show("alphabets", [cost(chain, name, repeated(piece)) for name, piece in PIECES.items()], base, rows)
    own = [cost(chain, f"{rule.name}: {what}", repeated(piece), 1) for rule in rules_of(config) for what, piece in made_of(rule) if piece]
    show("made of a rule, few findings", [c for c in own if c.findings <= FEW], base, rows)
    show("made of a rule, many findings", [c for c in own if c.findings > FEW], base, rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
