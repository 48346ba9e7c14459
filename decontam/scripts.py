"""Scripts: in which writing a text is, as a language tag. A glance that costs next to nothing, for counts in a report.

Where a script belongs to one language the tag names it (`ja`, `ko`, `th`); else it says the script alone: `und-Latn`.
Tags are those of BCP 47, names of scripts those of ISO 15924.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

_SEEN = 2_000  # characters of a record that are looked at
_TAGS = {
    "LATIN": "und-Latn", "CJK": "und-Hani", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CYRILLIC": "und-Cyrl", "GREEK": "el",
    "ARABIC": "und-Arab", "HEBREW": "he", "DEVANAGARI": "und-Deva", "BENGALI": "und-Beng", "THAI": "th", "ARMENIAN": "hy", "GEORGIAN": "ka",
    "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml", "GUJARATI": "gu", "GURMUKHI": "pa", "SINHALA": "si", "KHMER": "km",
    "LAO": "lo", "MYANMAR": "my", "ETHIOPIC": "und-Ethi", "TIBETAN": "bo",
}  # fmt: skip
_KANA = 0.05  # share of kana among Han from which a text is Japanese
_LETTER = re.compile("[A-Za-z]")
UNKNOWN = "und"


@lru_cache(maxsize=1 << 16)
def _tag(character: str) -> str:
    if not character.isalpha():
        return ""
    return _TAGS.get(unicodedata.name(character, "").replace("FULLWIDTH ", "").partition(" ")[0], UNKNOWN)


def language_tag(texts: Iterable[str]) -> str:
    """The tag of the script that most letters at the beginning of the texts belong to; `und` without letters.

    >>> language_tag(["Plain words."]), language_tag(["今日は良い天気です"]), language_tag(["今天天气很好 OK"]), language_tag(["1, 2"])
    ('und-Latn', 'ja', 'und-Hani', 'und')
    """
    left, seen = _SEEN, ""
    for text in texts:
        seen += text[:left]
        left -= len(text)
        if left <= 0:
            break
    if seen.isascii():  # most are, and counting characters takes as long as looking for everything that must not be in them
        return _TAGS["LATIN"] if _LETTER.search(seen) else UNKNOWN
    letters = Counter(seen)
    tags = Counter[str]()
    for character, number in letters.items():
        tags[_tag(character)] += number
    del tags[""]
    if tags["ja"] > _KANA * (tags["ja"] + tags["und-Hani"]):
        tags["ja"] += tags.pop("und-Hani", 0)
    return max(sorted(tags), key=tags.__getitem__, default=UNKNOWN)
