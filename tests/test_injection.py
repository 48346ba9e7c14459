"""Injection: the same changes for the same seed, as large as they say, and no other."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam.injection import MASKS, passages, variants, words_of

ENGLISH = (
    "The ferry leaves at 7, or it used to. In winter the skipper, Marten Harms, waits for the school bus from Oldenburg. "
    "Nobody waits for a dog! We learned to read the harbour by its noises: a winch meant herring, a bell meant fog. "
    "Silence meant football, and twelve boats (all of them green) lay behind the wall until the final whistle."
)
CHINESE = (
    "我们村口有一棵老槐树，夏天的傍晚大人在树下下棋。孩子们追着萤火虫跑，王老师在2019年搬到了城里！后来修路，树移走了，"
    "棋盘还在，只是没有人再提起谁欠谁一局。阿里巴巴的人来过这里，说要开一家书店。"
)
JAPANESE = (
    "港のそばに小さな本屋がある。店主は毎朝七時に戸を開けて、海の音を聞きながらコーヒーを飲む。"
    "客は少ないけれど、夏になると子どもたちが来る。"
)
TEXTS = {"English": ENGLISH, "Chinese": CHINESE, "Japanese": JAPANESE}
LETTERS = st.characters(exclude_categories=["Cs"])


def _bare(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKC", text).casefold() if one.isalnum())


def _words(text: str) -> list[str]:
    return [text[start:end] for start, end in words_of(text)]


@given(text=st.text(LETTERS, max_size=200), seed=st.integers(0, 9))
def test_the_same_text_and_seed_make_the_same_changes(text: str, seed: int) -> None:
    made = list(variants(text, seed))

    assert made == list(variants(text, seed))
    assert ("verbatim", text) == made[0]
    assert len({name for name, _ in made}) == len(made)
    assert all(changed != text for _, changed in made[1:])


def test_another_seed_makes_others() -> None:
    assert dict(variants(ENGLISH, 1)) != dict(variants(ENGLISH, 2))


@pytest.mark.parametrize("name", TEXTS)
def test_every_change_is_made_to_a_text_that_has_what_it_changes(name: str) -> None:
    lacking = {
        "English": {"traditional", "simplified"},
        "Chinese": {"upper case", "lower case", "simplified"},
        "Japanese": {"upper case", "lower case", "names and numbers swapped", "full width", "compatible characters", "traditional"},
    }
    every = {change for text in TEXTS.values() for change, _ in variants(text, 0)}

    assert every - {change for change, _ in variants(TEXTS[name], 0)} <= lacking[name]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    "change",
    [
        "re-wrapped",
        "quoted",
        "upper case",
        "lower case",
        "punctuation changed",
        "punctuation stripped",
        "full width",
        "compatible characters",
    ],
)
def test_what_changes_only_the_looks_keeps_every_letter(name: str, change: str) -> None:
    made = dict(variants(TEXTS[name], 3)).get(change, TEXTS[name])

    assert _bare(TEXTS[name]) == _bare(made)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("percent", [5, 10, 20, 30])
def test_as_many_words_are_masked_or_replaced_as_the_name_says(name: str, percent: int) -> None:
    """Of a long text, one at least; every other word stands where it stood, and what was masked is gone."""
    text = TEXTS[name] * 4
    count = len(words_of(text))
    for seed in range(5):
        made = dict(variants(text, seed))
        masked = made[f"{percent} % masked"]
        split = re.split("|".join(map(re.escape, MASKS)), masked)

        assert percent / 100 == pytest.approx((len(split) - 1) / count, abs=0.01)
        at = 0
        for piece in split:
            assert piece in text[at:]
            at = text.index(piece, at) + len(piece)
        assert masked != made[f"{percent} % replaced"]
        assert not any(mask in made[f"{percent} % replaced"] for mask in MASKS)


def test_a_word_that_is_replaced_is_another() -> None:
    for seed in range(20):
        made = dict(variants("River market winter paper", seed))["30 % replaced"]

        assert 1 == sum(before != after for before, after in zip(_words("River market winter paper"), _words(made), strict=True))


def test_names_and_numbers_are_swapped_and_nothing_else() -> None:
    made = dict(variants(ENGLISH, 1))["names and numbers swapped"]

    assert not any(name in made for name in ("Marten Harms", "Oldenburg"))
    assert re.search(r"leaves at \d, or it used to\. In winter the skipper, \w+ \w+, waits for the school bus from \w+\. Nobody", made)
    assert "at 7" not in made
    chinese = dict(variants(CHINESE, 1))["names and numbers swapped"]
    assert not any(name in chinese for name in ("王老师", "2019", "阿里"))
    assert "我们村口有一棵老槐树，夏天的傍晚大人在树下下棋。" in chinese


@pytest.mark.parametrize("name", TEXTS)
def test_sentences_that_are_moved_are_all_there(name: str) -> None:
    made = dict(variants(TEXTS[name], 5))["sentences reordered"]

    assert sorted(_bare(made)) == sorted(_bare(TEXTS[name]))
    assert _bare(made) != _bare(TEXTS[name])


@pytest.mark.parametrize("name", TEXTS)
def test_two_halves_make_a_whole(name: str) -> None:
    made = dict(variants(TEXTS[name], 0))
    first, second = made["first half"], made["second half"]

    assert TEXTS[name].startswith(first)
    assert TEXTS[name].endswith(second)
    assert _words(TEXTS[name]) == [*_words(first), *_words(second)]


def test_traditional_and_simplified_lead_to_each_other() -> None:
    made = dict(variants(CHINESE, 0))["traditional"]

    assert "我們村口" in made
    assert CHINESE == dict(variants(made, 0))["simplified"]


@given(text=st.text(LETTERS, max_size=300), words=st.integers(1, 30))
def test_passages_are_cut_out_of_the_text_and_have_their_length(text: str, words: int) -> None:
    made = list(passages(text, words))

    assert len(words_of(text)) // words == len(made)
    at = 0
    for passage in made:
        at = text.index(passage, at) + len(passage)
        assert words == len(words_of(passage))
