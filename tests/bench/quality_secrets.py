"""How good the `secrets` stage is, on the labelled sets of ../shared/data: what it finds, and what it wrongly takes.

    python tests/bench/quality_secrets.py [--misses] [--peers PYTHON]

Found is what a strong finding overlaps. Rates come with N and a 95 % Wilson interval. Examples of other scanners' rules count for
recall alone: many of them are placeholders, and what they leave unlabelled is often a secret of another kind. `--misses` lists
causes and what was taken from negatives; `--peers` names the Python of a virtual environment that has detect-secrets, and asks it
the same. The packs were written with these sets at hand: read the figures as an upper bound.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from corpus import shared_rows
from rates import wilson

from decontam.chain import Chain
from decontam.config import chain_of, load_config, rules_of
from decontam.types import Strength, Verdict

GENERATED, EXAMPLES = "gen_secrets", ("gitleaks_tests", "noseyparker_rules")
TRAPS = "neg_traps"
SECRET = {"SECRET", "URL_CRED"}
Spans = list[tuple[int, int]]
Finder = Callable[[list[str]], list[Spans]]

# What a peer says of texts on its standard input, in its own environment: detect-secrets names values and lines, not spans.
_DETECT_SECRETS = """
import json, sys
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import default_settings
with default_settings():
    for line in sys.stdin:
        text, spans, at = json.loads(line), [], 0
        for part in text.splitlines(keepends=True):
            for secret in scan_line(part):
                start = part.find(secret.secret_value or "\\0")
                spans.append((at + max(0, start), at + (start + len(secret.secret_value) if start >= 0 else len(part))))
            at += len(part)
        print(json.dumps(spans))
"""


def secrets_alone() -> Chain:
    return chain_of(load_config(None, {"stages": {name: {"enabled": name == "secrets"} for name in load_config().stages}}))


def strong(verdict: Verdict) -> Spans:
    return [(f.span.start, f.span.end) for f in verdict.findings if f.strength >= Strength.STRONG]


def ours(chain: Chain) -> Finder:
    return lambda texts: [strong(chain.screen_text(text)) for text in texts]


def detect_secrets(python: str) -> Finder:
    def find(texts: list[str]) -> list[Spans]:
        lines = "".join(json.dumps(text) + "\n" for text in texts)
        done = subprocess.run([python, "-c", _DETECT_SECRETS], input=lines, capture_output=True, text=True, check=True)
        return [[(start, end) for start, end in json.loads(line)] for line in done.stdout.splitlines()]

    return find


def _overlaps(span: tuple[int, int], others: Iterable[tuple[int, int]]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in others)


class Labelled(NamedTuple):
    row: dict
    truth: Spans
    said: Spans


def labelled(name: str, find: Finder) -> list[Labelled]:
    rows = list(shared_rows(f"pii/{name}.jsonl.zst"))
    said = find([row["text"] for row in rows])
    return [
        Labelled(row, [(s["start"], s["end"]) for s in row["spans"] if s["type"] in SECRET], spans)
        for row, spans in zip(rows, said, strict=True)
    ]


def print_set(name: str, rows: list[Labelled], with_precision: bool) -> None:
    found = [_overlaps(span, row.said) for row in rows for span in row.truth]
    line = f"  {name:<22} recall {wilson(sum(found), len(found)):<34}"
    if with_precision:
        right = [_overlaps(span, row.truth) for row in rows for span in row.said]
        recall, precision = sum(found) / max(1, len(found)), sum(right) / max(1, len(right))
        f1 = 2 * recall * precision / max(1e-9, recall + precision)
        line += f" precision {wilson(sum(right), len(right)):<34} F1 {f1:.3f}"
    else:
        clean = [not row.said for row in rows if not row.truth]
        line += f" unlabelled rows left alone {wilson(sum(clean), len(clean))}"
    print(line)


def shape(value: str) -> str:
    """What a value looks like, for those that list misses: the cause by which they are counted."""
    plain = value.strip("\"'")
    low = plain.lower()
    if len(set(low)) < 5 or re.search(r"example|xxxx|deadbeef|12345|abcdef|your|test|secret|password|\*\*\*|placeholder", low):
        return "sample or placeholder"
    if re.fullmatch(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", low):
        return "UUID"
    for name, pattern in (("digits", r"\d+"), ("hex", r"[0-9a-f]{16,}"), ("letters alone", r"[a-z]+"), ("base 64", r"[\w+/=-]{16,}")):
        if re.fullmatch(pattern, low):
            return name
    return "short" if len(plain) < 16 else "longer than a line" if "\n" in value else "mixed"


def print_misses(chain: Chain, name: str, rows: list[Labelled], list_all: bool) -> None:
    causes: Counter[tuple[str, str]] = Counter()
    for row, truth, said in rows:
        for start, end in truth:
            if not _overlaps((start, end), said):
                verdict = chain.screen_text(row["text"])
                weak = [f.rule for f in verdict.findings if _overlaps((start, end), [(f.span.start, f.span.end)])]
                cause = (shape(row["text"][start:end]), f"seen weakly by {weak[0]}" if weak else "nothing seen")
                causes[cause] += 1
                if list_all:
                    print(f"missed {row['id']} {row['meta'].get('rule', row['source'].rpartition('/')[2])}: {', '.join(cause)}")
    print(f"  misses of {name} by cause: " + ", ".join(f"{what} ({seen}) {n}" for (what, seen), n in causes.most_common(14)))


def print_negatives(find: Finder, misses: bool) -> None:
    hits: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for path in ("bib", "changelogs", "code", "lockfiles", "logs", "prose", "tables"):
        for row, _, said in labelled(f"neg_{path}", find):
            sizes[path] += len(row["text"].encode())
            hits[path] += len(said)
            if misses and said:
                print(f"taken from {row['id']}: {len(said)} at {said[0]}")
    size = sum(sizes.values()) / 1e6
    each = ", ".join(f"{path} {hits[path]}" for path in sizes)
    print(f"  real negatives: {sum(hits.values())} hits in {size:.1f} MB, {sum(hits.values()) / max(size, 1e-9):.2f} per MB ({each})")
    traps = labelled(TRAPS, find)
    print(f"  traps hit: {wilson(sum(bool(row.said) for row in traps), len(traps))}")
    if misses:
        print("  traps by kind:", Counter(row.row["meta"]["trap"] for row in traps if row.said).most_common(8))


def measure(title: str, find: Finder, chain: Chain | None, misses: bool) -> None:
    print(title)
    for name in (GENERATED, *EXAMPLES):
        rows = labelled(name, find)
        print_set(name, rows, name == GENERATED)
        if chain:
            print_misses(chain, name, rows, misses)
    print_negatives(find, misses and chain is not None)


if __name__ == "__main__":
    stage = secrets_alone()
    count = sum(rule.stage == "secrets" for rule in rules_of(load_config()))
    measure(f"decontam, stage secrets, {count} rules", ours(stage), stage, "--misses" in sys.argv)
    if "--peers" in sys.argv:
        measure(
            "detect-secrets, eager line mode (no filters of files)", detect_secrets(sys.argv[sys.argv.index("--peers") + 1]), None, False
        )
