from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam.scripts import language_tag


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("und", ""),
        ("und", "12:30, 2026-01-02 !?"),
        ("und-Latn", "Plain words, naïve and “quoted” 我们"),
        ("und-Latn", "ｆｕｌｌｗｉｄｔｈ"),
        ("und-Hani", "今天天气很好 API OK"),
        ("und-Hani", "可口可乐コ" + "汉" * 60),
        ("ja", "今日は良い天気です"),
        ("ko", "안녕하세요 world"),
        ("und-Cyrl", "Добрый день, world"),
        ("und-Arab", "مرحبا بالعالم"),
        ("th", "สวัสดีชาวโลก"),
        ("und", "\ud800\udfff"),
    ],
)
def test_the_script_of_most_letters_names_the_language(tag: str, text: str) -> None:
    assert tag == language_tag([text])


@given(st.lists(st.text(), max_size=4))
def test_any_text_has_a_tag(texts: list[str]) -> None:
    assert language_tag(texts)
