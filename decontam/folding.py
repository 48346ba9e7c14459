"""Folding: the plain text behind a disguise, with every offset still leading back to the original.

Soft hyphens and zero-width characters are taken out; full-width, mathematical and ligature letters, foreign digits
and exotic spaces become plain ones; look-alike letters become Latin, only inside words that mix scripts; HTML
entities, JSON and percent escapes and base64 are decoded, also when they were escaped twice or thrice; the marks of a
comment or a quotation come off the beginning of lines.

Folding is for text that needs it: `TRIGGERS` are cheap patterns (RE2 syntax, run in the same pass as the rules), and
a text in which none of them fires is its own folded form as far as any rule can tell. The price is that a trigger
has to exist for each disguise; `tests/test_folding.py` asks this of all of them.

Kept simple on purpose: a character is folded by itself, so `e` + U+0301 does not become `é`.
"""

from __future__ import annotations

import html
import re
import string
import unicodedata
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

import re2

from decontam.decoding import BASE64_RUN, BASE64_TRIGGER, PERCENT_RUN, PERCENT_TRIGGER, from_base64, from_percent
from decontam.types import Span

_LEVELS = 3  # JSON in JSON in JSON has been seen in logs; deeper nesting has not


def _characters(*ranges: tuple[int, int]) -> str:
    return "".join(f"{chr(low)}-{chr(high)}" if low < high else chr(low) for low, high in ranges)


# Default-ignorable code points, Unicode 16 DerivedCoreProperties, but for the joiners; and the code point that a
# known special-token sanitizer inserts (peers: dolma tokens-sanitizer).
_INVISIBLE = _characters(
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x180E, 0x180E), (0x200B, 0x200B), (0x200E, 0x200F),
    (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xE0000, 0xE0FFF), (0x10F000, 0x10F0FF),
)  # fmt: skip
# Joiners and variation selectors are ordinary in emoji, Persian and Indic text: they only count next to these.
_JOINERS = _characters((0x200C, 0x200D), (0xFE00, 0xFE0F))
_PLAIN = "0-9A-Za-z" + _characters((0x4E00, 0x9FFF))
_STYLED = _characters((0xFF10, 0xFF19), (0xFF20, 0xFF3A), (0xFF41, 0xFF5A), (0x24B6, 0x24E9), (0xFB00, 0xFB06),
                      (0x1D400, 0x1D7FF), (0x1F130, 0x1F149))  # fmt: skip
_FOREIGN_DIGITS = _characters((0x660, 0x669), (0x6F0, 0x6F9), (0x966, 0x96F), (0x9E6, 0x9EF))
_SPACES = _characters((0xA0, 0xA0), (0x2000, 0x200A), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000))
_HYPHENS = _characters((0x2010, 0x2012), (0x2212, 0x2212), (0xFE63, 0xFE63), (0xFF0D, 0xFF0D))
# Full-width punctuation matters only where a number or an address is written with it; nothing else asks for it.
_PUNCTUATION = _characters((0xFF05, 0xFF05), (0xFF08, 0xFF0B), (0xFF0E, 0xFF0F), (0xFF3F, 0xFF3F))
_WIDE_PUNCTUATION = _characters((0xFF01, 0xFF0F), (0xFF1A, 0xFF1F), (0xFF3B, 0xFF3F), (0xFF5B, 0xFF5E))
_OTHER_SCRIPTS = _characters((0x370, 0x3FF), (0x400, 0x52F))

_LOOKALIKES = dict(
    zip(
        "аеорсухіјѕԁһӏԛԝгкпАВЕКМНОРСТХІЈЅҮԌԚԜ" + "ονικρυχαγΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
        "aeopcyxijsdhlqwrknABEKMHOPCTXIJSYGQW" + "ovikpuxayABEZHIKMNOPTYX",
        strict=True,
    )
)


class _Disguise(NamedTuple):
    """`trigger` (RE2 syntax, no captures) says that a text may wear it; `edit` (for `re`) finds what to take off.

    `singles`: the edit is any of these characters, most of which become one character: those need no offsets.
    """

    trigger: str
    edit: str
    singles: str = ""


def _any_of(trigger: str, singles: str) -> _Disguise:
    return _Disguise(trigger, f"[{singles}]", singles)


_COMMENT = r"(?:/{2,3}!?|#{1,4}|>{1,4}|\*|--|;{1,2}|\|)"
# A break inside a formula, or a line of data: other comments are left alone, or every source file would be scanned twice.
_BREAK = rf"[ ,]{{0,2}}\n[ \t]{{0,12}}{_COMMENT}[ \t]{{1,4}}"
_BROKEN = (
    rf"\b(?:AI|language|[Aa]rtificial|knowledge|training|large language|[Aa]s an|am an|sorry, but|but I|I apologi[sz]e){_BREAK}"
    r"(?:an?|AI|language|models?|artificial|intelligence|cannot|can't|am|I|cutoff|cut-off|update|assistant|as|but|for)\b"
    rf"|\b(?:as|an?|I|am|my|My|large|last|but|cannot){_BREAK}"
    r"(?:AI|language model|large language|artificial intel|knowledge|training data|apologi[sz]e|sorry)\b"
)
_DATA_KEYS = (
    "choices|finish_reason|usage|message|role|content|object|candidates|stop_reason|(?:prompt|completion|input|output|total)_tokens"
)

_DISGUISES: dict[str, _Disguise] = {
    "base64": _Disguise(BASE64_TRIGGER, BASE64_RUN),
    "percent": _Disguise(PERCENT_TRIGGER, PERCENT_RUN),
    "comment": _Disguise(
        rf"{_BROKEN}|(?:^|\n)[ \t]{{0,12}}{_COMMENT}[ \t]{{1,12}}"
        rf"""(?:data: ?\{{|[{{\[,]{{0,2}} {{0,9}}["'](?:{_DATA_KEYS})["'] ?[:=]|(?:{_DATA_KEYS}): ?\S|[{{\[]\n)""",
        rf"(?:\n|\A)[ \t]*{_COMMENT}(?:[ \t](?:data:|event:)|[ \t]|$|(?=\n))",
    ),
    "invisible": _Disguise(f"[{_INVISIBLE}]|[{_PLAIN}][{_JOINERS}][{_PLAIN}]", f"[{_INVISIBLE}{_JOINERS}]+"),
    "styled": _any_of(f"[{_STYLED}]", _STYLED + _WIDE_PUNCTUATION),
    "digit": _any_of(f"[{_FOREIGN_DIGITS}]{{4}}", _FOREIGN_DIGITS),
    "separator": _any_of(f"[0-9][{_SPACES}{_HYPHENS}{_PUNCTUATION}][0-9]", _SPACES + _HYPHENS + _PUNCTUATION),
    # What to take off is a whole word; see _mixed_words.
    "mixed": _Disguise(f"[A-Za-z][{_OTHER_SCRIPTS}]|[{_OTHER_SCRIPTS}][A-Za-z]", ""),
    "entity": _Disguise(
        r"&(?:#[0-9]{2,7}|#[xX][0-9A-Fa-f]{2,6}|(?:amp|quot|apos|lt|gt|nbsp|shy|colon|commat|period|lowbar|zwj|zwnj));",
        r"&(?:#[0-9]{2,7}|#[xX][0-9A-Fa-f]{2,6}|[A-Za-z][A-Za-z0-9]{1,24});",
    ),
    "escape": _Disguise(
        r'\\u[0-9A-Fa-f]{4}|\\"\s{0,3}[:,\]}]|[\[{:,]\s{0,3}\\"',
        # It begins with a character, which `re` finds fastest. The look-behind keeps time linear: backslashes that lead to nothing
        # are looked at once, not once from each of them.
        r"\\(?<!\\\\)\\*(?:u[0-9A-Fa-f]{4}(?:\\+u[dD][c-fC-F][0-9A-Fa-f]{2})?|[\"/nrt])",
    ),
}

TRIGGERS: tuple[str, ...] = tuple(disguise.trigger for disguise in _DISGUISES.values())
"""Patterns that say a text may have something to fold; RE2 syntax, no captures."""


_SHORTEST_BASE64 = 40
_BASE64_LETTERS = frozenset("+/_-" + string.ascii_letters + string.digits)
_LINE_STARTS = frozenset("\n \t/#>*-;|")
_MIXED = list(_DISGUISES).index("mixed")


@lru_cache(maxsize=1 << len(_DISGUISES))
def _edit_pattern(worn: tuple[int, ...]) -> re.Pattern[str]:
    edits = [disguise.edit for disguise in _DISGUISES.values()]
    return re.compile("(" + "|".join(edits[index] for index in worn) + ")")


@lru_cache(maxsize=1)
def _trigger_set() -> Any:
    triggers = re2.Set.SearchSet()
    for trigger in TRIGGERS:
        triggers.Add(trigger.encode())
    triggers.Compile()
    return triggers


_UNIT = len(r"\u0000")
_UNICODE_ESCAPE = re.compile(r"\\+u([0-9A-Fa-f]{4})")
_HYPHENS_FOUND = set(map(chr, (0x2010, 0x2011, 0x2012, 0x2212, 0xFE63, 0xFF0D)))
_INVISIBLE_FOUND = re.compile(f"[{_INVISIBLE}{_JOINERS}]")
_SCRIPT_CHANGE = re.compile(f"[A-Za-z][{_OTHER_SCRIPTS}]|[{_OTHER_SCRIPTS}](?=[A-Za-z])")
_LETTERS = re.compile(rf"[A-Za-z{_OTHER_SCRIPTS}]+")
DECODED = "\x02"
"""Stands in a folded text where a decoded one begins."""


_SHORT_ESCAPES = {'\\"': '"', r"\/": "/", r"\n": "\n", r"\r": "\r", r"\t": "\t"}


def _unescape(escape: str) -> str:
    short = _SHORT_ESCAPES.get(escape)
    if short is not None:
        return short
    if len(escape) == _UNIT and escape[1] == "u":
        return chr(int(escape[2:], 16))
    units = [int(unit, 16) for unit in _UNICODE_ESCAPE.findall(escape)]
    if not units:
        return _SHORT_ESCAPES["\\" + escape[-1]]
    if len(units) == 2 and 0xD800 <= units[0] < 0xDC00:
        return chr(0x10000 + ((units[0] - 0xD800) << 10) + (units[1] - 0xDC00))
    return "".join(map(chr, units))


def _plain(found: str) -> str:
    """What stands behind a disguised piece of text."""
    if found[0] == "%":
        return from_percent(found)
    if len(found) >= _SHORTEST_BASE64 and found[0] in _BASE64_LETTERS:
        said = from_base64(found)
        return found if said is None else f"{DECODED}\n{said}\n"  # a text of its own, whatever stands around it
    return _behind(found)


def _line_start(found: str) -> str:
    """Lines of a comment are joined to a paragraph; its empty lines, and the lines of a stream, stay lines."""
    if found[-1] in " \t":
        return " " if found[0] == "\n" else ""
    return "\n" + found[found.find("data:") :] if found.endswith("data:") else "\nevent:" if found.endswith("event:") else "\n"


@lru_cache(maxsize=4096)
def _behind(found: str) -> str:
    first = found[0]
    if first in _LINE_STARTS:
        return _line_start(found)
    if first == "\\":
        return _unescape(found)
    if first == "&":
        return html.unescape(found)
    if first in _HYPHENS_FOUND:
        return "-"
    if _INVISIBLE_FOUND.match(found):
        return ""
    digit = unicodedata.digit(first, None)
    return str(digit) if digit is not None else unicodedata.normalize("NFKC", found)


@lru_cache(maxsize=len(_DISGUISES))
def _singles_of(index: int) -> dict[str, str]:
    singles = list(_DISGUISES.values())[index].singles
    if not singles:
        return {}
    all_of_them = re.findall(f"[{singles}]", "".join(map(chr, range(ord(max(singles)) + 1))))
    return {character: plain for character in all_of_them if len(plain := _plain(character)) == 1}


@lru_cache(maxsize=1 << len(_DISGUISES))
def _one_for_one(worn: tuple[int, ...]) -> dict[str, str]:
    """Characters that become one character each, and what each of them becomes."""
    return {character: plain for index in worn for character, plain in _singles_of(index).items()}


def _translated(text: str, worn: tuple[int, ...]) -> str:
    """The text, as long as before, with a plain character for each that one stands for."""
    table = _one_for_one(worn)
    if table:
        # A text knows few characters, however many could be disguised: each is replaced at the speed of memory.
        for character in table.keys() & set(text):
            text = text.replace(character, table[character])
    return text


def _mixed_words(text: str) -> list[str]:
    """The text in pieces, of which every second is a mixed-script word that may be written in Latin letters alone."""
    pieces: list[str] = []
    done = seen = 0
    for match in _SCRIPT_CHANGE.finditer(text):
        if match.start() < seen:
            continue
        low = match.start()
        while low > seen and _LETTERS.match(text, low - 1, low):
            low -= 1
        word = _LETTERS.match(text, low)[0]  # type: ignore[index]  # it holds the letters that changed script
        seen = low + len(word)
        if all(letter.isascii() or letter in _LOOKALIKES for letter in word):
            pieces += (text[done:low], word)
            done = seen
    return [*pieces, text[done:]]


def _pieces(text: str) -> tuple[list[str], list[str]]:
    """The text in pieces, every second of them disguised, and the same pieces in plain.

    What becomes as many characters as it was may be plain in both already.
    """
    worn = _trigger_set().Match(text.encode("utf-8", "replace")) or []
    others = tuple(sorted(set(worn) - {_MIXED}))
    if others:
        pieces = _edit_pattern(others).split(_translated(text, others))
        plain = pieces.copy()
        plain[1::2] = map(_plain, pieces[1::2])
    elif worn:
        pieces = _mixed_words(text)
        plain = pieces.copy()
        plain[1::2] = ["".join(_LOOKALIKES.get(letter, letter) for letter in word) for word in pieces[1::2]]
    else:
        pieces = plain = [text]
    return pieces, plain


def is_disguised(text: str) -> bool:
    """Whether letters of a piece of text were swapped or parted in secret; soft hyphens are for hyphenation.

    >>> [is_disguised(name) for name in ("Ope\u200bnAI", "Оpenai", "Open\u00adAI", "OpenAI и Google")]
    [True, True, False, False]
    """
    return bool(_SCRIPT_CHANGE.search(text) or _INVISIBLE_FOUND.search(text.replace("\u00ad", "")))


class Folded:
    """A folded text. `original(start, end)` leads from its characters back to those of the text it was folded from."""

    __slots__ = ("_behind", "_ends", "_froms", "_resumes", "_starts", "changed", "text")

    def __init__(self, text: str, behind: Folded | None = None) -> None:
        pieces, plain = _pieces(text)
        self.text = "".join(plain)
        self.changed = self.text != text
        self._behind = behind
        here = [0, 0, *accumulate(map(len, plain))]
        there = [0, 0, *accumulate(map(len, pieces))]
        self._starts = here[::2]  # where each plain piece begins, in folded characters
        self._resumes = here[1::2]  # where unchanged text goes on after it
        self._froms = there[::2]  # the disguised piece in the original
        self._ends = there[1::2]
        # The last row of an odd number of pieces has no end: nothing comes after it.

    def _of(self, position: int) -> tuple[int, int]:
        """The original characters behind one folded character."""
        edit = bisect_right(self._starts, position) - 1
        if position < self._resumes[edit]:
            return self._froms[edit], self._ends[edit]
        at = self._ends[edit] + position - self._resumes[edit]
        return at, at + 1

    def original(self, start: int, end: int) -> Span:
        """The span in the original text that folded to `start..end` (end > start)."""
        span = Span(self._of(start)[0], self._of(end - 1)[1])
        return self._behind.original(*span) if self._behind else span


def fold(text: str) -> Folded:
    """Fold `text`, through up to three levels of escaping. Linear in its length.

    >>> fold("ch\\u00adatcmpl-１２").text
    'chatcmpl-12'
    >>> fold("ch\\u00adatcmpl-１２").original(0, 4)
    Span(start=0, end=5)
    >>> fold(r'{\\"id\\": 7}').text
    '{"id": 7}'
    >>> fold("Москва и Paris").text
    'Москва и Paris'
    """
    folded = Folded(text)
    for _ in range(_LEVELS - 1):
        if not folded.changed:
            break
        deeper = Folded(folded.text, folded)
        if not deeper.changed:
            break
        folded = deeper
    return folded
