"""How good the `pii` stage is, on the labelled sets of ../shared/data: the goals of the stage, line by line.

    python tests/bench/quality_pii.py [--misses] [--traps] [--peers PYTHON]

A span counts as found when a finding of its kind overlaps it that the default policy masks; kinds that are only counted (firms, public
ledgers) count at any strength. Rates come with N and a 95 % interval: Wilson for rates, a bootstrap over documents for F1. Hits on real
negatives that somebody read and held to be true stand in adjudicated_pii.txt. `--misses` lists what was missed and wrongly found, by cause;
`--peers` adds datatrove, and Presidio's patterns and scrubadub where that interpreter has them, on a sample of the documents.
The packs were written with these sets at hand: read the figures as an upper bound.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

import orjson
from corpus import shared_rows
from rates import wilson

from decontam.chain import Chain
from decontam.config import chain_of, load_config
from decontam.types import Strength

DOCUMENTS, IDS = ["gen_docs", "presidio_research", "meddocan"], ["gen_docs", "gen_ids"]
GOALS = {"EMAIL": 0.99, "PHONE": 0.93, "IP": 0.99, "CREDIT_CARD": 0.98, "IBAN": 0.98, "US_SSN": 0.95, "national ids": 0.92}
# Firms' numbers and public ledgers: what pii.md says to count and not to mask.
COUNTED = {"BIC", "US_EIN", "CN_USCC", "IN_GSTIN", "BR_CNPJ", "IT_IVA", "PL_NIP", "AU_ABN", "CRYPTO"}
NO_IDS = {"EMAIL", "PHONE", "NAME", "ADDRESS", "IP", "DOB", "CREDIT_CARD", "IBAN", "MAC", "USERNAME", "DATE", "US_SSN"}
ASIAN = {"zh", "ja"}
SAMPLE = 800
Found = tuple[int, int, str]


class Row(NamedTuple):
    """One labelled text, and what was found in it. `right` and `said` are (hits, all) of one kind."""

    id: str
    text: str
    lang: str
    truth: tuple[Found, ...]
    found: tuple[Found, ...]
    why: str = ""


def overlap(a: Found, b: Found) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] == b[2]


def spans(chain: Chain, text: str) -> tuple[Found, ...]:
    found = chain.screen_text(text).findings
    return tuple((*f.span, f.kind) for f in found if f.strength >= Strength.STRONG or (f.kind in COUNTED and f.strength >= Strength.WEAK))


def rows_of(name: str, find: Callable[[str], Iterable[Found]]) -> list[Row]:
    return [
        Row(
            row["id"],
            row["text"],
            row["lang"],
            tuple((s["start"], s["end"], s["type"]) for s in row["spans"]),
            tuple(find(row["text"])),
            str(row.get("meta", {}).get("trap", "")),
        )
        for row in shared_rows(f"pii/{name}.jsonl.zst")
    ]


def counts(row: Row, kinds: set[str]) -> tuple[int, int, int, int]:
    """True spans found, true spans, right findings, findings."""
    truth, found = ([s for s in spans if s[2] in kinds] for spans in (row.truth, row.found))
    recalled = sum(any(overlap(span, mine) for mine in found) for span in truth)
    return recalled, len(truth), sum(any(overlap(mine, span) for span in truth) for mine in found), len(found)


def f1(sums: Iterable[int]) -> float:
    recalled, truth, right, found = sums
    recall, precision = recalled / max(1, truth), right / max(1, found)
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def scored(rows: list[Row], kinds: set[str]) -> tuple[tuple[int, int, int, int], float, tuple[float, float]]:
    """The sums, F1, and its interval from 200 bootstraps over the documents that hold or were said to hold the kinds."""
    each = [sums for row in rows if any(sums := counts(row, kinds))]
    total = tuple(map(sum, zip(*each, strict=True))) if each else (0, 0, 0, 0)
    draw = random.Random(7)
    again = sorted(f1(map(sum, zip(*draw.choices(each, k=len(each)), strict=True))) for _ in range(200)) if each else [0.0]
    return total, f1(total), (again[int(len(again) * 0.025)], again[int(len(again) * 0.975)])  # type: ignore[return-value]


def line(name: str, rows: list[Row], kinds: set[str], goal: float | None = None) -> float:
    (recalled, truth, right, found), score, (low, high) = scored(rows, kinds)
    mark = "" if goal is None else f"  goal {goal:.2f} {'reached' if score >= goal else 'MISSED'}"
    print(f"{name:<24} F1 {score:.3f} [{low:.3f}, {high:.3f}]  P {wilson(right, found)}  R {wilson(recalled, truth)}{mark}")
    return score


def table(sets: dict[str, list[Row]]) -> None:
    documents = [row for name in DOCUMENTS for row in sets[name]]
    ids = [row for name in IDS for row in sets[name]]
    schemes = {span[2] for row in ids for span in row.truth} - NO_IDS
    print("== kinds: gen_docs + presidio_research + meddocan (US_SSN adds gen_ids; national ids: gen_docs + gen_ids)")
    for kind, goal in GOALS.items():
        rows = ids if kind == "national ids" else documents + sets["gen_ids"] if kind == "US_SSN" else documents
        line(kind, rows, schemes if kind == "national ids" else {kind}, goal)
    line("  ids, count-only apart", ids, schemes - COUNTED)
    line("  ids, in documents", sets["gen_docs"], schemes)
    for kind in ("MAC", "NAME", "ADDRESS", "DOB"):
        line(kind, documents, {kind})
    print("== other sets")
    for name, kind in (("phone_examples", "PHONE"), ("libphonenumber_matcher", "PHONE"), ("iban_registry", "IBAN")):
        line(f"{name}: {kind}", sets[name], {kind})
    line(
        "presidio_tests: all", sets["presidio_tests"], {s[2] for row in sets["presidio_tests"] for s in row.truth} - {"NAME", "DATE", "URL"}
    )
    print("== national ids, scheme by scheme")
    for kind in sorted(schemes, key=lambda kind: scored(ids, {kind})[1]):
        line(f"{kind}{' (counted)' * (kind in COUNTED)}", ids, {kind})
    print("== per language, gen_docs")
    by_language = defaultdict(list)
    for row in sets["gen_docs"]:
        by_language["zh+ja" if row.lang in ASIAN else row.lang].append(row)
    for language, rows in by_language.items():
        parts = [f"{kind} {scored(rows, {kind})[1]:.3f}" for kind in ("EMAIL", "PHONE", "IP", "CREDIT_CARD", "IBAN")]
        print(f"{language:<6} {', '.join(parts)}, ids {scored(rows, schemes)[1]:.3f}")
    for kind in ("EMAIL", "PHONE", "IP", "CREDIT_CARD", "IBAN"):
        english, asian = (scored(by_language[name], {kind})[1] for name in ("en", "zh+ja"))
        print(f"  {kind}: Chinese and Japanese {english - asian:+.3f} below English  {'reached' if english - asian <= 0.02 else 'MISSED'}")


def adjudicated() -> set[str]:
    """Digests of document and value of the hits on negatives that were read and held to be true."""
    lines = Path(__file__).with_name("adjudicated_pii.txt").read_text("utf-8").splitlines()
    return {line.split()[0] for line in lines if line and not line.startswith("#")}


def digest(row: Row, span: Found) -> str:
    return hashlib.sha256(f"{row.id} {span[2]} {row.text[span[0] : span[1]]}".encode()).hexdigest()[:16]


def negatives(sets: dict[str, list[Row]], examples: bool, known: set[str]) -> None:
    real = [row for name, rows in sets.items() if name.startswith("neg_") and name != "neg_traps" for row in rows]
    size = sum(len(row.text.encode()) for row in real) / 1e6
    hits = [(row, span) for row in real for span in row.found if span[2] not in COUNTED]
    false = [(row, span) for row, span in hits if digest(row, span) not in known]
    kinds = Counter(span[2] for _, span in false)
    rate = len(false) / size
    print(f"== real negatives: {rate:.2f} false hits per MB ({len(false)} in {size:.1f} MB; {len(hits) - len(false)} more held to be true)")
    print(f"   goal 5 {'reached' if rate <= 5 else 'MISSED'}; {', '.join(f'{kind} {n}' for kind, n in kinds.most_common())}")
    counted = Counter(span[2] for row in real for span in row.found if span[2] in COUNTED)
    print(f"   counted, not masked: {', '.join(f'{kind} {n}' for kind, n in counted.most_common()) or 'none'}")
    traps = sets["neg_traps"]
    hit = [row for row in traps if any(span[2] not in COUNTED for span in row.found)]
    print(f"   trap documents hit: {wilson(len(hit), len(traps))}  goal 1 % {'reached' if len(hit) <= len(traps) / 100 else 'MISSED'}")
    if examples:
        for row, span in false:
            print("   FALSE", digest(row, span), row.id, span[2], shown(row, span))
        for row in hit:
            print("   TRAP", row.why, [span[2] for span in row.found], row.text[:120].replace("\n", "\\n"))


def shown(row: Row, span: Found) -> str:
    start, end, _ = span
    marked = f"{row.text[max(0, start - 40) : start]}⟦{row.text[start:end]}⟧{row.text[end : end + 20]}"
    return marked.replace("\n", "\\n")


def misses(sets: dict[str, list[Row]], kinds: set[str]) -> None:
    """What was missed, and what was wrongly found in documents, by what stood there instead."""
    causes: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name in (*DOCUMENTS, "gen_ids", "phone_examples", "libphonenumber_matcher", "iban_registry", "presidio_tests"):
        for row in sets[name]:
            ours = kinds
            for span in row.truth:
                if span[2] in ours and not any(overlap(span, mine) for mine in row.found):
                    other = next((mine[2] for mine in row.found if overlap((*span[:2], mine[2]), mine)), "nothing")
                    causes["missed", f"{name} {span[2]}", f"{other} there"].append(shown(row, span))
            for mine in row.found:
                if mine[2] in ours - {"NAME", "ADDRESS", "DOB"} and not any(overlap(mine, span) for span in row.truth):
                    other = next((span[2] for span in row.truth if overlap((*span[:2], mine[2]), mine)), "nothing")
                    causes["false", f"{name} {mine[2]}", f"{other} labelled"].append(shown(row, mine))
    for cause, examples in sorted(causes.items(), key=lambda item: -len(item[1])):
        print(f"-- {len(examples):>4} {' | '.join(cause)}")
        for example in examples[:: max(1, len(examples) // 4)][:5]:
            print(f"       {example}")


def peers(python: str, sets: dict[str, list[Row]]) -> None:
    """The same rows through other tools. What an interpreter lacks is said, not skipped in silence."""
    draw = random.Random(7)
    sample = {
        name: draw.sample(sets[name], min(SAMPLE, len(sets[name]))) for name in ("gen_docs", "presidio_research", "gen_ids", "neg_traps")
    }
    texts = [row.text for rows in sample.values() for row in rows]
    script = Path(__file__).with_name("peers_pii.py")
    run = subprocess.run([python, str(script)], input=orjson.dumps(texts), stdout=subprocess.PIPE, check=True)
    found = {"decontam": [row.found for rows in sample.values() for row in rows], **orjson.loads(run.stdout)}
    schemes = {span[2] for row in sample["gen_ids"] for span in row.truth} - NO_IDS
    print(f"== peers, F1 (precision/recall) on the same {len(texts)} texts; traps hit of {len(sample['neg_traps'])}")
    for peer, each in found.items():
        if isinstance(each, str):
            print(f"{peer:<12} {each}")
            continue
        rest = iter(each)
        mine = {name: [row._replace(found=tuple(map(tuple, next(rest)))) for row in rows] for name, rows in sample.items()}
        parts = []
        for kind in GOALS:
            kinds = schemes if kind == "national ids" else {kind}
            (recalled, truth, right, said), score, _ = scored([row for name in sample if name != "neg_traps" for row in mine[name]], kinds)
            parts.append(f"{kind} {score:.2f} ({right / max(1, said):.2f}/{recalled / max(1, truth):.2f})")
        print(f"{peer:<12} {', '.join(parts)}; traps {sum(bool(row.found) for row in mine['neg_traps'])}")


def main(argv: list[str]) -> None:
    chain = chain_of(load_config(None, {"stages": {name: {"enabled": name == "pii"} for name in load_config().stages}}))
    negative = ("bib", "changelogs", "code", "lockfiles", "logs", "prose", "tables", "traps")
    labelled = (*DOCUMENTS, "gen_ids", "phone_examples", "libphonenumber_matcher", "iban_registry", "presidio_tests")
    sets = {name: rows_of(name, lambda text: spans(chain, text)) for name in (*labelled, *(f"neg_{kind}" for kind in negative))}
    table(sets)
    negatives(sets, "--traps" in argv or "--misses" in argv, adjudicated())
    if "--misses" in argv:
        misses(sets, {rule.kind for rule in chain.stages[0].scanner.rules})
    if "--peers" in argv:
        peers(argv[argv.index("--peers") + 1], sets)


if __name__ == "__main__":
    main(sys.argv[1:])
