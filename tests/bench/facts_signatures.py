"""Which of the collected facts about signatures the rules catch, told by text that each fact's own pattern matches.

    python tests/bench/facts_signatures.py [--misses]

Facts are those of ../shared/reference/signatures.jsonl. A fact counts as covered when, of the labelled recordings in which its pattern
matches, a finding overlaps the match (or the match lies in a payload that was found); a fact that no recording shows counts as covered
when a rule shares one of its anchors and a provider or the kind. Unverified facts are counted apart.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict

import orjson
from corpus import SHARED, shared_rows
from quality_signatures import signatures_alone
from rates import print_rates

from decontam.chain import Chain
from decontam.config import load_config, rules_of
from decontam.rules import Rule, compile_pattern

_LONGEST = 9000  # characters of a recording that are looked at
_ENOUGH = 3  # recordings of a fact
_TELLING = 4  # characters of an anchor


def main(misses: bool) -> None:
    chain = signatures_alone()
    rules = [rule for rule in rules_of(load_config()) if rule.stage == "signatures"]
    lines = (SHARED.parent / "reference" / "signatures.jsonl").read_bytes().splitlines()
    facts = [orjson.loads(line) for line in lines]
    texts = [row["text"][:_LONGEST] for row in shared_rows("signatures/positives.jsonl.zst")]
    covered = defaultdict(list)
    for fact in facts:
        pattern = re.compile(fact["regex"])
        anchors = [anchor.casefold() for anchor in fact["anchors"]]
        shown = (text for text in texts if not anchors or any(anchor in text.casefold() for anchor in anchors))
        matches = [(text, match.span()) for text in shown if (match := pattern.search(text))][:_ENOUGH]
        if matches:
            caught, how = any(_is_caught(chain, text, span) for text, span in matches), "shown by a recording"
        else:
            caught, how = any(_is_meant(rule, anchors, fact) for rule in rules), "known by anchor and provider"
        group = "unverified" if "unverified" in fact["evidence"] else "verified"
        covered[f"{group}, {how}"].append(caught)
        covered[f"  {group}: {fact['kind']}"].append(caught)
        if misses and not caught:
            print(f"not covered: {group} {fact['kind']} {fact['id']} ({how}): {fact['anchors'][:3]}")
    print_rates("facts covered", dict(sorted(covered.items())))


def _is_caught(chain: Chain, text: str, span: tuple[int, int]) -> bool:
    for finding in chain.screen_text(text).findings:
        start, end = finding.detail.get("extent", finding.span)
        if start < span[1] and span[0] < end:
            return True
    return False


def _is_meant(rule: Rule, anchors: list[str], fact: dict) -> bool:
    """Whether a rule looks for what the fact names: it matches an anchor, or holds it, for one of its providers."""
    if any(compile_pattern(f"(?i){rule.pattern}").search(anchor.encode()) for anchor in anchors):
        return True
    known = " ".join((*rule.anchors, *rule.catches, rule.pattern.replace("\\", ""))).casefold()
    kin = set(rule.provider) & {*fact["providers"], "any-llm", "any-openai-compatible"}
    return bool(kin) and any(len(anchor) > _TELLING and anchor.strip("\"'<>|:_ ") in known for anchor in anchors)


if __name__ == "__main__":
    main("--misses" in sys.argv)
