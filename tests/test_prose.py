"""What is read of a text, and what is no prose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam.prose import not_prose, prose
from decontam.tokens import tokenised

PLAIN = "It rained all day, and nobody in the village had thought to bring the washing in before the storm broke over the hill. "


def read(text: str) -> str:
    data = text.encode()
    tokens = tokenised(data)
    return " ".join(data[tokens.starts[place] : tokens.ends[place]].decode() for place in prose(data, tokens).places.tolist())


@pytest.mark.parametrize(
    ("formatted", "expected"),
    [
        ("plain (words), 3 of them - and a dash", "plain ( words ) , 3 of them - and a dash"),
        ("# Title\n\nA **bold** _word_ and `code`.", "Title A bold word and code ."),
        ("- one\n- two\n* three\n• four", "one two three four"),
        ("1. one\n2) two\n3 apples", "one two 3 apples"),
        ("see [the page](https://example.org/a_(b)?c=d) for more", "see the page for more"),
        ("see https://example.org/a?b=c and www.example.org/d too", "see and too"),
        ("www is a word, http too: it is", "www is a word , http too : it is"),
        ("a <b>bold</b> move, if x < y", "a bold move , if x < y"),
        ("before\n```python\nx = 1\n```\nafter", "before after"),
        ("before\n\n----\n\nafter -- or not", "before after - - or not"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a b 1 2"),
        ("> quoted\n> twice", "quoted twice"),
        ("a list [1] of notes [2](", "a list 1 of notes 2 ("),
    ],
)
def test_a_format_is_not_read(formatted: str, expected: str) -> None:
    assert expected == read(formatted)


def test_case_is_part_of_a_key_and_quotes_are_not() -> None:
    def keys(text: str) -> list[int]:
        data = text.encode()
        return prose(data, tokenised(data)).keys.tolist()

    assert 3 == len({*keys("word"), *keys("Word"), *keys("WORD")})
    assert keys("it’s “said”") == keys('it\'s "said"')


@given(st.text(st.sampled_from("ab 1.\n`*#[]()<>|-_/:htpw漢"), max_size=80))
def test_what_is_read_lies_in_order(text: str) -> None:
    data = text.encode()
    tokens = tokenised(data)
    places = prose(data, tokens).places.tolist()

    assert sorted(set(places)) == places
    assert all(0 <= place < len(tokens.keys) for place in places)


@given(st.text(st.sampled_from("ab 1.\n`*[]()<>|-"), max_size=60), st.integers(0, 20))
def test_reading_less_reads_the_beginning(text: str, most: int) -> None:
    data = text.encode()
    tokens = tokenised(data)
    whole, part = prose(data, tokens), prose(data, tokens, most)

    assert whole.keys.tolist()[: len(part.keys)] == part.keys.tolist()
    assert min(most, len(whole.keys)) == len(part.keys)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PLAIN * 5, None),
        (PLAIN * 3 + "- a point that somebody made at some length, as people do\n" * 6, None),
        ("def total(rows):\n    return sum(row['value'] for row in rows if row)\n" * 9, "code"),
        (PLAIN + "\n```\n" + "print nothing at all\n" * 60 + "```\n", "code"),
        ("1024 17.5 3.3 2048 18.1 3.9\n" * 20, "table"),
        ("| some name | some place | of note |\n" * 20, "table"),
        ("eggs and milk\nwhite bread\ntwo onions\n" * 9, "list"),
        ("<div><span><em><strong>word</strong></em></span></div> " * 20, "code"),
        ("see https://example.org/some/long/path/to.a.page.about.nothing.at.all now " * 20, "markup"),
    ],
)
def test_prose_is_told_from_what_is_none(text: str, expected: str | None) -> None:
    data = text.encode()

    assert expected == not_prose(prose(data, tokenised(data)))
