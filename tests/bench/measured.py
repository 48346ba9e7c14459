"""Writes decontam/data/measured.json, which `decontam attest` cites: how much each stage finds and wrongly takes, by provider or kind.

    python tests/bench/measured.py [--every N]

Counts, not rates, from the labelled sets of ../shared/data; of the 80,000 human documents every Nth (20) is looked at. The rules were
written with these sets at hand: the figures are an upper bound, and the file says so. Stages that are not in it are "not measured".
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from corpus import shared_rows
from quality_pii import DOCUMENTS, counts, rows_of, spans
from quality_secrets import GENERATED, SECRET, TRAPS, secrets_alone, strong
from quality_signatures import REAL, SAID, signatures_alone, taken
from rates import wilson

import decontam
from decontam.chain import Chain
from decontam.config import chain_of, load_config, rules_of
from decontam.proof import digest_of
from decontam.types import Action

PATH = Path(decontam.__file__).parent / "data/measured.json"
UPPER = "the rules were written with these sets at hand, so the figures are an upper bound"


def of_signatures(chain: Chain, every: int) -> dict:
    found, all_of = defaultdict(int), defaultdict(int)
    for row in shared_rows("signatures/positives.jsonl.zst"):
        if row["kind"] in REAL | SAID and not row.get("evasion"):
            all_of[row["provider"]] += 1
            found[row["provider"]] += taken(chain.screen_text(row["text"]))
    near = [chain.screen_text(row["text"]).action >= Action.QUARANTINE for row in shared_rows("signatures/negatives.jsonl.zst")]
    people = [row for row in shared_rows("synthetic/*.jsonl.zst") if row["label"] == "human" and row["attack"] in (None, "none")][::every]
    human = [taken(chain.screen_text(row["text"])) for row in people]
    return {
        "by": "provider",
        "found": {name: [found[name], all_of[name]] for name in sorted(all_of)},
        "false": {"near misses quarantined": [sum(near), len(near)], "human documents taken out or cut": [sum(human), len(human)]},
        "set": f"recorded payloads, streams, citations, interface artefacts, refusals; {UPPER}",
    }


def of_pii(chain: Chain) -> dict:
    rows = [row for name in DOCUMENTS for row in rows_of(name, lambda text: spans(chain, text))]
    kinds = {span[2] for row in rows for span in row.truth}
    looked_for = {rule.kind for rule in rules_of(load_config()) if rule.stage == "pii"}
    found, said = {}, {}
    for kind in sorted(kinds & looked_for):
        recalled, truth, _, all_found = map(sum, zip(*(counts(row, {kind}) for row in rows), strict=True))
        if truth >= 20:
            # Labels of several sets call one thing by several kinds; what stands where nothing is labelled is wrong.
            wrong = sum(
                not any(a < span[1] and span[0] < b for a, b, _ in row.truth) for row in rows for span in row.found if span[2] == kind
            )
            found[kind], said[kind] = [recalled, truth], [wrong, all_found]
    traps = [bool(strong_of(chain, row["text"])) for row in shared_rows("pii/neg_traps.jsonl.zst")]
    return {
        "by": "kind",
        "found": found,
        "false_of_found": said,
        "not_looked_for": sorted(kinds - looked_for),
        "false": {"trap documents hit": [sum(traps), len(traps)]},
        "set": f"generated, synthetic and clinical documents in several languages; {UPPER}",
    }


def strong_of(chain: Chain, text: str) -> list:
    return [finding for finding in chain.screen_text(text).findings if finding.stage == "pii" and finding.strength >= 2]


def of_secrets(chain: Chain) -> dict:
    recalled = truth = 0
    for row in shared_rows(f"pii/{GENERATED}.jsonl.zst"):
        mine = strong(chain.screen_text(row["text"]))
        true = [(span["start"], span["end"]) for span in row["spans"] if span["type"] in SECRET]
        truth += len(true)
        recalled += sum(any(start < b and a < end for a, b in mine) for start, end in true)
    traps = [bool(strong(chain.screen_text(row["text"]))) for row in shared_rows(f"pii/{TRAPS}.jsonl.zst")]
    return {
        "by": "kind",
        "found": {"SECRET": [recalled, truth]},
        "false": {"trap documents hit": [sum(traps), len(traps)]},
        "set": f"generated credentials in files and prose; {UPPER}",
    }


def main(every: int) -> None:
    config = load_config()
    rules = rules_of(config)
    stages = {
        "signatures": of_signatures(signatures_alone(), every),
        "secrets": of_secrets(secrets_alone()),
        "pii": of_pii(chain_of(config)),
    }
    for stage, told in stages.items():
        told["rules"] = digest_of(sorted(f"{rule.name}@{rule.revision}" for rule in rules if rule.stage == stage))
        for what, (hits, n) in told["found"].items():
            print(f"{stage:<11} {what:<28} found {wilson(hits, n)}")
        for what, (hits, n) in told["false"].items():
            print(f"{stage:<11} {what:<28} false {wilson(hits, n)}")
    content = {
        "schema": 1,
        "by": "python tests/bench/measured.py",
        "at": date.today().isoformat(),
        "version": decontam.__version__,
        "stages": stages,
    }
    PATH.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main(int(sys.argv[sys.argv.index("--every") + 1]) if "--every" in sys.argv else 20)
