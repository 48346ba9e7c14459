from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from decontam.view import View, character_offsets, encode


@given(st.text(), st.data())
def test_byte_offsets_lead_back_to_characters(text: str, data: st.DataObject) -> None:
    raw = encode(text)
    at = data.draw(st.lists(st.integers(0, len(text))))
    offsets = [len(encode(text[:character])) for character in at]

    assert dict(zip(offsets, at, strict=True)) == character_offsets(raw, offsets)


@given(st.text(st.characters()))
def test_any_text_becomes_valid_utf8_with_as_many_characters(text: str) -> None:
    assert len(text) == len(encode(text).decode())


def test_a_shared_result_is_computed_once() -> None:
    view, calls = View.of("x"), []
    for _ in range(2):
        view.once("scan", lambda view: calls.append(view))

    assert 1 == len(calls)
