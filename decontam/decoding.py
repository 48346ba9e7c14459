"""Decoding: text that was carried in another alphabet, where it can be read at all.

Whether a text holds base64 worth reading is told by words that payloads and answers are full of, as base64 writes them at each of
the three places where they may begin. To look for base64 as such costs more than all rules together.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

_LONGEST = 1 << 20  # characters of one run
_READABLE = 0.95
_WORDS = (
    '"content"', '"choices"', '"message"', '"model"', '"role": "', '"role":"', '"usage"', '"text": "', '"text":"', '"output', '"type": "',
    '"type":"', '"delta"', '_tokens"', "TokenCount", '"finish', "assistant", "language model", "I'm sorry", "I cannot", "I can't",
    "As an AI", "I apologi", "artificial intell", "knowledge cut", "oaicite", "chatgpt", "ChatGPT",
)  # fmt: skip


def _written(word: str) -> Iterator[str]:
    """The letters that stand for the word wherever it begins.

    >>> sorted(_written("As an AI"))
    ['BcyBhbiBBS', 'FzIGFuIEFJ', 'QXMgYW4gQU']
    """
    for shift in range(3):
        letters = base64.b64encode(bytes(shift) + word.encode()).decode()
        yield letters[-(-8 * shift // 6) : 8 * (shift + len(word)) // 6]


BASE64_TRIGGER = "|".join(sorted(re.escape(letters) for word in _WORDS for letters in _written(word)))
"""RE2 syntax: one of the words is written here in base64."""

BASE64_RUN = r"(?:[0-9A-Za-z+/_-]{40,}[ \t]*\\?\r?\n[ \t]*)*[0-9A-Za-z+/_-]{40,}(?:[ \t]*\r?\n[ \t]*[0-9A-Za-z+/_-]{2,})?={0,2}"
"""For `re`: a run that may be base64, also broken into lines."""

PERCENT_TRIGGER = r"%(?:25)?(?:20|22|27|7[Bb]|5[Bb]|0[Aa])[^%\s]{0,40}%[2-7][0-9A-Fa-f][^%\s]{0,40}%[2-7][0-9A-Fa-f]"
PERCENT_RUN = r"(?:%[0-9A-Fa-f]{2})+"

_BLANKS = re.compile(r"[\s\\]+")


def from_base64(run: str) -> str | None:
    """What the run says; None where it is no readable text.

    >>> from_base64(base64.b64encode(b'{"id": "7", "object": "chat.completion"}').decode())
    '{"id": "7", "object": "chat.completion"}'
    >>> from_base64("A" * 64)
    """
    if len(run) > _LONGEST:
        return None
    letters = _BLANKS.sub("", run).rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    try:
        text = base64.b64decode(letters + "=" * (-len(letters) % 4)).decode("utf-8", "ignore")
    except binascii.Error:
        return None
    readable = sum(map(str.isprintable, text)) + sum(map(text.count, "\n\r\t"))
    return text if text and readable >= _READABLE * len(text) and 2 * len(text) > len(letters) // 2 else None


def from_percent(run: str) -> str:
    """What a run of percent escapes says; itself where it is no UTF-8.

    >>> from_percent("%7B%22%E6%88%91"), from_percent("%FF")
    ('{"我', '%FF')
    """
    try:
        return unquote_to_bytes(run).decode()
    except UnicodeDecodeError:
        return run
