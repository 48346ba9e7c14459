"""Prose: the tokens of a text that are read as sentences, and whether it is prose at all.

What a format leaves in a text (marks of Markdown, bullets and numbers of lists, targets of links, addresses, tags, fenced code,
line breaks) is not read, so that a model cannot take a format for a voice. Training and use read by this one function.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from decontam.kernels import kernel
from decontam.tokens import CAPITAL, CAPITALS, MARK, NUMBER, SINGLE, Tokens, mixed

MOST = 1 << 14
"""Tokens of one text that are read at most."""

_CASE = np.uint64(0xD6E8FEB86659FD93)
_ONE = np.uint64(1)

# What is done about a sign of one byte, by its code.
_READ, _LEFT_OUT, _BRACKET, _TAG, _FENCE = range(5)
_MARKUP = np.zeros(256, np.uint8)
_MARKUP[[ord(sign) for sign in "*#_~|>\\=^+[{}"]] = _LEFT_OUT
_MARKUP[ord("]")] = _BRACKET
_MARKUP[ord("<")] = _TAG
_MARKUP[ord("`")] = _FENCE

_CODE = np.zeros(256, np.bool_)
_CODE[[ord(sign) for sign in "{}=;<>\\$&[]/@_"]] = True

_LINK, _TAGGED = 200, 60  # tokens after which the end of a link's target, or of a tag, is no longer looked for

# What is counted.
_COUNTS = 7  # words, numbers, signs of code, bars, tokens in fences, lines, tokens seen


class Prose(NamedTuple):
    """What is read of a text: `keys` of tokens with their case, `places` among all its tokens, and `counts` of what it is made of."""

    keys: np.ndarray[Any, Any]
    places: np.ndarray[Any, Any]
    counts: np.ndarray[Any, Any]


@kernel
def _end_of(data, kinds, starts, at, last, opening, closing):  # type: ignore[no-untyped-def]
    """The token behind the sign that closes what token `at` opened; `at` where nothing does."""
    deep = 0
    for place in range(at, last):
        if kinds[place] == MARK:
            if data[starts[place]] == opening:
                deep += 1
            elif data[starts[place]] == closing:
                deep -= 1
                if deep == 0:
                    return place + 1
    return at


@kernel
def _is_address(data, starts, ends, at):  # type: ignore[no-untyped-def]
    """Whether an address begins with token `at`, behind which another stands at once: http:, https:, ftp:, www."""
    start, end = starts[at], ends[at]
    if end - start < 3 or end - start > 5 or at + 2 >= len(starts) or starts[at + 2] != ends[at + 1]:
        return False
    third = data[start + 2] | 32
    if data[end] == 46:
        return end - start == 3 and data[start] | 32 == 119 and data[start + 1] | 32 == 119 and third == 119
    return data[end] == 58 and data[ends[at + 1]] == 47 and third in (112, 116)


@kernel
def _read(data, keys, kinds, starts, ends, markup, code, read, places, counts):  # type: ignore[no-untyped-def]  # noqa: C901, PLR0912, PLR0915 - one loop over what may stand in a text
    total, most = len(keys), len(read)
    count = at = end = 0
    words = numbers = codes = bars = inside_fence = lines = 0
    fenced = False
    while at < total and count < most:
        kind, start = kinds[at], starts[at]
        leads = at == 0
        for place in range(end if at > 0 else start, start):
            leads = leads or data[place] == 10
        before = at
        end = ends[at]
        lines += leads
        if kind == MARK:
            sign = data[start]
            what = markup[sign]
            codes += code[sign]
            bars += sign == 124
            if what == _FENCE and leads and at + 2 < total and data[start + 1] == 96 and data[start + 2] == 96:
                fenced = not fenced
                at += 3
            elif leads and at + 1 < total and (starts[at + 1] > end or what == _LEFT_OUT) and sign not in (34, 39, 40):
                at += 1  # a bullet
            elif fenced or what in (_LEFT_OUT, _FENCE):
                inside_fence += fenced
                at += 1
            elif what == _BRACKET:
                at += 1
                if at < total and starts[at] == end and data[end] == 40:
                    at = _end_of(data, kinds, starts, at, min(total, at + _LINK), 40, 41)
            elif what == _TAG and at + 1 < total and starts[at + 1] == end and (kinds[at + 1] != MARK or data[end] in (33, 47)):
                at = max(at + 1, _end_of(data, kinds, starts, at, min(total, at + _TAGGED), 60, 62))
            elif sign == 45 and at + 2 < total and data[start + 1] == 45 and data[start + 2] == 45:
                at += 1  # a rule across the page; two are a dash
                while at < total and starts[at] == ends[at - 1] and data[starts[at]] == 45:
                    at += 1
        elif fenced:
            inside_fence += 1
            at += 1
        elif kind == NUMBER:
            numbers += 1
            if leads and at + 2 < total and starts[at + 1] == end and data[end] in (41, 46) and starts[at + 2] > ends[at + 1]:
                at += 2  # the number of a list
        else:
            words += 1
            if at + 1 < total and starts[at + 1] == end and kind != SINGLE and _is_address(data, starts, ends, at):
                at += 1
                while at < total and starts[at] == ends[at - 1] and kinds[at] != SINGLE:
                    at += 1
        if at == before:
            key = keys[at]
            if kind == CAPITAL:
                key = mixed(key ^ _CASE)
            elif kind == CAPITALS:
                key = mixed(key ^ (_CASE << _ONE))
            read[count] = key
            places[count] = at
            count += 1
            at += 1
        else:
            end = ends[at - 1]
    for place, value in enumerate((words, numbers, codes, bars, inside_fence, lines, at)):
        counts[place] = value
    return count


def prose(data: bytes, tokens: Tokens, most: int = MOST) -> Prose:
    """What is read of a text in UTF-8 and its tokens, `most` of them at most."""
    room = min(most, len(tokens.keys))
    keys, places, counts = np.empty(room, np.uint64), np.empty(room, np.int32), np.empty(_COUNTS, np.int64)
    count = _read(np.frombuffer(data, np.uint8), *tokens[:4], _MARKUP, _CODE, keys, places, counts)
    return Prose(keys[:count], places[:count], counts)


# Shares of all tokens seen above which a text is something else than prose. Of 37,000 long documents of the labelled data 1 in 200
# lies above any of them; of source code nearly all does (`tests/bench/synthetic.py --gate`).
_MOST_CODE, _MOST_NUMBERS, _MOST_BARS, _MOST_FENCED, _LEAST_READ, _LEAST_IN_LINE = 0.08, 0.22, 0.06, 0.4, 0.5, 7


def not_prose(found: Prose) -> str | None:
    """What a text is if it is no prose: `code`, `table`, `list`, `markup`; None if it is."""
    _, numbers, code, bars, fenced, lines, seen = found.counts.tolist()
    if code > _MOST_CODE * seen or fenced > _MOST_FENCED * seen:
        return "code"
    if numbers > _MOST_NUMBERS * seen or bars > _MOST_BARS * seen:
        return "table"
    if len(found.keys) < _LEAST_READ * seen:
        return "markup"
    return "list" if seen < _LEAST_IN_LINE * lines else None
