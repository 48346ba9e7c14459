from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam import tokens
from decontam.tokens import CAPITAL, CAPITALS, MARK, NUMBER, SINGLE, WORD, key_of, tokenised

WORDS = st.text(st.sampled_from("abzÉßñ'’.,:—0٣7漢字かﾃﾞ한ไทย \n\t\u200b\u0301ﬁ😀𝐀"), max_size=60)


def read(text: str) -> list[tuple[str, int]]:
    data = text.encode()
    found = tokenised(data)
    return [(data[start:end].decode(), kind) for start, end, kind in zip(found.starts, found.ends, found.kinds.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t\u3000", []),
        ("word", [("word", WORD)]),
        ("Word WORD W", [("Word", CAPITAL), ("WORD", CAPITALS), ("W", CAPITAL)]),
        ("don't rock 'n' roll'", [("don't", WORD), ("rock", WORD), ("'", MARK), ("n", WORD), ("'", MARK), ("roll", WORD), ("'", MARK)]),
        ("a''b", [("a", WORD), ("'", MARK), ("'", MARK), ("b", WORD)]),
        ("3.14 v2", [("3", NUMBER), (".", MARK), ("14", NUMBER), ("v", WORD), ("2", NUMBER)]),
        ("漢字テスト。", [("漢", SINGLE), ("字", SINGLE), ("テ", SINGLE), ("ス", SINGLE), ("ト", SINGLE), ("。", MARK)]),
        ("한국어", [("한", SINGLE), ("국", SINGLE), ("어", SINGLE)]),
        ("GPT4是", [("GPT", CAPITALS), ("4", NUMBER), ("是", SINGLE)]),
        ("pa\u200bss \u202eword", [("pa\u200bss", WORD), ("word", WORD)]),
        ("😀!", [("😀", MARK), ("!", MARK)]),
    ],
)
def test_a_text_falls_into_tokens(text: str, expected: list[tuple[str, int]]) -> None:
    assert expected == read(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"), ("émigré", "e\u0301migre\u0301"), ("ｗｉｄｅ", "wide"), ("𝐛𝐨𝐥𝐝", "Bold"), ("漢", "汉"), ("ﬁn", "FIN"),
        ("so\u00adft", "soft"), ("ΣΊΣΥΦΟΣ", "σίσυφοσ"), ("don’t", "don't"), ("“", '"'), ("，", ","), ("２０２６", "2026"),
    ],
)  # fmt: skip
def test_what_is_read_alike_has_one_key(one: str, other: str) -> None:
    assert key_of(one) == key_of(other)


def test_what_is_read_differently_has_two() -> None:
    words = ["word", "words", "wrod", "ward", "don't", "dont", "—", "-", "か", "が", "0", "O", "l", "1"]

    assert len(words) == len({key_of(word) for word in words})


def test_keys_are_the_same_everywhere_and_always() -> None:
    """Models and indexes hold them: another number here is another READING."""
    assert (1, 0x590E5B8F97575B95, 0x5042D9FFD85C1673) == (tokens.READING, key_of("decontam"), key_of("漢"))


@given(WORDS)
def test_tokens_lie_in_order_and_leave_out_only_what_is_not_read(text: str) -> None:
    data = text.encode()
    found = tokenised(data)
    at = 0
    for start, end in zip(found.starts.tolist(), found.ends.tolist(), strict=True):
        assert at <= start < end
        data[start:end].decode()
        at = end

    assert len(data) == found.next


@given(WORDS)
def test_pieces_are_the_whole(text: str) -> None:
    data = text.encode()
    whole = tokenised(data)
    for most in (1, 2, 3):
        tokens.MOST, before = most, tokens.MOST
        try:
            pieces, at = [], 0
            while at < len(data):
                piece = tokenised(data, at)
                assert piece.next > at
                pieces += zip(piece.keys.tolist(), piece.kinds.tolist(), piece.starts.tolist(), piece.ends.tolist(), strict=True)
                at = piece.next
        finally:
            tokens.MOST = before

        assert list(zip(whole.keys.tolist(), whole.kinds.tolist(), whole.starts.tolist(), whole.ends.tolist(), strict=True)) == pieces


def test_without_numba_tokens_are_the_same() -> None:
    text = "Don't ‘panic’: 42! émigré 漢字テスト ﬁn rock 'n' roll' 😀"
    program = (
        "import sys, warnings; sys.modules['numba'] = None; warnings.simplefilter('ignore')\n"
        "from decontam.tokens import tokenised\n"
        "print([a.tolist() for a in tokenised(sys.argv[1].encode())[:4]])"
    )
    done = subprocess.run([sys.executable, "-c", program, text], capture_output=True, text=True, check=True, env=os.environ)

    assert str([array.tolist() for array in tokenised(text.encode())[:4]]) + "\n" == done.stdout
