"""Time is linear: for each rule, and for each piece of code that many matches or a hostile text could make quadratic.

Absolute times say nothing on a busy machine, so a text four times as long may take ten times as long: what is quadratic
takes sixteen. How hostile texts compare with prose, `bench/pathological.py` tells.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from decontam.allowances import Allowance
from decontam.chain import Chain
from decontam.config import load_config, rules_of
from decontam.folding import fold
from decontam.jsontext import Literal, literals, spliced
from decontam.matching import Compiled, candidates, compiled, neighbours
from decontam.paths import all_texts
from decontam.policy import Combination, Policy, Row
from decontam.prove import example, examples
from decontam.redaction import redacted
from decontam.rules import Nearby, Rule, Within
from decontam.scan import Match, strongest
from decontam.stages.signatures import Signatures
from decontam.tally import Tally
from decontam.types import Action, Field, Finding, Record, Redaction, Span, Strength
from decontam.validators import VALIDATORS
from decontam.view import View, character_offsets, encode

from .hostile import PIECES, SIZE, repeated

LONGER = 4
ALLOWED = 10  # times as long for a text LONGER times as long
FLOOR = 0.0005  # seconds; below them a clock is all noise
TRIES = 6
HOPELESS = 2  # seconds; no noise explains them, so nothing is tried again
GROUPS = 24  # of rules, neighbours in their packs
RULES = rules_of(load_config())
HOSTILE = {name: encode(repeated(piece)) for name, piece in PIECES.items()}

Work = Callable[[], object]


@contextmanager
def no_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def seconds(work: Work) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def growth(make: Callable[[int], Work], size: int = SIZE // LONGER) -> float:
    """How many times as long `make(4 * size)()` takes as `make(size)()`: of several tries, the best of each."""
    short, long = make(size), make(size * LONGER)
    least = most = float("inf")
    with no_collector():
        for _ in range(TRIES):
            least, most = min(least, seconds(short)), min(most, seconds(long))
            if most / max(least, FLOOR) < ALLOWED or most > HOPELESS:
                break
    return most / max(least, FLOOR)


def judged(looked_for: Compiled, data: bytes) -> None:
    for candidate in candidates(looked_for, data):
        looked_for.judge(data, candidate)


def own_text(rule: Rule, size: int) -> bytes:
    """The rule's anchors, what it catches and beginnings of that, each over and over."""
    caught = next(text for part, text, _ in examples(rule) if part == "catches")
    beginnings = [caught[: len(caught) * part // 4] for part in (2, 3)]
    pieces = [" ".join(rule.anchors), "".join(rule.anchors), caught + " ", caught[:-1], *beginnings]
    pieces = [piece for piece in pieces if piece]
    return encode("".join(repeated(piece, size // len(pieces)) for piece in pieces))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_is_linear_in_texts_made_of_itself(rule: Rule) -> None:
    looked_for = compiled(rule)

    def make(size: int) -> Work:
        data = own_text(rule, size)
        return lambda: judged(looked_for, data)

    assert ALLOWED > growth(make), rule.name


@pytest.mark.slow
@pytest.mark.parametrize("stage", sorted({rule.stage for rule in RULES}))
def test_each_rule_is_linear_in_hostile_texts(stage: str) -> None:
    slow = []
    for looked_for in (compiled(rule) for rule in RULES if rule.stage == stage):
        for name, data in HOSTILE.items():

            def make(size: int, looked_for: Compiled = looked_for, data: bytes = data) -> Work:
                part = data[: len(data) * size // SIZE]
                return lambda: judged(looked_for, part)

            if seconds(make(SIZE)) > ALLOWED * FLOOR and growth(make) > ALLOWED:
                slow.append(f"{looked_for.rule.name} on {name}")

    assert [] == slow


@pytest.mark.parametrize("name", PIECES)
def test_the_whole_chain_is_linear_in_hostile_texts(name: str, chain: Chain) -> None:
    def make(size: int) -> Work:
        text = repeated(PIECES[name], size)
        return lambda: chain.screen_text(text)

    assert ALLOWED > growth(make), name


@pytest.mark.parametrize("group", range(GROUPS))
def test_the_whole_chain_is_linear_in_matches(group: int, chain: Chain) -> None:
    mine = RULES[len(RULES) * group // GROUPS : len(RULES) * (group + 1) // GROUPS]
    caught = "\n".join(text for rule in mine for part, text, _ in examples(rule) if part == "catches") + "\n"

    def make(size: int) -> Work:
        text = repeated(caught, size)
        return lambda: chain.screen_text(text)

    assert ALLOWED > growth(make, max(SIZE // LONGER, len(caught))), [rule.name for rule in mine]


RULE = next(rule for rule in RULES if rule.stage == "signatures")


def finding(at: int, stage: str = "signatures", kind: str = "EMAIL", rule: str = "r", strength: Strength = Strength.STRONG) -> Finding:
    return Finding("text", stage, rule, "", kind, Span(at, at + 4), strength, provider="openai")


def decided(size: int, apart: int, allow: tuple[Allowance, ...] = ()) -> Work:
    """A policy with all kinds of combination, and a finding every `apart` characters."""
    combine = tuple(
        Combination("w", "signatures", Strength.STRONG, Strength.CONCLUSIVE, 20_000, **{how: 3}) for how in ("kinds", "rules", "count")
    )
    policy = Policy((Row(Action.REDACT),), combine, allow)
    found = [finding(at, kind=f"K{at % 3}", rule=f"r{at % 7}") for at in range(0, size * apart, max(apart, 1))] if apart else []
    found = found or [finding(0, kind=f"K{at % 3}", rule=f"r{at}") for at in range(size)]
    record = Record("", (Field("text", "a@b.cn/" * (size * max(apart, 1) // 7 + 1)),))
    return lambda: policy.decide(record, found)


ALLOW = (
    Allowance("r", "b", "2999-01-01", values=tuple(f"value {number}" for number in range(50))),
    Allowance("r", "b", "2999-01-01", domains=tuple(f"d{number}.cn" for number in range(50))),
    Allowance("r", "b", "2999-01-01", providers=("openai",)),
)


def matched(spans: Iterator[tuple[int, int]]) -> list[Match]:
    return [Match(RULE, Span(*span), Strength.STRONG, False) for span in spans]


def in_one_literal(character: str) -> Callable[[int], Work]:
    """Redactions of every other two characters of one string literal."""

    def make(size: int) -> Work:
        line = json.dumps({"t": character * size}, ensure_ascii=False).encode()
        end = len(line) - 2
        where = Literal(("t",), 7, end)
        redactions = [Redaction("t", Span(at, at + 2), "<X>") for at in range(0, size - 2, 4)]
        return lambda: spliced(line, [(where, redactions)])

    return make


def in_many_literals(size: int) -> Work:
    line = json.dumps(["ab"] * (size // 4)).encode()
    changes = [(literal, [Redaction("t", Span(0, 2), "<X>")]) for literal in literals(line)]
    return lambda: spliced(line, changes)


def asked(nearby: Nearby | Within) -> Callable[[int], Work]:
    """A rule with a neighbour to look for, in a text of candidates without it."""
    changes = {"context": nearby} if isinstance(nearby, Nearby) else {"within": nearby}
    looked_for = compiled(Rule("r", "K", "w", "s", "[0-9]{4}", ("1",), ("a",), "pii", Strength.STRONG, **changes))

    def make(size: int) -> Work:
        data = encode(repeated("1234 号 ", size))
        return lambda: judged(looked_for, data)

    return make


def led_back(size: int) -> Work:
    folded = fold(repeated("１\u200b&amp;2", size))
    return lambda: [folded.original(at, at + 1) for at in range(len(folded.text))]


def mentions(size: int) -> Work:
    stage = Signatures.load({}, None)  # type: ignore[arg-type]
    view = View.of(repeated("`a\"b'` ", size))
    return lambda: [stage._mention(view, "REFUSAL", Span(at, at + 2)) for at in range(0, size - 2, 9)]


def on(text: str, work: Callable[[str], object]) -> Callable[[int], Work]:
    def make(size: int) -> Work:
        long = repeated(text, size)
        return lambda: work(long)

    return make


def counted(size: int) -> Work:
    found = tuple(finding(at, rule=f"r{at}") for at in range(size // 8))
    return lambda: Tally().add(policy_verdict(found), size)


def policy_verdict(found: tuple[Finding, ...]) -> object:
    return Policy((Row(Action.TAG),)).decide(Record("", ()), found)


CODE: dict[str, Callable[[int], Work]] = {
    "strongest of spans apart": lambda size: lambda: strongest(matched((at, at + 2) for at in range(0, size, 3))),
    "strongest of a chain": lambda size: lambda: strongest(matched((at, at + 9) for at in range(0, size, 3))),
    "strongest, last first": lambda size: lambda: strongest(matched((at, at + 2 + at % 5) for at in range(size, 0, -6))),
    "strongest of nested spans": lambda size: lambda: strongest(matched((at, 2 * size - at) for at in range(4000 * size // SIZE))),
    "offsets in other scripts": lambda size: lambda: character_offsets("号a".encode() * size, range(0, size * 4, 4)),
    "offsets of folded spans": led_back,
    "mentions": mentions,
    "neighbours": asked(Nearby(("nowhere", "号码", "no such"), 60)),
    "literals far around": asked(Within(("nowhere", "else"), 500)),
    "policy, findings close together": lambda size: decided(size // 8, 8),
    "policy, findings far apart": lambda size: decided(size // 8, 300),
    "policy, findings in one place": lambda size: decided(size // 8, 0),
    "policy with allowances": lambda size: decided(size // 16, 8, ALLOW),
    "tally": counted,
    "redacted": lambda size: lambda: redacted("ab" * size, [Redaction("t", Span(at, at + 1), "<X>") for at in range(0, size, 2)]),
    "spliced, ASCII": in_one_literal("a"),
    "spliced, Han": in_one_literal("号"),
    "spliced, escapes": in_one_literal("\n"),
    "spliced, many literals": in_many_literals,
    "literals, backslashes": lambda size: lambda: list(literals(b'["' + b'\\\\\\"' * (size // 4) + b'"]')),
    "literals, brackets": lambda size: lambda: list(literals(b"[" + b'["a"],' * (size // 8) + b"[]]")),
    "texts of a record": lambda size: lambda: list(all_texts({"k": ["a", {"b": "c"}] * (size // 8)})),
    "examples, open fill-ins": on("%{", lambda text: example.__wrapped__(text, "s")),
    "examples, open marks": on("⟦", lambda text: example.__wrapped__(text, "s")),
    "examples, fill-ins": on("⟦%{digit}⟧ ", lambda text: example.__wrapped__(text, "s")),
    **{f"fold, {name}": on(piece, fold) for name, piece in PIECES.items()},
}


@pytest.mark.parametrize("name", CODE)
def test_what_meets_many_matches_is_linear(name: str) -> None:
    assert ALLOWED > growth(CODE[name]), name


ARGUMENTS = {"stdnum": "iban", "compact": "iban", "date": "%Y%m%d", "entropy": "3", "phone": "GB,IN"}


@pytest.mark.parametrize("name", VALIDATORS)
def test_validators_are_linear_in_the_longest_values_that_a_pattern_lets_through(name: str) -> None:
    def make(size: int) -> Work:
        values = [encode(repeated(piece, size)).decode() for piece in PIECES.values()]
        return lambda: [VALIDATORS[name](value, ARGUMENTS.get(name, "")) for value in values]

    assert ALLOWED > growth(make, 1000), name


def test_a_neighbour_far_away_is_not_looked_for() -> None:
    data = b"key " * SIZE + b"x" * SIZE
    nearby = neighbours(Nearby(("key",), 60))

    assert nearby.stand(data, 4 * SIZE + 56, len(data))
    assert not nearby.stand(data, 4 * SIZE + 57, len(data))
