"""Make `data/characters.npz`: what each character is to `decontam.tokens`, and what it is read as.

The table is shipped rather than made from `unicodedata` at run time, since that differs between versions of Python, and an index
or a model is only good for the readings that it was made with. `python -m decontam.training.characters TSCharacters.txt` takes
the dictionary of traditional characters from OpenCC (Apache-2.0, see NOTICE).
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import numpy as np

from decontam.tokens import APOSTROPHE, DIGIT, EXPANDED, IGNORED, LETTER, ONE, SIGN, SPACE, TABLE, TABLE_SIZE, UPPER

_ONES = [  # scripts without spaces between words, and Hangul, whose syllables say as much
    (0x0E01, 0x0E5B), (0x0E81, 0x0EDF), (0x1000, 0x109F), (0x1100, 0x11FF), (0x1780, 0x17DD), (0x2E80, 0x2FDF), (0x3005, 0x3007),
    (0x3040, 0x30FF), (0x3105, 0x312F), (0x3130, 0x318F), (0x31F0, 0x31FF), (0x3400, 0x9FFF), (0xA960, 0xA97F), (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF), (0x1B000, 0x1B16F),
]  # fmt: skip
_READ_AS = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u0060\u00b4", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\u300c\u300d\u300e\u300f", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\u00ad\ufe63", "-"),
    **dict.fromkeys("\u2015\u2e3a\u2e3b", "\u2014"),
    "\u2026": ".",
    "\u3002": ".",
    "\u3001": ",",
    "ß": "ss",
}
_STRIPPED_OF_MARKS = ("LATIN", "GREEK", "CYRILLIC")


def _without_marks(text: str) -> str:
    if not unicodedata.name(text[0], "").startswith(_STRIPPED_OF_MARKS):
        return text
    return "".join(character for character in unicodedata.normalize("NFD", text) if not unicodedata.category(character).startswith("M"))


def reading(character: str, simplified: dict[str, str]) -> str:
    """What a character is read as: compatible, lower case, without marks, simplified."""
    if character in _READ_AS:
        return _READ_AS[character]
    read = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).casefold())
    read = "".join(_READ_AS.get(one, one) for one in _without_marks(read.replace(" ", "") or read))
    return "".join(simplified.get(one, one) for one in read)


def kind(character: str, read: str) -> int:
    """The class of a character, by what it is read as, and whether it is upper case."""
    category = unicodedata.category(character)
    if category in {"Cf", "Co", "Cn", "Cs"} or (category.startswith("M") and not _alone(character)) or character == "\u0640":
        return IGNORED
    first = read[0]
    meant = unicodedata.category(first)
    if category == "Cc" or meant.startswith("Z") or first == " ":
        return SPACE
    if first == "'":
        return APOSTROPHE
    if (_alone(character) or _alone(first)) and meant[0] in "LMN":
        return ONE
    if meant.startswith("L") or meant == "Nl":
        upper = unicodedata.category(unicodedata.normalize("NFKC", character)[0]) in {"Lu", "Lt"}
        return LETTER | (UPPER if upper else 0)
    return {"N": DIGIT if meant == "Nd" else SIGN, "M": IGNORED}.get(meant[0], SIGN)


def _alone(character: str) -> bool:
    mark = unicodedata.category(character) in {"Mn", "Me"}
    return not mark and any(first <= ord(character) <= last for first, last in _ONES)


def table(simplified: dict[str, str]) -> dict[str, np.ndarray]:
    """The arrays of the table: `kinds`, `readings` (a code point, or EXPANDED + row), `expansions` (rows of up to four code points)."""
    kinds = np.zeros(TABLE_SIZE, np.uint8)
    readings = np.zeros(TABLE_SIZE, np.uint32)
    rows: dict[str, int] = {}
    for code in range(TABLE_SIZE):
        if 0xD800 <= code < 0xE000:
            kinds[code] = IGNORED
            continue
        read = reading(chr(code), simplified)
        kinds[code] = kind(chr(code), read)
        readings[code] = ord(read) if len(read) == 1 else EXPANDED + rows.setdefault(read[:4], len(rows))
    expansions = np.zeros((len(rows), 4), np.uint32)
    for read, row in rows.items():
        expansions[row, : len(read)] = [ord(one) for one in read]
    return {"kinds": kinds, "readings": readings, "expansions": expansions}


def main(dictionary: Path) -> None:
    lines = (line.split("\t") for line in dictionary.read_text("utf-8").splitlines() if "\t" in line)
    simplified = {old: new.split()[0] for old, new in lines if len(old) == len(new.split()[0]) == 1}
    np.savez_compressed(TABLE, **table(simplified))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
