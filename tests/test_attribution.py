from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam.attribution import attributed, providers_of, resolved
from decontam.types import Finding, Span, Strength

ANY = "any-openai-compatible"


def trace(rule: str, *providers: str, strength: Strength = Strength.STRONG) -> Finding:
    detail = {"providers": list(providers)} if len(providers) > 1 else {}
    return Finding(
        "text", "signatures", rule, "r", "API_PAYLOAD", Span(0, 3), strength, provider=providers[0] if providers else None, detail=detail
    )


@pytest.mark.parametrize(
    ("traces", "provider"),
    [
        ([], None),
        ([trace("a")], None),
        ([trace("a", "openai", strength=Strength.MENTION)], None),
        ([trace("a", "openai", "azure-openai", ANY)], "openai"),
        ([trace("a", "openai", "azure-openai", ANY), trace("b", "azure-openai")], "azure-openai"),
        ([trace("a", "openai", "azure-openai", ANY), trace("b", "mistral", strength=Strength.WEAK)], "mistral"),
        ([trace("a", "openai", "azure-openai"), trace("b", "mistral", strength=Strength.WEAK)], "openai"),
        ([trace("a", "anthropic", "aws-bedrock"), trace("b", "aws-bedrock", "databricks")], "aws-bedrock"),
        ([trace("a", "any-llm")], "any-llm"),
        ([trace("a", "any-llm"), trace("b", "deepseek", strength=Strength.WEAK)], "deepseek"),
        ([trace("a", "qwen", strength=Strength.WEAK)] * 9 + [trace("b", "openai")], "openai"),
    ],
)
def test_who_could_have_left_every_trace_is_the_one(traces: list[Finding], provider: str | None) -> None:
    assert provider == attributed(traces)


names = st.lists(st.sampled_from(["openai", "vllm", "mistral", ANY]), max_size=3, unique=True)
kinds = st.builds(
    lambda rule, who, strength: trace(rule, *who, strength=strength), st.sampled_from("abcd"), names, st.sampled_from(Strength)
)
traces = st.lists(kinds, max_size=6)


@given(traces)
def test_the_one_is_named_by_one_of_the_traces_and_order_does_not_matter(all_found: list[Finding]) -> None:
    one = attributed(all_found)

    assert one is None or any(one in providers_of(finding) for finding in all_found)
    assert one == attributed(reversed(all_found))


@given(traces)
def test_resolving_changes_names_alone_and_only_where_the_rule_leaves_it_open(all_found: list[Finding]) -> None:
    for before, after in zip(all_found, resolved(all_found, attributed(all_found)), strict=True):
        assert (before.rule, before.span, before.strength) == (after.rule, after.span, after.strength)
        assert before.detail == {key: after.detail[key] for key in before.detail}
        assert providers_of(before) == providers_of(after)
        if len(providers_of(before)) == 1 and not before.provider.startswith("any-"):
            assert before.provider == after.provider
