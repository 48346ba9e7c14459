from __future__ import annotations

from pathlib import Path

import pytest

from decontam.errors import RuleError
from decontam.prove import failures
from decontam.rules import read_pack, read_packs, rule_from

GOOD = {
    "id": "vendor.token",
    "kind": "SECRET",
    "strength": "strong",
    "why": "A token.",
    "source": "here",
    "anchors": ["tok_"],
    "pattern": "tok_[a-z]{8}",
    "not_after": "a-z",
    "catches": ["a ⟦tok_%{lower*8}⟧ b"],
    "spares": ["tok_x"],
}


def rule(**changes: object) -> object:
    return rule_from({**GOOD, **changes}, "secrets", "mine.yaml")


def test_a_good_rule_keeps_its_word() -> None:
    assert [] == list(failures(rule()))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"catchs": ["x"]}, "unknown key 'catchs'; did you mean 'catches'?"),
        ({"catches": []}, "has no 'catches'"),
        ({"spares": []}, "has no 'spares'"),
        ({"strength": "conclusiv"}, "did you mean 'conclusive'?"),
        ({"pattern": "tok_[a-z]+"}, "unbounded repeat '+'"),
        ({"pattern": "tok_.*"}, "unbounded repeat '*'"),
        ({"pattern": "tok_a{3,}"}, "unbounded repeat '{3,}'"),
        ({"pattern": "tok_(?=a)"}, "RE2 refuses"),
        ({"pattern": "a{0,4}"}, "matches the empty text"),
        ({"pattern": "(a)(b)"}, "captures more than one group"),
        ({"validator": "lun"}, "unknown validator 'lun'; did you mean 'luhn'?"),
        ({"anchors": ["a" * 65]}, "anchor of 65 characters"),
        ({"why": 3}, "why"),
        ({"context": {"word": ["x"]}}, "context"),
    ],
)
def test_a_rule_with_a_problem_does_not_load(changes: dict, says: str) -> None:
    with pytest.raises(RuleError, match="mine.yaml: rule 'vendor.token'") as problem:
        rule(**changes)

    assert says in str(problem.value)


@pytest.mark.parametrize("pattern", [r"tok_[a-z*+]{8}", r"tok_\*\+x", r"tok_[^\]+*]x", r"tok_[[:alpha:]*]"])
def test_a_star_that_repeats_nothing_is_no_repeat(pattern: str) -> None:
    assert pattern == rule(pattern=pattern).pattern


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"catches": ["tok_%{lower*8}"]}, "marks nothing"),
        ({"catches": ["⟦tok_%{digit*8}⟧"]}, "finds []"),
        ({"catches": ["⟦tok_%{lower*8}⟧ tok_%{lower*8}"]}, "finds ["),
        ({"spares": ["tok_%{lower*8}"]}, "must spare"),
        ({"known_misses": ["tok_%{lower*8}"]}, "now catches the known miss"),
        ({"anchors": ["nowhere"]}, "finds []"),
    ],
)
def test_a_rule_that_betrays_its_examples_is_told_so(changes: dict, says: str) -> None:
    told = list(failures(rule(**changes)))

    assert told
    assert says in told[0]
    assert told[0].startswith("secrets/vendor.token: ")


def test_an_unknown_fill_in_is_named() -> None:
    with pytest.raises(RuleError, match="unknown fill-in 'lowr'; did you mean 'lower'"):
        list(failures(rule(catches=["⟦tok_%{lowr*8}⟧"])))


@pytest.mark.parametrize(
    ("prose", "behaviour"),
    [({"why": "Another sentence."}, {"pattern": "tok_[a-z]{9}"}), ({"spares": ["tok_yy"]}, {"strength": "weak"})],
)
def test_the_revision_follows_behaviour_and_not_prose(prose: dict, behaviour: dict) -> None:
    assert rule().revision == rule(**prose).revision != rule(**behaviour).revision


def test_ids_are_unique_across_packs(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(
            "stage: secrets\nabout: x\nrules:\n- {id: v.t, kind: SECRET, strength: weak, why: w, source: s, pattern: ab, "
            "catches: ['⟦ab⟧'], spares: [a]}\n"
        )
    with pytest.raises(RuleError, match=r"b\.yaml: rule 'v\.t' stands already in a\.yaml"):
        read_packs([tmp_path / "a.yaml", tmp_path / "b.yaml"])


@pytest.mark.parametrize("content", ["- a", "stage: x", "stage: pii\nrules: [3]", "a: [", "stage: pii\nrules:\n- {kind: x}"])
def test_what_is_no_pack_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(content)
    with pytest.raises(RuleError, match=r"p\.yaml"):
        read_pack(tmp_path / "p.yaml")


PACK = "stage: secrets\nabout: x\nfragments: {digits: '[0-9]{4}'}\nrules:\n- {id: v.t, kind: SECRET, strength: weak, why: w, source: s, "


def test_fragments_stand_for_pieces_that_rules_share(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(PACK + "pattern: 'tin(?&gap)((?&digits))', catches: ['tin, he said: ⟦1234⟧'], spares: [tin]}\n")

    (read,) = read_pack(tmp_path / "p.yaml")

    assert "tin(?:(?:[^0-9A-Za-z][^0-9]{0,30}?)?)((?:[0-9]{4}))" == read.pattern
    assert [] == list(failures(read))


@pytest.mark.parametrize(
    ("pack", "says"),
    [
        (PACK + "pattern: '(?&digit)', catches: ['⟦1⟧'], spares: [a]}\n", "unknown fragment 'digit'; did you mean 'digits'?"),
        (PACK.replace("{digits: '[0-9]{4}'}", "[a]") + "pattern: a, catches: ['⟦a⟧'], spares: [b]}\n", "'fragments' is a mapping"),
    ],
)
def test_fragments_that_are_none_are_told(pack: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(pack)

    with pytest.raises(RuleError, match=r"p\.yaml") as problem:
        read_pack(tmp_path / "p.yaml")

    assert says in str(problem.value)
