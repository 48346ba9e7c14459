"""The shipped packs prove themselves; so does a pack of anybody's, with `decontam rules test`."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import decontam
from decontam.config import load_config, rules_of
from decontam.prove import failures
from decontam.rules import Rule
from decontam.types import Strength

RULES = rules_of(load_config())
PACKS = Path(decontam.__file__).parent / "packs"

STORY = {"openai", "azure-openai", "volcengine-ark", "baidu-qianfan", "alibaba-dashscope", "sensetime-sensenova", "01ai-yi",
         "meta-llama"}  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_lives_up_to_its_examples(rule: Rule) -> None:
    assert [] == list(failures(rule))


@pytest.mark.parametrize("provider", sorted(STORY))
def test_every_system_of_the_story_can_be_attributed(provider: str) -> None:
    able = [rule for rule in RULES if provider in rule.provider and rule.strength >= Strength.STRONG]

    assert able


def test_the_starter_packs_are_at_least_as_large_as_promised() -> None:
    sizes = Counter(rule.stage for rule in RULES)

    assert sizes["signatures"] >= 60
    assert sizes["secrets"] >= 200
    assert sizes["pii"] >= 20


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_is_fit_to_be_read(rule: Rule) -> None:
    assert rule.why.endswith((".", "。"))
    assert rule.source
    assert re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+(\.[a-z0-9-]+)*", rule.id)
    assert re.fullmatch(r"[A-Z][A-Z0-9_]+", rule.kind)


# Shapes of live credentials; a fill-in is not one of them. What a pack quotes has to be made by fill-ins.
SECRET_SHAPED = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{36}|AIza[0-9A-Za-z_-]{35}|xox[bp]-\d{10,}-[0-9A-Za-z-]{20,}|sk_live_[0-9A-Za-z]{20,}"
    r"|eyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20,}|T3BlbkFJ[0-9A-Za-z]{20}|-----BEGIN [A-Z ]*PRIVATE KEY-----\s*[A-Za-z0-9+/]{40}"
)


@pytest.mark.parametrize("path", sorted(PACKS.rglob("*.yaml")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_pack_holds_a_literal_secret(path: Path) -> None:
    assert [] == [shape for shape in SECRET_SHAPED.findall(path.read_text("utf-8")) if "xxxxxxxx" not in shape]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_nobody_has_verified_is_not_conclusive(rule: Rule) -> None:
    assert rule.strength < Strength.CONCLUSIVE or not re.search("unverified|from memory", rule.source)
