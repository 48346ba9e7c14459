"""What the default config finds, and what it wrongly takes out, on the labelled sets of ../shared/data.

    python tests/bench/quality.py        (signatures: quality_signatures.py; secrets: quality_secrets.py)

Rates come with N and a 95 % Wilson interval. The packs were written with these sets at hand: read the figures as an upper bound.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from corpus import shared_rows
from rates import wilson

from decontam.chain import Chain
from decontam.config import chain_of, load_config
from decontam.types import Strength


def _spans(chain: Chain, stage: str, text: str) -> list[tuple[int, int, str]]:
    found = chain.screen_text(text).findings
    return [(*f.span, f.kind) for f in found if f.stage == stage and f.strength >= Strength.STRONG]


def _f1(chain: Chain, stage: str, sets: list[str], kinds: set[str] | None) -> None:
    for name in sets:
        right, said, wanted = Counter(), Counter(), Counter()
        for row in shared_rows(f"pii/{name}.jsonl.zst"):
            truth = [(s["start"], s["end"], s["type"]) for s in row["spans"] if kinds is None or s["type"] in kinds]
            ours = [span for span in _spans(chain, stage, row["text"]) if kinds is None or span[2] in kinds]
            overlap = lambda a, b: a[0] < b[1] and b[0] < a[1] and a[2] == b[2]  # noqa: E731
            for span in truth:
                wanted[span[2]] += 1
                right[span[2], "recall"] += any(overlap(span, mine) for mine in ours)
            for mine in ours:
                said[mine[2]] += 1
                right[mine[2], "precision"] += any(overlap(mine, span) for span in truth)
        print(f"{stage}: {name}: strong findings, typed span overlap")
        for kind, count in wanted.most_common(14):
            print(
                f"  {kind:<22} recall {wilson(right[kind, 'recall'], count):<34} precision {wilson(right[kind, 'precision'], said[kind])}"
            )


def _false_per_megabyte(chain: Chain, stage: str) -> None:
    hits: Counter[str] = Counter()
    size = 0
    for row in shared_rows("pii/neg_*.jsonl.zst"):
        size += len(row["text"].encode())
        hits.update(kind for *_, kind in _spans(chain, stage, row["text"]))
    per = ", ".join(f"{kind} {count}" for kind, count in hits.most_common(8))
    print(f"{stage}: {sum(hits.values()) / size * 1e6:.1f} strong hits per MB of real negatives and traps ({size / 1e6:.1f} MB): {per}")


def pii(chain: Chain) -> None:
    _f1(chain, "pii", ["gen_docs", "gen_ids", "presidio_research", "phone_examples", "iban_registry"], None)
    _false_per_megabyte(chain, "pii")


if __name__ == "__main__":
    pii(chain_of(load_config()))
