"""What every stage promises, asked of every stage."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam.chain import Chain, Stage
from decontam.config import chain_of, load_config
from decontam.evidence import finding_row
from decontam.types import Field, Record, Strength
from decontam.view import View

CHAIN = chain_of(load_config())
AWKWARD = [
    "",
    "\x00",
    "\ud800",
    "\u200b" * 9,
    "a" * 100_000,
    "a.a." * 25_000,
    "1-1-" * 25_000,
    "0123456789" * 10_000,
    "aB3/" * 25_000,
    "ab:cd:" * 16_000,
    "[" * 100_000,
    '{"a":' * 20_000,
    "a@a@" * 25_000,
    "\\" * 100_000,
    '\\"' * 50_000,
    "&amp;" * 20_000,
    " " * 100_000,
    "ﬀ\u0301İß",
    "password=" * 10_000,
    "😀" * 10_000,
    'mail x@y.cn, AKIA, "id": "chatcmpl-", 13800138000，邮箱',
]
AS_IDS = [repr(text[:12]) for text in AWKWARD]
stages = pytest.mark.parametrize("stage", CHAIN.stages, ids=lambda stage: stage.name)


def promised(stage: Stage, text: str) -> None:
    once, again = (list(stage.inspect(View(Field("text", text)))) for _ in range(2))

    assert once == again
    for finding in once:
        assert 0 <= finding.span.start < finding.span.end <= len(text)
        assert stage.name == finding.stage
        assert "text" == finding.field
        assert Strength.WEAK <= finding.strength
        assert 0 <= finding.score <= 1
        json.dumps(finding_row(finding))


@stages
@pytest.mark.parametrize("text", AWKWARD, ids=AS_IDS)
def test_a_stage_keeps_its_promises_on_awkward_text(stage: Stage, text: str) -> None:
    promised(stage, text)


@stages
@given(text=st.text(max_size=200))
def test_a_stage_keeps_its_promises_on_any_text(stage: Stage, text: str) -> None:
    promised(stage, text)


@given(st.lists(st.sampled_from(AWKWARD), max_size=3))
def test_the_chain_is_a_function_of_the_record(texts: list[str]) -> None:
    record = Record("1", tuple(Field(f"messages[{n}].content", text) for n, text in enumerate(texts)))

    assert CHAIN.screen(record) == Chain(CHAIN.stages, CHAIN.policy).screen(record)


def test_a_stage_of_another_package_runs_after_ours(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real distribution on the path, as pip would lay it down."""
    (tmp_path / "shouting.py").write_text(
        "from decontam.types import Finding, Span, Strength\n"
        "class Shouting:\n"
        "    name = 'shouting'\n"
        "    def __init__(self, least): self.least = least\n"
        "    @classmethod\n"
        "    def load(cls, options, scanner): return cls(options['least'])\n"
        "    def inspect(self, view):\n"
        "        if view.text.isupper() and len(view.text) >= self.least:\n"
        "            yield Finding(view.field.path, self.name, 'upper', '1', 'SHOUT', Span(0, len(view.text)), Strength.STRONG)\n"
    )
    info = tmp_path / "shouting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[decontam.stages]\nshouting = shouting:Shouting\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    config = load_config(
        None,
        {
            "stages": {"shouting": {"enabled": True, "options": {"least": 5}}},
            "policy": {"actions": [{"rule": "shouting/*", "action": "drop"}]},
        },
    )
    chain = chain_of(config)

    assert "shouting" == chain.stages[-1].name
    assert "KEEP" == chain.screen_text("QUIET please").action.name
    assert "DROP" == chain.screen_text("NOT QUIET").action.name
