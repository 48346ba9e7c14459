from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam.jsontext import literals, spliced, value_of
from decontam.redaction import redacted
from decontam.types import Redaction, Span

text = st.text(st.characters(codec=None) | st.sampled_from('\\"/\n\té我😀\ud800'), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=10,
)
records = st.dictionaries(text, values, max_size=4)


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [string for part in inner for string in strings(part)]


@given(records, st.booleans(), st.sampled_from([None, 2]))
def test_every_string_value_is_found_where_it_stands(record: dict, ascii_only: bool, indent: int | None) -> None:
    line = json.dumps(record, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "replace")

    assert strings(json.loads(line)) == [value_of(line, literal) for literal in literals(line)]


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        (b'{"text": "a", "text": "b"}', [("text",), ("text",)]),
        (b'{"t\\u0065xt": "a"}', [("text",)]),
        (b'{"a": {}, "b": [[], "x"], "c": "y"}', [("b", 1), ("c",)]),
        (b'{"a": "\\\\", "b": "\\\\\\""}', [("a",), ("b",)]),
    ],
)
def test_paths(line: bytes, paths: list) -> None:
    assert paths == [literal.path for literal in literals(line)]


@given(text, st.booleans(), st.data())
def test_splicing_changes_the_spans_and_nothing_else(said: str, ascii_only: bool, data: st.DataObject) -> None:
    line = json.dumps({"id": "7", "text": said, "n": 1.0}, ensure_ascii=ascii_only).encode("utf-8", "replace")
    said = json.loads(line)["text"]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=6, unique=True)))
    redactions = [Redaction("text", Span(a, b), "<X>") for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    literal = next(literal for literal in literals(line) if literal.path == ("text",))
    after = spliced(line, [(literal, redactions)])

    assert redacted(said, redactions) == json.loads(after)["text"]
    assert after.startswith(line[: literal.start])
    assert after.endswith(line[literal.end :])
