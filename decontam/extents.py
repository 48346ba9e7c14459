"""Extents: how far a payload reaches in the text that holds it, so that a sample can be cut out of a document.

A payload ends where its outermost brackets close, as long as they enclose data: `{` before a quotation mark or another
bracket. The braces of a function around it are not part of it. What has no brackets (YAML, headers) reaches over all
neighbouring lines that look like `key: value`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

from decontam.types import Span

_BRACKET = re.compile(r"[{}\[\]]")
_DATA = re.compile(r"""[{\[]\s{0,200}(?:\\{0,8}["'[{\]}]|&quot;|-?\d|[A-Za-z_]\w{0,40}=|$)""")
_KEY_LINE = re.compile(r"""[ \t]*(?:(?://|#|>|\*|data:|-)[ \t]*){0,3}["']?[A-Za-z_:][\w.:-]{0,60}["']?[ \t]*[:=](?:[ \t].*)?$""")
_MOST_LINES = 1000  # on each side


def data_regions(text: str) -> list[Span]:
    """Where data stand in a text: from outermost brackets to where they close, in order. Linear in its length.

    Brackets that never close are a truncated payload, which ends with its paragraph.

    >>> data_regions('f() { x({"a": [1]}); } and {"b')
    [Span(start=8, end=18), Span(start=27, end=30)]
    """
    regions = []
    opened: list[tuple[int, bool]] = []  # where, and whether it encloses data
    for bracket in _BRACKET.finditer(text):
        if bracket.group() in "{[":
            opened.append((bracket.start(), _DATA.match(text, bracket.start()) is not None))
        elif opened:
            start, is_data = opened.pop()
            if is_data and not (opened and opened[-1][1]):
                regions.append(Span(start, bracket.end()))
    floor = 0
    for at, (start, is_data) in enumerate(opened):
        if is_data and start >= floor and not (at and opened[at - 1][1]):
            blank = text.find("\n\n", start)
            floor = len(text) if blank < 0 else blank
            regions.append(Span(start, floor))
    return _outermost(regions)


def _outermost(regions: list[Span]) -> list[Span]:
    kept: list[Span] = []
    for region in sorted(regions, key=lambda span: (span.start, -span.end)):
        if not kept or region.start >= kept[-1].end:
            kept.append(region)
        elif region.end > kept[-1].end:
            kept[-1] = Span(kept[-1].start, region.end)
    return kept


def _lines(text: str, span: Span) -> Span:
    """The lines of the span and all lines of `key: value` next to them."""
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end)
    end = len(text) if end < 0 else end
    for _ in range(_MOST_LINES):
        above = text.rfind("\n", 0, max(0, start - 1)) + 1
        if not start or not _KEY_LINE.match(text[above : start - 1]):
            break
        start = above
    for _ in range(_MOST_LINES):
        below = text.find("\n", end + 1)
        below = len(text) if below < 0 else below
        if end == len(text) or not _KEY_LINE.match(text[end + 1 : below]):
            break
        end = below
    return Span(start, end)


def extent(text: str, span: Span, regions: Sequence[Span]) -> Span:
    """How far the payload reaches of which `span` is a part; `regions` are the data of the text.

    >>> text = 'Try it: {"a": {"id": 7}} and go on.'
    >>> extent(text, Span(16, 20), data_regions(text))
    Span(start=8, end=24)
    """
    at = bisect_right(regions, span.start, key=lambda region: region.start) - 1
    if at >= 0 and span.start < regions[at].end:
        return Span(regions[at].start, max(span.end, regions[at].end))
    if at + 1 < len(regions) and regions[at + 1].start < span.end:
        return Span(span.start, max(span.end, regions[at + 1].end))
    return _lines(text, span)


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
