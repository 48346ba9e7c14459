"""How many schemes of identity numbers and formats of credentials the packs know, and how each of the former is checked.

    python tests/bench/facts_pii.py [--list]

A scheme is a kind of the packs ids_*.yaml; it is checked where one of its rules has a validator. Firms' numbers, which are only counted,
are told apart. A format is a rule of the secrets that names a product or standard; rules that go by the name before a value are not.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import decontam
from decontam.rules import Rule, read_pack
from decontam.types import Strength

PACKS = Path(decontam.__file__).parent / "packs"
BY_NAME = {"assignments", "named", "passwords"}
NO_CHECK = {"varied", "phone_like"}


def rules_of(pattern: str, without: set[str] = frozenset()) -> list[Rule]:
    return [rule for path in sorted(PACKS.glob(pattern)) if path.stem not in without for rule in read_pack(path)]


def schemes() -> dict[str, list[Rule]]:
    kinds: defaultdict[str, list[Rule]] = defaultdict(list)
    for rule in rules_of("pii/ids_*.yaml"):
        kinds[rule.kind].append(rule)
    return dict(kinds)


def formats() -> list[Rule]:
    return rules_of("secrets/*.yaml", BY_NAME)


def main(listed: bool) -> None:
    kinds = schemes()
    masked = {kind: rules for kind, rules in kinds.items() if max(rule.strength for rule in rules) >= Strength.STRONG}
    checked = [kind for kind, rules in masked.items() if any(set(rule.validator) - NO_CHECK for rule in rules)]
    bare = [kind for kind in checked if any(not rule.anchors and rule.strength >= Strength.STRONG for rule in masked[kind])]
    rules = sum(map(len, masked.values()))
    print(f"identity numbers: {len(masked)} schemes by {rules} rules; {len(checked)} of them checked, {len(bare)} found")
    print(f"  without a word beside them too; {len(kinds) - len(masked)} more of firms, counted")
    print(f"credentials: {len(formats())} formats, and {len(rules_of('secrets/*.yaml')) - len(formats())} rules by the names before them")
    if listed:
        print("checked:", ", ".join(sorted(checked)))
        print("by words alone:", ", ".join(sorted(set(masked) - set(checked))))
        print("formats:", ", ".join(rule.id for rule in formats()))


if __name__ == "__main__":
    main("--list" in sys.argv)
