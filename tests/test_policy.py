from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam.allowances import Allowance
from decontam.config import load_config
from decontam.policy import Policy, Row
from decontam.redaction import redacted
from decontam.types import Action, Field, Finding, Record, Span, Strength

TEXT = "write to jane@corp.example or call 5550100 now, says chatcmpl-1 and chatcmpl-2 and openai"
POLICY = load_config().policy


def found(rule: str, span: tuple[int, int] = (9, 26), strength: Strength = Strength.STRONG, **more: object) -> Finding:
    stage, _, name = rule.partition("/")
    values = {"kind": "EMAIL", **more}
    return Finding("text", stage, name, "r", span=Span(*span), strength=strength, **values)


def decide(policy: Policy, *findings: Finding, text: str = TEXT, source: str = "web/a.jsonl") -> object:
    return policy.decide(Record("1", (Field("text", text),), {"source": source}), findings)


def with_allowance(**given: object) -> Policy:
    return replace(POLICY, allow=(Allowance(reason="ours", by="jane", expires="2999-01-01", **given),))


def test_nothing_found_is_kept() -> None:
    assert Action.KEEP == decide(POLICY).action


@pytest.mark.parametrize(
    ("finding", "action"),
    [
        (found("signatures/a", strength=Strength.WEAK), Action.KEEP),
        (found("signatures/a", strength=Strength.STRONG), Action.TAG),
        (found("signatures/a", strength=Strength.CONCLUSIVE), Action.QUARANTINE),
        (found("signatures/a", strength=Strength.CONCLUSIVE, detail={"mention": "quoted"}), Action.KEEP),
        (found("pii/a", strength=Strength.WEAK), Action.KEEP),
        (found("pii/a"), Action.REDACT),
        (found("secrets/a"), Action.REDACT),
        (found("secrets/a", strength=Strength.WEAK), Action.TAG),
        (found("unknown/a"), Action.KEEP),
    ],
)
def test_what_a_finding_costs_by_default(finding: Finding, action: Action) -> None:
    assert action == decide(POLICY, finding).action


def test_the_first_row_that_fits_decides_about_a_finding() -> None:
    rows = (Row(action=Action.KEEP, kind="EMAIL", source="licensed/*"), Row(action=Action.DROP, kind="EMAIL"))
    policy = replace(POLICY, actions=rows)

    assert Action.KEEP == decide(policy, found("pii/a"), source="licensed/x.jsonl").action
    assert Action.DROP == decide(policy, found("pii/a")).action


def test_redaction_masks_the_span_and_nothing_else() -> None:
    verdict = decide(POLICY, found("pii/email.address"))

    assert "write to <EMAIL> or call 5550100 now, says chatcmpl-1 and chatcmpl-2 and openai" == redacted(TEXT, verdict.redactions)


def test_overlapping_findings_are_masked_once_under_the_widest_name() -> None:
    verdict = decide(POLICY, found("pii/a", (9, 26)), found("secrets/b", (20, 40), kind="SECRET"))

    assert [(9, 40, "<SECRET>")] == [(*redaction.span, redaction.replacement) for redaction in verdict.redactions]


@pytest.mark.parametrize(("spans", "action"), [(5, Action.REDACT), (6, Action.QUARANTINE)])
def test_more_validated_spans_than_the_limit_are_a_list_of_people(spans: int, action: Action) -> None:
    assert action == decide(POLICY, *(found("pii/a", (at, at + 1)) for at in range(spans))).action


def test_the_same_span_twice_counts_once() -> None:
    assert Action.REDACT == decide(POLICY, *(found(f"pii/{name}") for name in "abcdefgh")).action


@pytest.mark.parametrize(
    ("kinds", "apart", "action"),
    [
        (("API_ID", "API_ID"), 10, Action.TAG),
        (("API_ID", "API_PAYLOAD"), 10, Action.QUARANTINE),
        (("API_ID", "API_PAYLOAD"), 2001, Action.TAG),
    ],
)
def test_two_kinds_close_together_are_conclusive(kinds: tuple[str, str], apart: int, action: Action) -> None:
    first, second = (found(f"signatures/{kind}", (at, at + 5), kind=kind) for kind, at in zip(kinds, (0, apart), strict=True))

    assert action == decide(POLICY, first, second).action


def test_repetition_is_conclusive_and_says_so() -> None:
    verdict = decide(POLICY, *(found("signatures/a", (at, at + 5)) for at in (0, 100, 200)))

    assert Action.QUARANTINE == verdict.action
    assert {"the same trace again and again"} == {finding.detail["settled"] for finding in verdict.findings}


def test_brand_names_never_suffice() -> None:
    names = [found(f"signatures/{n}", (n, n + 1), Strength.WEAK, kind=f"K{n % 3}") for n in range(50)]

    assert Action.KEEP == decide(POLICY, *names).action


@pytest.mark.parametrize(
    ("given", "covered"),
    [
        ({"domains": ("corp.example",)}, True),
        ({"domains": ("orp.example",)}, False),
        ({"domains": ("example",)}, True),
        ({"values": ("JANE@corp.example",)}, True),
        ({"values": ("sha256:" + "0" * 64,)}, False),
        ({"rule": "pii/*"}, True),
        ({"rule": "secrets/*"}, False),
        ({"source": "web/*"}, True),
        ({"source": "code/*", "rule": "pii/*"}, False),
        ({"providers": ("openai",)}, False),
    ],
)
def test_allowances(given: dict, covered: bool) -> None:
    verdict = decide(with_allowance(**given), found("pii/email.address"))

    assert (Action.KEEP if covered else Action.REDACT) == verdict.action
    assert covered == ("ours" in verdict.findings[0].detail.get("settled", ""))


def test_an_allowed_provider_excuses_only_where_nothing_conclusive_points_elsewhere() -> None:
    policy = with_allowance(providers=("vllm",))
    ours = found("signatures/a", strength=Strength.CONCLUSIVE, provider="vllm")
    theirs = found("signatures/b", (30, 40), strength=Strength.CONCLUSIVE, provider="openai")
    either = found("signatures/c", strength=Strength.CONCLUSIVE, provider="vllm", detail={"providers": ["vllm", "openai"]})

    assert Action.KEEP == decide(policy, ours).action
    assert Action.QUARANTINE == decide(policy, ours, theirs).action
    assert Action.QUARANTINE == decide(policy, either).action


PAYLOAD = {"kind": "API_ID", "strength": Strength.CONCLUSIVE, "provider": "openai"}


@pytest.mark.parametrize(
    ("extents", "action"),
    [
        ([[20, 40]], Action.REDACT),
        ([[20, 40], [50, 80]], Action.QUARANTINE),
        ([[20, 70]], Action.QUARANTINE),
        ([[20, 60], [21, 59]], Action.REDACT),
    ],
)
def test_a_payload_is_cut_out_unless_it_covers_most_of_the_text(extents: list, action: Action) -> None:
    inside = [found("signatures/a", (start, start + 3), detail={"extent": [start, end]}, **PAYLOAD) for start, end in extents]
    verdict = decide(POLICY, *inside)

    assert action == verdict.action
    if action == Action.REDACT:
        start, end = min(extents)
        assert TEXT[:start] + "<API_ID>" + TEXT[end:] == redacted(TEXT, verdict.redactions)


def test_what_is_no_payload_takes_the_record_out_however_short() -> None:
    prose = found("signatures/b", (2, 5), kind="REFUSAL", strength=Strength.CONCLUSIVE)

    assert Action.QUARANTINE == decide(POLICY, found("signatures/a", (20, 23), detail={"extent": [20, 40]}, **PAYLOAD), prose).action


def test_a_verdict_names_the_provider_and_so_do_its_findings() -> None:
    shared = found("signatures/a", kind="API_PAYLOAD", provider="openai", detail={"providers": ["openai", "any-openai-compatible"]})
    verdict = decide(POLICY, shared, found("signatures/b", (40, 45), kind="API_ID", provider="mistral"))

    assert "mistral" == verdict.provider
    assert ["mistral", "mistral"] == [finding.provider for finding in verdict.findings]


@pytest.mark.parametrize(
    ("theirs", "action"),
    [
        ({"provider": "openai"}, Action.QUARANTINE),
        ({"provider": "vllm"}, Action.KEEP),
        ({"provider": "vllm", "detail": {"providers": ["vllm", "any-openai-compatible"]}}, Action.QUARANTINE),
        ({"provider": "sglang"}, Action.KEEP),
        ({"provider": "openai", "detail": {"mention": "quoted"}}, Action.KEEP),
    ],
)
def test_a_record_with_an_allowed_provider_and_another_is_not_excused(theirs: dict, action: Action) -> None:
    ours = found("signatures/a", strength=Strength.CONCLUSIVE, provider="vllm")
    other = found("signatures/b", (30, 40), strength=Strength.CONCLUSIVE, **theirs)

    assert action == decide(with_allowance(providers=("vllm", "sglang")), ours, other).action


findings = st.builds(
    lambda stage, rule, at, strength, kind, provider, mention, size: Finding(
        "text", stage, rule, "r", kind, Span(at, at + 3), strength, provider=provider,
        detail={**({"mention": "quoted"} if mention else {}), **({"extent": [at, at + size]} if size else {})},
    ),
    st.sampled_from(["signatures", "secrets", "pii"]), st.sampled_from("abc"), st.integers(0, 60),
    st.sampled_from(Strength), st.sampled_from(["API_ID", "API_PAYLOAD", "EMAIL"]),
    st.sampled_from([None, "openai", "vllm"]), st.booleans(), st.sampled_from([0, 3, 28]),
)  # fmt: skip
policies = st.sampled_from([POLICY, load_config("strict").policy, with_allowance(providers=("vllm",))])


@given(policies, st.lists(findings, max_size=8), findings)
def test_one_more_finding_never_softens_a_verdict(policy: Policy, before: list[Finding], another: Finding) -> None:
    assert decide(policy, *before).action <= decide(policy, *before, another).action


@given(policies, st.lists(findings, max_size=8))
def test_redactions_lie_apart_and_in_order(policy: Policy, all_found: list[Finding]) -> None:
    spans = [redaction.span for redaction in decide(policy, *all_found).redactions]

    assert all(left.end <= right.start for left, right in zip(spans, spans[1:], strict=False))
