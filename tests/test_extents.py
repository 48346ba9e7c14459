from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam.extents import covered, data_regions, extent
from decontam.types import Span

REPLY = '{"id": "x-1", "choices": [{"text": "a } b"}]}'


def reach(text: str, what: str) -> str:
    start = text.index(what)
    return text[slice(*extent(text, Span(start, start + len(what)), data_regions(text)))]


@pytest.mark.parametrize(
    ("text", "what", "reached"),
    [
        (f"Look:\n{REPLY.replace(' }', '')}\nNice.", "x-1", REPLY.replace(" }", "")),
        ('def f() {\n  return g({"id": "x-1"});\n}', "x-1", '{"id": "x-1"}'),
        ('[{"id": 1}, {"id": "x-1"}] and more', "x-1", '[{"id": 1}, {"id": "x-1"}]'),
        ("{'id': 'x-1', 'n': {}} tail", "x-1", "{'id': 'x-1', 'n': {}}"),
        ('cut off {"id": "x-1", "a": [\n\nNext paragraph.', "x-1", '{"id": "x-1", "a": ['),
        ("text\n\nid: x-1\nrole: assistant\nn: 2\n\nmore", "x-1", "id: x-1\nrole: assistant\nn: 2"),
        ("only x-1 in prose", "x-1", "only x-1 in prose"),
    ],
)
def test_how_far_a_payload_reaches(text: str, what: str, reached: str) -> None:
    assert reached == reach(text, what)


texts = st.text(st.sampled_from('{}[]":a1 \n'), max_size=60)


@given(texts)
def test_regions_lie_apart_in_order_and_inside(text: str) -> None:
    regions = data_regions(text)

    assert all(0 <= region.start < region.end <= len(text) for region in regions)
    assert all(left.end <= right.start for left, right in zip(regions, regions[1:], strict=False))


@given(texts.filter(bool), st.data())
def test_an_extent_holds_its_span(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    span = Span(start, data.draw(st.integers(start + 1, len(text))))
    reached = extent(text, span, data_regions(text))

    assert 0 <= reached.start <= span.start < span.end <= reached.end <= len(text)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)).map(lambda drawn: Span(drawn[0], sum(drawn))), max_size=8))
def test_covered_counts_each_character_once(spans: list[Span]) -> None:
    assert len({at for span in spans for at in range(*span)}) == covered(spans)
