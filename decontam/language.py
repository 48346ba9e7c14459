"""Language: which one a text is in, from two slices of it, with a confidence; `und` where it is unsure.

Scripts that one language owns say it by themselves; Chinese, Japanese and Korean are told by how much kana and Hangul
there is. Texts in Latin, Cyrillic, Arabic and Devanagari letters go through a linear model over hashed letter trigrams and words, which
knows some fifty languages and takes what is near none of them for `und`. The cost does not grow with the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from decontam.kernels import kernel
from decontam.view import View

UNSURE = "und"
"""BCP 47 for a language that is not known."""

TABLE = Path(__file__).parent / "data" / "languages.npz"
BITS = 14
"""The model has 2^BITS buckets."""

SLICE = 500
"""Bytes that are looked at, at the beginning of a text and again in its middle."""

SURE = 0.6
"""Confidence below which the answer is `und`."""

_LEAST = 12  # letters below which nothing is said
_KANA = 0.06  # of Han and kana: above, the text is Japanese; Chinese quotes less of it
_WEIGHTS = {"han": 2.5, "kana": 1.6, "hangul": 2.2}  # letters that would say as much, one for each character

NONE, MODELLED, HAN, KANA, HANGUL = range(5)
OWNED = 5
"""Classes of characters: not a letter; of a script that the model reads; Han; kana; Hangul; from here on, scripts of one language."""

CODES = 0x3400
"""Characters that have a class and a reading in the table; above there are Han and Hangul."""

_MARKUP = 300  # bytes of a piece of mark-up at most
_MOST = 40  # letters of a word; what is longer is no word
_PRIME = np.uint64(0x100000001B3)
_SEED = np.uint64(0xCBF29CE484222325)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(64 - BITS)
_21, _42 = np.uint64(21), np.uint64(42)

GLUE = b"/\\_=@#&<$%{}[]|~^+*"
"""Signs beside which a word is a piece of code, mark-up or an address."""


@kernel
def _features(data, start, end, classes, readings, glue, counts, buckets):  # type: ignore[no-untyped-def]  # noqa: C901, PLR0912, PLR0915 - one loop
    """Count the characters of each class and write the buckets of trigrams and words; how many buckets there are."""
    found = kept = 0  # buckets; those of words that are over
    at = start
    letters = 0
    glued = np.uint8(0)
    first = second = np.uint64(0)
    state = _SEED
    before = np.uint8(32)
    while at <= end:
        what, code, width, lead = np.int64(NONE), np.int64(0), 1, np.uint8(32)
        if at < end:
            lead = data[at]
            if lead < 0x80:
                code = np.int64(lead)
            elif lead < 0xE0:
                code, width = (np.int64(lead) & 0x1F) << 6 | (np.int64(data[at + 1]) & 0x3F), 2
            elif lead < 0xF0:
                code = (np.int64(lead) & 0x0F) << 12 | (np.int64(data[at + 1]) & 0x3F) << 6 | (np.int64(data[at + 2]) & 0x3F)
                width = 3
            else:
                code, width = np.int64(0x20000), 4
            if code < CODES:
                what = np.int64(classes[code])
            elif code < 0xA000 or 0xF900 <= code < 0xFB00 or code >= 0x20000:
                what = np.int64(HAN if width == 3 else NONE)
            elif 0xAC00 <= code < 0xD7A4:
                what = np.int64(HANGUL)
        if what == MODELLED:
            if letters == 0:
                glued = glue[before]
                state, first, second = _SEED, np.uint64(0), np.uint64(32)
            letter = np.uint64(readings[code])
            if letters < _MOST:
                packed = first << _42 | second << _21 | letter
                buckets[found] = (packed * _GOLDEN) >> _SHIFT
                found += 1
                state = (state ^ letter) * _PRIME
                first, second = second, letter
            letters += 1
        else:
            if letters != 0:
                glued |= glue[lead]
                if letters >= _MOST:
                    glued = np.uint8(1)
                # A dot inside a name, as in addresses and calls.
                if lead == 46 and at + 1 < end and 97 <= data[at + 1] | 32 < 123:
                    glued = np.uint8(1)
                if glued != 0:
                    found = kept
                else:
                    packed = first << _42 | second << _21 | np.uint64(32)
                    buckets[found] = (packed * _GOLDEN) >> _SHIFT
                    buckets[found + 1] = (state * _GOLDEN) >> _SHIFT
                    found += 2
                    kept = found
                    counts[MODELLED] += letters
                letters = 0
            if what != NONE:
                counts[what] += 1
            if lead == 60 and at + 1 < end and (97 <= data[at + 1] | 32 < 123 or data[at + 1] == 47 or data[at + 1] == 33):
                closed = at + 1
                while closed < end and closed < at + _MARKUP and data[closed] != 62:
                    closed += 1
                if closed < end and data[closed] == 62:
                    at, lead = closed, data[closed]  # mark-up says nothing about the language
        before = lead
        at += width
    return kept


@kernel
def _scores(buckets, weights, scores):  # type: ignore[no-untyped-def]
    for bucket in buckets:
        for language in range(len(scores)):
            scores[language] += weights[bucket, language]


@kernel
def _likeliest(buckets, weights, scores, scale):  # type: ignore[no-untyped-def]
    """The column with the highest score over some buckets, and its probability. `scores` are noughts."""
    _scores(buckets, weights, scores)
    languages, found = len(scores), len(buckets)
    best = 0
    for language in range(languages):
        if scores[language] > scores[best]:
            best = language
    total = 0.0
    for language in range(languages):
        total += np.exp((scores[language] - scores[best]) * scale / np.sqrt(max(found, 1)))
    return best, 1.0 / total


class Model(NamedTuple):
    """`names` of the languages of the columns of `weights`, `owners` of the classes from OWNED on; `scale` of an integer weight."""

    names: tuple[str, ...]
    owners: tuple[str, ...]
    weights: np.ndarray[Any, Any]
    scale: float
    classes: np.ndarray[Any, Any]
    readings: np.ndarray[Any, Any]


@lru_cache(maxsize=1)
def _model() -> Model:
    with np.load(TABLE) as table:
        names, owners = (tuple(str(table[name]).split()) for name in ("names", "owners"))
        return Model(names, owners, table["weights"], float(table["scale"]), table["classes"], table["readings"])


@lru_cache(maxsize=1)
def _glue() -> np.ndarray[Any, Any]:
    glue = np.zeros(256, np.uint8)
    glue[np.frombuffer(GLUE + b"0123456789", np.uint8)] = 1
    return glue


def slices(size: int) -> tuple[tuple[int, int], ...]:
    """The bytes of a text of `size` bytes that are looked at.

    >>> slices(100), slices(10_000)
    (((0, 100),), ((0, 500), (5000, 5500)))
    """
    return ((0, size),) if size <= 2 * SLICE else ((0, SLICE), (size // 2, size // 2 + SLICE))


def features(
    data: bytes, classes: np.ndarray[Any, Any], readings: np.ndarray[Any, Any], owned: int
) -> tuple[list[int], np.ndarray[Any, Any], int]:
    """Counts of characters by class; the buckets of the trigrams and words of a text, and how many there are."""
    raw = np.frombuffer(data, np.uint8)
    counts = np.zeros(OWNED + owned, np.int64)
    buckets = np.empty(4 * SLICE + 32, np.int32)
    found = 0
    for first, last in slices(len(data)):
        start, end = _whole(data, first), _whole(data, last)
        found += _features(raw, start, end, classes, readings, _glue(), counts, buckets[found:])
    return counts.tolist(), buckets, found


def _whole(data: bytes, at: int) -> int:
    """The first byte of the character in which byte `at` is."""
    while 0 < at < len(data) and data[at] & 0xC0 == 0x80:
        at -= 1
    return at


def identified(data: bytes) -> tuple[str, float]:
    """The language of UTF-8 `data`, and how sure that is, 0 to 1. `und` with a low number where there is no telling."""
    model = _model()
    counts, buckets, found = features(data, model.classes, model.readings, len(model.owners))
    han, kana, hangul, modelled = counts[HAN], counts[KANA], counts[HANGUL], counts[MODELLED]
    best = "ko" if hangul * 2 > han + kana else "ja" if kana > _KANA * (han + kana) else "zh"
    most = han * _WEIGHTS["han"] + kana * _WEIGHTS["kana"] + hangul * _WEIGHTS["hangul"]
    owned = max(counts[OWNED:])
    total = most + sum(counts[OWNED:]) + modelled
    if total < _LEAST:
        return UNSURE, 0.0
    if owned > most:
        best, most = model.owners[counts.index(owned, OWNED) - OWNED], owned
    if most >= modelled:
        sure = most / total
    else:
        column, likely = _likeliest(buckets[:found], model.weights, np.zeros(len(model.names), np.int32), model.scale)
        best, sure = model.names[column], likely * modelled / total
    return (best, sure) if sure >= SURE and best != UNSURE else (UNSURE, sure if best == UNSURE else 1 - sure)


_NO_LANGUAGE = {"", "und", "unknown", "mul", "zxx", "mis", "none", "null", "other", "xx", "un"}
_SHORTER = dict(
    pair.split(":")
    for pair in """
    eng:en deu:de ger:de fra:fr fre:fr spa:es por:pt ita:it nld:nl dut:nl rus:ru ukr:uk bel:be bul:bg srp:sr mkd:mk zho:zh chi:zh
    cmn:zh jpn:ja kor:ko ara:ar arb:ar fas:fa per:fa pes:fa heb:he hin:hi mar:mr ben:bn tam:ta tel:te kan:kn mal:ml guj:gu pan:pa
    tha:th vie:vi ind:id msa:ms may:ms zsm:ms tur:tr aze:az pol:pl ces:cs cze:cs slk:sk slo:sk slv:sl hrv:hr bos:bs ron:ro rum:ro
    hun:hu fin:fi est:et lav:lv lvs:lv lit:lt swe:sv dan:da nor:no nob:no nno:no nb:no nn:no isl:is ice:is cat:ca glg:gl eus:eu
    baq:eu ell:el gre:el sqi:sq alb:sq cym:cy gle:ga afr:af swa:sw swh:sw tgl:tl fil:tl epo:eo lat:la urd:ur kat:ka geo:ka hye:hy
    arm:hy iw:he in:id
    """.split()  # noqa: SIM905 - a table
)
_NAMES = {
    "english": "en", "german": "de", "french": "fr", "spanish": "es", "portuguese": "pt", "italian": "it", "dutch": "nl", "russian": "ru",
    "chinese": "zh", "japanese": "ja", "korean": "ko", "arabic": "ar", "polish": "pl", "turkish": "tr", "swedish": "sv",
}  # fmt: skip
_TAG = re.compile(r"[a-z]{2,3}(?=$|[-_@.])")


def named(tag: str) -> str | None:
    """The primary subtag that a label of a language means; None where it means none, and for what is no label.

    >>> named("zh-CN"), named("eng_Latn"), named("__label__de"), named("English"), named("nb"), named("unknown"), named("?")
    ('zh', 'en', 'de', 'en', 'no', None, None)
    """
    bare = tag.strip().lower().removeprefix("__label__")
    if bare in _NAMES:
        return _NAMES[bare]
    if bare in _NO_LANGUAGE or (found := _TAG.match(bare)) is None:
        return None
    primary = _SHORTER.get(found[0], found[0])
    return None if primary in _NO_LANGUAGE else primary


def language(view: View, hint: str | None = None) -> tuple[str, float]:
    """The primary subtag (BCP 47) of a text's language, and how sure it is, 0 to 1.

    A `hint` that names a language is believed. `und` is the answer for texts that are too short, mixed, or in none of
    the languages that are known.
    """
    if hint is not None and (said := named(hint)) is not None:
        return said, 1.0
    return view.once(language, lambda view: identified(view.data))
