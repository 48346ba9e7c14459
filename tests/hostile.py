"""Hostile texts: what makes careless matchers slow. Cases for test_linear.py and bench/pathological.py."""

from __future__ import annotations

import random
import string
from pathlib import Path

SIZE = 100_000
"""Characters; what the issue of a slow line is measured with."""

_DRAW = random.Random(20)
_BASE64 = string.ascii_letters + string.digits + "+/"


def _drawn(alphabet: str, size: int = 10_007) -> str:
    return "".join(_DRAW.choices(alphabet, k=size))


PIECES: dict[str, str] = {
    "a.a.a.": "a.",
    "a-a-a-": "a-",
    "ones": "1",
    "digits": _drawn(string.digits),
    "digits in fours": " ".join(_drawn(string.digits, 4) for _ in range(2000)) + " ",
    "base64": _drawn(_BASE64),
    "hex": _drawn("0123456789abcdef"),
    "hex pairs": " ".join(_drawn("0123456789abcdef", 2) for _ in range(3000)) + " ",
    "hex pairs, colons": ":".join(_drawn("0123456789abcdef", 2) for _ in range(3000)) + ":",
    "1-1-1-": "1-",
    "1.1.1.": "1.",
    "dotted quads": ".".join(str(_DRAW.randrange(256)) for _ in range(3000)) + ".",
    "decimals": " ".join(f"{_DRAW.random() * 90:.6f}," for _ in range(1000)) + " ",
    "dates": " ".join(f"{_DRAW.randrange(1900, 2100)}-{_DRAW.randrange(1, 13):02}-{_DRAW.randrange(1, 29):02}" for _ in range(900)) + " ",
    "open brackets": "[",
    "brackets": "[]",
    "braces": '{"a":',
    "escaped braces": '{\\"a\\":',
    "quotes": '"',
    "quoted": '"a" ',
    "at signs": "@",
    "a@a.a@a.": "a@a.",
    "less than": "<",
    "tags": "<|im_",
    "backslashes": "\\",
    "escapes": "\\u0041",
    "escape, then backslashes": "\\u0041" + "\\" * SIZE,
    "zero width": "\u200b",
    "zero width between letters": "a\u200b",
    "full-width digits": "１２３４５６７８９０",
    "full-width letters": "ａｂ＠ｃ．",
    "han": "人工智能模型手机号身份证",
    "han and digits": "号13",
    "combining marks": "e\u0301\u0302",
    "emoji": "😀👩\u200d👩\u200d👧",
    "lone surrogates": "\ud800a",
    "percent escapes": "%41%2e",
    "percent signs": "%",
    "entities": "&#65;&amp;",
    "ampersands": "&a",
    "one letter": "a",
    "one capital": "A",
    "one accent": "é",
    "mixed scripts": "aж",
    "mixed scripts, look-alikes": "aо",
    "foreign digits": "٣٤٥٦",
    "spaces": " ",
    "newlines": "\n",
    "tabs and returns": "\t\r\n",
    "colons": ": ",
    "slashes": "/",
    "urls": "https://a.b/c?d=",
    "key = value": "key=",
    "underscores": "_",
    "hyphens": "-",
    "words": "password token secret key id ",
}  # fmt: skip
"""Pieces that are repeated to make a text."""


def repeated(piece: str, size: int = SIZE) -> str:
    """`piece` over and over, `size` characters of it."""
    return (piece * (size // len(piece) + 1))[:size]


def prose(size: int = SIZE) -> str:
    """English that every checkout has: what hostile texts are compared with."""
    root = Path(__file__).parents[1]
    return repeated("\n".join((root / name).read_text("utf-8") for name in ("LICENSE", "decontam/README.md", "CHANGELOG.md")), size)
