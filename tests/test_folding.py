from __future__ import annotations

from base64 import b64encode, encodebytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam.folding import DECODED, TRIGGERS, fold
from decontam.rules import compile_pattern
from decontam.view import encode

B64 = b64encode
SAID = b'{"id": "7", "object": "chat.completion", "role": "assistant"}'

DISGUISED = [
    pytest.param("chat\u00adcmpl-1", "chatcmpl-1", id="soft hyphen"),
    pytest.param("chat\u200bcm\u2060pl", "chatcmpl", id="zero-width space and word joiner"),
    pytest.param("chat\u200dcmpl", "chatcmpl", id="joiner between letters"),
    pytest.param("我是\u200c人工智能", "我是人工智能", id="joiner between Han"),
    pytest.param("c\U000e0068hat", "chat", id="tag character"),
    pytest.param("<\U0010f0f0|im_start|>", "<|im_start|>", id="what a special-token sanitizer inserts"),
    pytest.param("１３８００１３", "1380013", id="full-width digits"),
    pytest.param("ｃｈａｔ＠ｘ", "chat@x", id="full-width letters and at"),
    pytest.param("𝐜𝐡𝐚𝐭", "chat", id="mathematical bold"),
    pytest.param("ﬁnish", "finish", id="ligature"),
    pytest.param("chаtcmpl", "chatcmpl", id="Cyrillic a in a Latin word"),
    pytest.param("οpenai", "openai", id="Greek omicron first"),
    pytest.param("٠١٢٣٤٥", "012345", id="Arabic-Indic digits"),
    pytest.param("4111\u00a01111\u20091111", "4111 1111 1111", id="exotic spaces between digits"),
    pytest.param("555\u2011010\u20110", "555-010-0", id="hyphens that do not break"),
    pytest.param("&quot;id&quot;: 1", '"id": 1', id="entities"),
    pytest.param("&amp;quot;id&amp;quot;", '"id"', id="entities twice"),
    pytest.param("&#99;hat", "chat", id="numeric entity"),
    pytest.param(r"{\"id\": \"x\"}", '{"id": "x"}', id="escaped JSON"),
    pytest.param(r"{\\\"id\\\": 1}", '{"id": 1}', id="JSON escaped twice"),
    pytest.param(r"{\\\\\"id\\\\\": 1}", '{"id": 1}', id="as long as a unicode escape"),
    pytest.param(r"\u0063hat", "chat", id="unicode escape"),
    pytest.param(r"\ud83d\ude00", "😀", id="escaped surrogates"),
    pytest.param("｛＂ｉｄ＂：１｝", '{"id":1}', id="full-width brackets and quotation marks"),
    pytest.param("%7B%22id%22%3A%20%22caf%C3%A9%22%7D", '{"id": "café"}', id="percent escapes"),
    pytest.param("%257B%2522id%2522%253A%2520%25227%2522", '{"id": "7"', id="percent escapes twice"),
    pytest.param(B64(SAID).decode(), f"{DECODED}\n{SAID.decode()}\n", id="base64"),
    pytest.param(encodebytes(SAID * 3).decode().rstrip(), f"{DECODED}\n{(SAID * 3).decode()}\n", id="base64 in lines"),
    pytest.param('x\n// {\n//   "role": "assistant"\n// }', 'x {   "role": "assistant" }', id="data in comments"),
    pytest.param("As an AI\n# language model", "As an AI language model", id="a formula in comments"),
    pytest.param("my knowledge\n> cutoff", "my knowledge cutoff", id="a formula in quoted lines"),
]


@pytest.mark.parametrize(
    "text",
    [
        "Москва и Paris, Ελλάδα und Berlin",
        "پیاده‌روی",
        "क्‍ष",
        "👩‍👩‍👧 ❤️ 1️⃣",
        "一、二；三。（四）",
        "naïve café déjà-vu",
        "C:\\new\\table and \\alpha",
        "AT&T, R&D; x &lt y",
        "東京 2024年 ①②③",
        "# a comment\n# and its second line\nx = 1",
        "* a list\n* of things",
        "https://x.example/a%20b?q=1%2C2",
        "data:image/png;base64," + B64(bytes(range(256)) * 4).decode(),
        "/usr/share/doc/packages/very/long/path/without/any/dots/in/it/at/all",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    folded = fold(text)

    assert text == folded.text
    assert not folded.changed


@pytest.mark.parametrize(("text", "plain"), DISGUISED)
def test_disguises_come_off(text: str, plain: str) -> None:
    assert plain == fold(text).text


@pytest.mark.parametrize(("text", "plain"), DISGUISED)
def test_each_disguise_pulls_a_trigger(text: str, plain: str) -> None:
    assert any(compile_pattern(trigger).search(encode(text)) for trigger in TRIGGERS)


@pytest.mark.parametrize(("text", "plain"), DISGUISED)
def test_the_whole_folded_text_leads_back_to_the_whole_original(text: str, plain: str) -> None:
    assert (0, len(text)) == fold(text).original(0, len(plain))


awkward = st.text(st.sampled_from('ab1 &;#quot\\"nu00e9{}:,\u200b\u00ad１ａﬁсο٤\u00a0\ud800😀我'), max_size=60)


@given(awkward | st.text(max_size=60))
def test_every_folded_span_lies_in_the_original_and_order_is_kept(text: str) -> None:
    folded = fold(text)
    spans = [folded.original(at, at + 1) for at in range(len(folded.text))]

    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert spans == sorted(spans)


@given(awkward | st.text(max_size=60))
def test_a_plain_character_leads_back_to_itself(text: str) -> None:
    folded = fold(text)
    for at, character in enumerate(folded.text):
        start, end = folded.original(at, at + 1)
        if end - start == 1 and text[start].isascii():
            assert text[start] == character
