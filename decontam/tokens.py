"""Tokens: words, numbers, signs and single characters of a text, hashed, with their places; one pass that stages share.

A token is a run of letters (apostrophes inside it included), a run of digits, one sign, or one character of a script that
is written without spaces (Chinese, Japanese, Thai ..., and each Korean syllable). Its key is a hash of what the token is read
as: lower case, compatible forms, no accents, simplified characters, straight quotes. Invisible characters and combining marks
are not read at all, so what was put between letters to hide a word does not.

Keys are the same on every machine and version of Python; a change of them is a new READING, and artefacts name theirs.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from threading import local
from typing import Any, NamedTuple

import numpy as np

from decontam.kernels import kernel
from decontam.view import View

READING = 1
"""Changes whenever the key of any token does."""

MOST = 1 << 17
"""Tokens in one piece; larger texts are read piece by piece, so that their tokens never need more memory than the text."""

# Kinds of tokens.
WORD, CAPITAL, CAPITALS, NUMBER, MARK, SINGLE = range(6)

# Classes of characters, as `training.characters` writes them into the table.
SPACE, LETTER, DIGIT, SIGN, ONE, APOSTROPHE, IGNORED = range(7)
UPPER = 16
EXPANDED = 0x110000
TABLE_SIZE = 0x20000
TABLE = Path(__file__).parent / "data" / "characters.npz"

_SEED = np.uint64(0x9E3779B97F4A7C15)
_PRIME = np.uint64(0x100000001B3)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)


class Tokens(NamedTuple):
    """`keys` (uint64), `kinds` (uint8), and `starts` and `ends` (int32, bytes of the UTF-8 text) of up to MOST tokens in a row.

    `next` is the byte behind the last of them at which the rest of the text begins; the length of the text where nothing is left.
    """

    keys: np.ndarray[Any, Any]
    kinds: np.ndarray[Any, Any]
    starts: np.ndarray[Any, Any]
    ends: np.ndarray[Any, Any]
    next: int


@kernel
def mixed(key: Any) -> Any:
    """A 64-bit hash all of whose bits depend on all bits of `key` (the finaliser of splitmix64)."""
    key = (key ^ (key >> _30)) * _MIX_1
    key = (key ^ (key >> _27)) * _MIX_2
    return key ^ (key >> _31)


@kernel
def _tokenise(  # noqa: C901, PLR0912, PLR0915 - one loop, as fast as can be
    data: Any, at: Any, classes: Any, readings: Any, expansions: Any, keys: Any, kinds: Any, starts: Any, ends: Any
) -> tuple[int, Any]:
    size, most = len(data), len(keys)
    count = 0
    inside = 0  # LETTER or DIGIT while a run of them is being read
    state = _SEED
    start = end = at
    letters = uppers = 0
    first_upper = False
    apostrophe = 0  # 1 + the byte where one stands that may yet prove to be inside a word
    while at < size or inside != 0:
        both: Any = SPACE  # what the text ends with
        read: Any = 0
        width = 0
        if at < size:
            lead = data[at]
            if lead < 0x80:
                code: Any = np.int64(lead)
                width = 1
            elif lead < 0xE0:
                code, width = (np.int64(lead) & 0x1F) << 6 | (np.int64(data[at + 1]) & 0x3F), 2
            elif lead < 0xF0:
                code = (np.int64(lead) & 0x0F) << 12 | (np.int64(data[at + 1]) & 0x3F) << 6 | (np.int64(data[at + 2]) & 0x3F)
                width = 3
            else:
                code = (np.int64(lead) & 0x07) << 18 | (np.int64(data[at + 1]) & 0x3F) << 12
                code |= (np.int64(data[at + 2]) & 0x3F) << 6 | (np.int64(data[at + 3]) & 0x3F)
                width = 4
            if code < TABLE_SIZE:
                both, read = np.int64(classes[code]), np.int64(readings[code])
            else:  # rare ideographs; above them there are only tags, selectors and private use
                both, read = ONE if code < 0x40000 else IGNORED, code
        what = both & 15
        if what == IGNORED:
            at += width
            continue
        if inside != 0 and what != inside:  # noqa: PLR1714 - a tuple would be built for each byte
            if what == APOSTROPHE and inside == LETTER and apostrophe == 0:
                apostrophe = 1 + at
                at += width
                continue
            if count == most:
                break
            keys[count] = mixed(state)
            if inside == DIGIT:
                kinds[count] = NUMBER
            elif uppers == letters and letters > 1:
                kinds[count] = CAPITALS
            else:
                kinds[count] = CAPITAL if first_upper else WORD
            starts[count], ends[count] = start, end
            count += 1
            inside = 0
            if apostrophe != 0:  # it stood at the end of the word: a sign, which is read again
                at = apostrophe - 1
                apostrophe = 0
                if count == most:
                    break
                keys[count] = mixed((_SEED ^ np.uint64(39)) * _PRIME)
                kinds[count] = MARK
                starts[count] = at
                lead = data[at]
                at += 1 if lead < 0x80 else (2 if lead < 0xE0 else (3 if lead < 0xF0 else 4))
                ends[count] = at
                count += 1
                continue
        if what == SPACE:
            at += width
            continue
        if inside == 0:
            if count == most:
                break
            start = at
            state = _SEED
            letters = uppers = 0
            first_upper = False
        elif apostrophe != 0:
            state = (state ^ np.uint64(39)) * _PRIME
            apostrophe = 0
        if read < EXPANDED:
            state = (state ^ np.uint64(read)) * _PRIME
        else:
            for place in range(4):
                part = expansions[read - EXPANDED, place]
                if part != 0:
                    state = (state ^ np.uint64(part)) * _PRIME
        at += width
        end = at
        if what == LETTER:
            if both & UPPER:
                uppers += 1
                if letters == 0:
                    first_upper = True
            letters += 1
            inside = LETTER
            while at < size:  # most characters of most texts
                both = np.int64(classes[data[at]])
                if data[at] >= 0x80 or both & 15 != LETTER:
                    break
                state = (state ^ np.uint64(readings[data[at]])) * _PRIME
                uppers += both >> 4
                letters += 1
                at += 1
            end = at
        elif what == DIGIT:
            inside = DIGIT
        else:
            keys[count] = mixed(state)
            kinds[count] = SINGLE if what == ONE else MARK
            starts[count], ends[count] = start, end
            count += 1
    if inside != 0:  # no room for the token that is being read: the next piece begins with it
        at = start
    return count, at


_scratch = local()


def _room(size: int) -> tuple[Any, Any, Any, Any]:
    """Arrays for the tokens of so many bytes. A thread keeps them: texts have a fifth as many, and memory is dear when first written."""
    held: tuple[Any, Any, Any, Any] | None = getattr(_scratch, "arrays", None)
    if held is None or len(held[0]) < size:
        most = max(size, min(MOST, 2 * size))
        held = np.empty(most, np.uint64), np.empty(most, np.uint8), np.empty(most, np.int32), np.empty(most, np.int32)
        _scratch.arrays = held
    return held


@lru_cache(maxsize=1)
def _table() -> tuple[Any, Any, Any]:
    with np.load(TABLE) as table:
        return table["kinds"], table["readings"], table["expansions"]


def tokenised(data: bytes, start: int = 0) -> Tokens:
    """The tokens of UTF-8 `data` from byte `start` on, MOST of them at most.

    >>> tokenised("Don't ‘panic’: 42!".encode()).kinds.tolist() == [CAPITAL, MARK, WORD, MARK, MARK, NUMBER, MARK]
    True
    """
    size = min(MOST, len(data) - start)
    keys, kinds, starts, ends = (array[:size] for array in _room(size))
    count, at = _tokenise(np.frombuffer(data, np.uint8), start, *_table(), keys, kinds, starts, ends)
    return Tokens(keys[:count].copy(), kinds[:count].copy(), starts[:count].copy(), ends[:count].copy(), int(at))


def of(view: View) -> Tokens:
    """The tokens of a text, or of its beginning where it is very long; they are read once, whoever asks."""
    return view.once(of, lambda view: tokenised(view.data))


def key_of(word: str) -> int:
    """The key of a text that is one token.

    >>> key_of("Straße") == key_of("ＳＴＲＡＳＳＥ") == key_of("stra\u200bsse")
    True
    """
    tokens = tokenised(word.encode())
    if len(tokens.keys) != 1:
        raise ValueError(f"{word!r} is {len(tokens.keys)} tokens, not one")
    return int(tokens.keys[0])
