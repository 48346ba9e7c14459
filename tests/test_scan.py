from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam.config import load_config, rules_of
from decontam.gates import hyperscan_plan
from decontam.matching import candidates, compiled
from decontam.passes import refused
from decontam.prove import examples
from decontam.rules import rule_from
from decontam.scan import Match, Scanner, strongest
from decontam.types import Span, Strength
from decontam.view import View, encode

RULES = rules_of(load_config())
EXAMPLES = [text for rule in RULES for _, text, _ in examples(rule)]


@pytest.fixture(scope="module")
def engines() -> tuple[Scanner, Scanner]:
    return Scanner(RULES, "hyperscan"), Scanner(RULES, "re2")


def said(scanner: Scanner, text: str) -> list[tuple]:
    return [(match.rule.name, match.span, match.strength) for match in scanner.find(View.of(text))]


def rule(**changes: object) -> object:
    base = {"id": "a.b", "kind": "X", "strength": "strong", "why": "w", "source": "s", "pattern": "ab", "catches": ["⟦ab⟧"],
            "spares": ["a"]}  # fmt: skip
    return rule_from({**base, **changes}, "pii", "test")


def find(text: str, **changes: object) -> list[tuple[int, int]]:
    return [tuple(match.span) for match in Scanner((rule(**changes),)).find(View.of(text))]


def test_hyperscan_takes_every_pattern_of_ours() -> None:
    """One that it refuses costs half a minute of compiling when a machine starts for the first time."""
    numbered = [(index, rule) for index, rule in enumerate(RULES) if not rule.opens]
    assert set() == refused(numbered, hyperscan_plan(numbered))


PROSE = "Words of people, a line of them, that says nothing. "


@pytest.mark.parametrize(("before", "behind"), [("", ""), (PROSE * 3 + "\n", ""), (PROSE * 40 + "x ", "\n" + PROSE)])
def test_both_engines_find_the_same_in_every_example(before: str, behind: str, engines: tuple[Scanner, Scanner]) -> None:
    fast, plain = engines
    for text in EXAMPLES:
        assert said(plain, before + text + behind) == said(fast, before + text + behind)


@pytest.mark.parametrize("filler", ["x", "1.2.3 ", "a@b ", "key ", "号", "\u0661 ", "A1B " * 20], ids=ascii)
def test_both_engines_find_the_same_however_full_of_marks_a_text_is(filler: str, engines: tuple[Scanner, Scanner]) -> None:
    fast, plain = engines
    for text in EXAMPLES[::29]:
        for before, behind in ((1, 1), (700, 1), (1, 700), (60, 60)):
            around = f"{filler * before}\n{text}\n{filler * behind}"
            assert said(plain, around) == said(fast, around)


@given(st.lists(st.sampled_from(EXAMPLES), min_size=1, max_size=4).map("\n".join) | st.text(max_size=80))
def test_both_engines_find_the_same_in_any_text(engines: tuple[Scanner, Scanner], text: str) -> None:
    fast, plain = engines

    assert said(plain, text) == said(fast, text)


@pytest.mark.parametrize(
    ("changes", "text", "spans"),
    [
        (
            {"not_before": "0-9", "not_after": "0-9", "pattern": "[0-9]{4}"},
            "12345 1234,5678 x1234",
            [(6, 10), (11, 15), (17, 21)],
        ),
        ({"pattern": "key=([a-z]{3})"}, "key=abc", [(4, 7)]),
        ({"pattern": "key=([a-z]{3})", "validator": "entropy:1"}, "key=abc key=aaa", [(4, 7)]),
        ({"anchors": ["AB"], "pattern": "(?i)ab"}, "xAb", [(1, 3)]),
        ({"anchors": ["zz"], "pattern": "ab|zz"}, "ab zz", [(3, 5)]),
        ({"context": {"words": ["id"]}}, "video ab", []),
        ({"context": {"words": ["id"]}}, "ID: ab", [(4, 6)]),
        ({"context": {"words": ["身份证"], "characters": 5}}, "身份证号ab", [(4, 6)]),
        ({"context": {"words": ["身份证"], "characters": 3}}, "身份证号码一ab", []),
        ({"context": {"words": ["id"], "before": True}}, "ab id", []),
        ({"unless": {"words": ["version"]}}, "version ab", []),
        ({"unless": {"words": ["version"]}}, "inversion ab", [(10, 12)]),
        ({"within": {"anchors": ["Choices"], "characters": 10}}, "choices: ab", [(9, 11)]),
        ({"within": {"anchors": ["choices"], "characters": 3}}, "choices" + " " * 40 + "ab", []),
        ({"anchors": ["é"], "pattern": "é[0-9]{2}"}, "日本 é12", [(3, 6)]),
    ],
)
def test_what_a_rule_may_ask_for(changes: dict, text: str, spans: list) -> None:
    assert spans == find(text, **changes)


KEYS = {"pattern": '"(?:role|text|index)":', "anchors": ["role"]}
OPENS = {"pattern": "Sorry, no", "opens": ["output"]}


@pytest.mark.parametrize(
    ("changes", "text", "spans"),
    [
        ({**KEYS, "together": {"distinct": 2}}, '{"role":1, "role":2}', []),
        ({**KEYS, "together": {"distinct": 2}}, '{"text":1, "index":2}', []),
        ({**KEYS, "together": {"distinct": 2}}, '{"role":1, "index":2}', [(1, 19)]),
        ({**KEYS, "together": {"distinct": 2, "bytes": 20}}, '"role":' + " " * 20 + '"text":', []),
        ({**KEYS, "together": {"distinct": 3}}, '"text":1,"role":2,"text":3,"index":4', [(0, 35)]),
        ({**KEYS, "together": {"distinct": 2, "bytes": 30}}, '"role":"text":' + "-" * 50 + '"role":"text":', [(0, 14), (64, 78)]),
        (OPENS, "He said: Sorry, no", []),
        (OPENS, "Sorry, no", [(0, 9)]),
        (OPENS, ' "Sorry, no', [(2, 11)]),
        (OPENS, '{"input": "Sorry, no", "n": "", "m": ""}', []),
        (OPENS, '{"input": "", "n": "", "output": "Sorry, no"}', [(34, 43)]),
        (OPENS, 'see {"output": "Sorry, no"}', []),
        (OPENS, '{"any": "Sorry, no"}', [(9, 18)]),
        ({"anchors": ["ab"], "disguised": True}, "ab", []),
        ({"anchors": ["ab"], "disguised": True}, "a\u00adb", []),
        ({"anchors": ["ab"], "disguised": True}, "x a\u200bb x", [(2, 5)]),
        ({"anchors": ["ab"], "disguised": True}, "a\u200bb and &quot; ab", [(0, 3)]),
    ],
)
def test_what_a_rule_may_ask_of_its_place(changes: dict, text: str, spans: list) -> None:
    assert spans == find(text, **changes)


def test_missing_context_weakens_where_it_is_not_required() -> None:
    optional = rule(context={"words": ["id"], "required": False})
    strengths = [match.strength for text in ("id ab", "xx ab") for match in Scanner((optional,)).find(View.of(text))]

    assert [Strength.STRONG, Strength.WEAK] == strengths


def test_a_pattern_too_wide_for_the_first_pass_is_still_found_wherever_it_is() -> None:
    wide = {"anchors": ["start"], "pattern": "start[^x]{0,400}(?:end[^x]{0,300}){1,2}stop"}
    text = "filler " * 3000 + "start" + "é" * 390 + "end" + "y" * 290 + "stop" + " filler" * 3000

    assert [(21000, 21000 + 5 + 390 + 3 + 290 + 4)] == find(text, **wide)


@given(st.text(st.sampled_from("0123 -ab"), max_size=50))
def test_candidates_never_overlap(text: str) -> None:
    shape = rule(pattern="[0-9]{2,3}", not_before="0-9", not_after="a")
    spans = [candidate.span for candidate in candidates(compiled(shape), encode(text))]

    assert all(left[1] <= right[0] for left, right in zip(spans, spans[1:], strict=False))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9), st.sampled_from(Strength)), max_size=12))
def test_of_overlapping_matches_the_strongest_stays(drawn: list) -> None:
    matches = [Match(rule(), Span(at, at + size), strength, False) for at, size, strength in drawn]
    kept = strongest(matches)

    assert all(left.span.end <= right.span.start for left, right in zip(kept, kept[1:], strict=False))
    for match in matches:
        assert any(
            other.strength >= match.strength and other.span.start < match.span.end and match.span.start < other.span.end for other in kept
        )


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("id-(?:x|y)=([0-9]{3})", "123"), ("id-(?:x|y)=(?P<number>[0-9]{3})", "123"), ("id-(?:x|y)=[0-9]{3}", "id-x=123")],
)
def test_a_span_is_what_the_first_group_captures_and_the_whole_match_without_one(pattern: str, found: str) -> None:
    text = "see id-x=123 there"

    assert [found] == [text[slice(*span)] for span in find(text, pattern=pattern, anchors=["id-"], catches=["⟦id-x=123⟧"])]
