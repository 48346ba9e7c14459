"""What the default config finds, and what it wrongly takes out, on the labelled sets of ../shared/data.

    python tests/bench/quality.py [signatures] [pii] [secrets]

Rates come with N and a 95 % Wilson interval. The packs were written with these sets at hand: read the figures as an upper bound.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from corpus import shared_rows

from decontam.chain import Chain
from decontam.config import chain_of, load_config
from decontam.types import Action, Strength


def wilson(hits: int, n: int) -> str:
    """A rate with its 95 % interval."""
    if not n:
        return "-"
    z, p = 1.96, hits / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return f"{p:6.1%} [{max(0, low):.1%}, {min(1, high):.1%}] of {n:,}"


def _print_rates(title: str, groups: dict[str, list[bool]]) -> None:
    print(title)
    for name, hits in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        print(f"  {name:<34} {wilson(sum(hits), len(hits))}")


def signatures(chain: Chain) -> None:
    found, evaded, attributed, false = (defaultdict(list) for _ in range(4))
    for row in shared_rows("signatures/positives.jsonl.zst"):
        verdict = chain.screen_text(row["text"])
        taken = verdict.action >= Action.QUARANTINE
        found["all"].append(taken)
        found[row["kind"]].append(taken)
        if row.get("evasion"):
            evaded[row["evasion"]].append(taken)
        sure = [f for f in verdict.findings if f.stage == "signatures" and f.strength == Strength.CONCLUSIVE]
        if sure and row["provider"] != "unknown-llm":
            providers = {p for f in sure for p in (f.detail.get("providers") or [f.provider])}
            attributed["all"].append(row["provider"] in providers)
    for row in shared_rows("signatures/negatives.jsonl.zst"):
        taken = any(f.stage == "signatures" and f.strength == Strength.CONCLUSIVE for f in chain.screen_text(row["text"]).findings)
        false["all"].append(taken)
        false[row["neg_type"]].append(taken)
    _print_rates("signatures: recordings quarantined, by kind", found)
    _print_rates("signatures: evasions quarantined", evaded)
    _print_rates("signatures: provider among those of a conclusive finding", attributed)
    _print_rates("signatures: near misses quarantined (false alarms), by type", false)


def _spans(chain: Chain, stage: str, text: str) -> list[tuple[int, int, str]]:
    found = chain.screen_text(text).findings
    return [(*f.span, f.kind) for f in found if f.stage == stage and f.strength >= Strength.STRONG]


def _f1(chain: Chain, stage: str, sets: list[str], kinds: set[str] | None) -> None:
    for name in sets:
        right, said, wanted = Counter(), Counter(), Counter()
        for row in shared_rows(f"pii/{name}.jsonl.zst"):
            truth = [(s["start"], s["end"], s["type"]) for s in row["spans"] if kinds is None or s["type"] in kinds]
            ours = [span for span in _spans(chain, stage, row["text"]) if kinds is None or span[2] in kinds]
            overlap = lambda a, b: a[0] < b[1] and b[0] < a[1] and (a[2] == b[2] or stage == "secrets")  # noqa: E731
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


def secrets(chain: Chain) -> None:
    _f1(chain, "secrets", ["gen_secrets", "gitleaks_tests", "noseyparker_rules"], None)
    _false_per_megabyte(chain, "secrets")


if __name__ == "__main__":
    for part in sys.argv[1:] or ["signatures", "pii", "secrets"]:
        {"signatures": signatures, "pii": pii, "secrets": secrets}[part](chain_of(load_config()))
