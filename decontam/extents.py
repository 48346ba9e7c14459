"""Extents: how far a payload reaches in the text that holds it, so that a sample can be cut out of a document.

A payload ends where its outermost brackets close, as long as they enclose data: `{` before a quotation mark or another
bracket. The braces of a function around it are not part of it. What has no brackets (YAML, headers) reaches over all
neighbouring lines that look like `key: value`.
"""

from __future__ import annotations

import re

from decontam.types import Span

_FARTHEST = 100_000  # characters on each side; who holds a longer payload holds little else
_OPEN, _CLOSE = "{[", "}]"
_BRACKET = re.compile(r"[{}\[\]]")
_DATA = re.compile(r"""[{\[]\s{0,200}(?:\\{0,8}["'\[{\]}]|&quot;|-?\d|[A-Za-z_]\w{0,40}=|$)""")
_KEY_LINE = re.compile(r"""[ \t]*(?:(?://|#|>|\*|data:|-)[ \t]*){0,3}["']?[A-Za-z_:][\w.:-]{0,60}["']?[ \t]*[:=](?:[ \t].*)?$""")


def _before(text: str, position: int) -> int | None:
    """The outermost bracket around `position` of those that enclose data, walking outwards."""
    found = None
    depth = 0
    floor = max(0, position - _FARTHEST)
    for bracket in reversed(list(_BRACKET.finditer(text, floor, position))):
        if bracket.group() in _CLOSE:
            depth += 1
        elif depth:
            depth -= 1
        elif _DATA.match(text, bracket.start()):
            found = bracket.start()
        else:
            break
    return found


def _after(text: str, opened: int, position: int) -> int:
    """Where the bracket at `opened` closes; the end of the text's reach where it never does: a truncated payload."""
    depth = 0
    for bracket in _BRACKET.finditer(text, opened, min(len(text), position + _FARTHEST)):
        depth += 1 if bracket.group() in _OPEN else -1
        if depth == 0:
            return max(bracket.end(), position)
    blank = text.find("\n\n", position)
    return len(text) if blank < 0 else blank


def _lines(text: str, span: Span) -> Span:
    """The lines of the span and all lines of `key: value` next to them."""
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end)
    end = len(text) if end < 0 else end
    while start > 0 and span.start - start < _FARTHEST:
        above = text.rfind("\n", 0, start - 1) + 1
        if not _KEY_LINE.match(text[above : start - 1]):
            break
        start = above
    while end < len(text) and end - span.end < _FARTHEST:
        below = text.find("\n", end + 1)
        below = len(text) if below < 0 else below
        if not _KEY_LINE.match(text[end + 1 : below]):
            break
        end = below
    return Span(start, end)


def extent(text: str, span: Span) -> Span:
    """How far the payload reaches of which `span` is a part.

    >>> extent('Try it: {"a": {"id": 7}} and go on.', Span(16, 20))
    Span(start=8, end=24)
    >>> extent('f() { x({"id": 7}); }', Span(9, 13))
    Span(start=8, end=17)
    """
    opened = _before(text, span.start)
    if opened is None and text[span.start : span.start + 1] in ("{", "["):
        opened = span.start
    if opened is None:
        return _lines(text, span)
    return Span(opened, max(span.end, _after(text, opened, span.end)))


def covered(spans: list[Span]) -> int:
    """How many characters the spans cover together.

    >>> covered([Span(0, 3), Span(2, 5), Span(9, 10)])
    6
    """
    total = reached = 0
    for start, end in sorted(spans):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
