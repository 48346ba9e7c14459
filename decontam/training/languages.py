"""Make `data/languages.npz`: the model that tells languages apart in `decontam.language`.

`python -m decontam.training.languages SOURCES...` takes JSON lines, plain or zst, with `text`, `lang` and `source`.
Every language counts alike, and within it every source; each text is cut into pieces of many lengths. Languages that
have no column of their own are examples of `und`.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from decontam.files import Source
from decontam.kernels import kernel
from decontam.language import BITS, CODES, HAN, HANGUL, KANA, MODELLED, OWNED, TABLE, UNSURE, features, named

NAMES = (
    *"""en de fr es pt it nl sv da no is fi et lv lt pl cs sk sl hr ro hu tr az vi id ms tl sw af ca gl eu ga cy sq eo la
    ru uk be bg sr mk kk ky tg mn ar fa ur ug ps hi mr ne""".split(),  # noqa: SIM905 - a table
    UNSURE,
)
SAME = {"bs": "hr", "sh": "hr", "cnr": "hr"}  # one language by all that trigrams can say
HELD_OUT = frozenset(
    (
        "h_bosque_pt",
        "h_f18_en",
        "h_kaist_ko",
        "h_nltk_en",
        "h_opensource_guide_multi",
        "h_ruby_news_multi",
        "h_xquad_multi",
        "libreoffice_help",
    )
)
"""Sources that are for measuring; nothing is trained on them."""

_MODELLED = ("LATIN", "CYRILLIC", "ARABIC", "DEVANAGARI")
_OWNERS = {
    "GREEK": "el", "HEBREW": "he", "ARMENIAN": "hy", "GEORGIAN": "ka", "BENGALI": "bn", "GURMUKHI": "pa", "GUJARATI": "gu", "ORIYA": "or",
    "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml", "SINHALA": "si", "THAI": "th", "LAO": "lo", "TIBETAN": "bo",
    "MYANMAR": "my", "KHMER": "km", "ETHIOPIC": "am",
}  # fmt: skip
_BY_SCRIPT = {"zh", "ja", "ko", "yue", *_OWNERS.values()}
_ENGLISH = re.compile(r"\bthe\b", re.IGNORECASE)
_TEXTS, _LONGEST = 1500, 20_000  # of one language and source; characters of one
_PIECES = (50, 100, 200, 400)  # characters
_ROUNDS = 4
_EACH = 1200  # pieces of a language in a round
_RATE, _DECAY = 0.5, 2e-6


def characters() -> dict[str, np.ndarray[Any, Any]]:
    """`classes` and `readings` (lower case) of the characters below CODES."""
    classes = np.zeros(CODES, np.uint8)
    readings = np.arange(CODES, dtype=np.uint16)
    owners = list(_OWNERS)
    for code in range(CODES):
        character = chr(code)
        if unicodedata.category(character)[0] not in "LM":
            continue
        script = unicodedata.name(character, "").split(" ")[0]
        if script in _MODELLED or script == "COMBINING":
            classes[code] = MODELLED
        elif script in {"HIRAGANA", "KATAKANA"}:
            classes[code] = KANA
        elif script == "HANGUL":
            classes[code] = HANGUL
        elif script == "CJK":
            classes[code] = HAN
        elif script in _OWNERS:
            classes[code] = OWNED + owners.index(script)
        lower = character.lower()
        if len(lower) == 1 and ord(lower) < CODES:
            readings[code] = ord(lower)
    return {"classes": classes, "readings": readings}


@kernel
def _train(starts, buckets, labels, order, weights, squares, rate, decay):  # type: ignore[no-untyped-def]
    """One round of AdaGrad on the multinomial logistic loss. Returns the mean loss."""
    languages = weights.shape[1]
    logits = np.empty(languages, np.float32)
    total = 0.0
    for row in order:
        first, last = starts[row], starts[row + 1]
        scale = np.float32(1.0 / np.sqrt(max(last - first, 1)))
        logits[:] = 0
        for at in range(first, last):
            for each in range(languages):
                logits[each] += weights[buckets[at], each]
        for each in range(languages):
            logits[each] *= scale
        top = logits.max()
        norm = np.float32(0)
        for each in range(languages):
            logits[each] = np.exp(logits[each] - top)
            norm += logits[each]
        for each in range(languages):
            logits[each] /= norm
        total -= np.log(logits[labels[row]] + 1e-12)
        logits[labels[row]] -= np.float32(1)
        for at in range(first, last):
            bucket = buckets[at]
            for each in range(languages):
                step = logits[each] * scale + decay * weights[bucket, each]
                squares[bucket, each] += step * step
                weights[bucket, each] -= rate * step / np.sqrt(squares[bucket, each] + np.float32(1e-6))
    return total / len(order)


def _label(tag: str) -> str:
    found = "hr" if tag.lower().startswith("sr-lat") else named(tag) or UNSURE  # Serbian in Latin letters
    found = SAME.get(found, found)
    return found if found in NAMES else UNSURE


def _pieces(texts: dict[str, dict[str, list[str]]], random: np.random.Generator) -> Iterable[tuple[str, int]]:
    """Pieces of text with the columns of their languages; half of a language's come from sources alike, half from texts alike."""
    for column, name in enumerate(NAMES):
        sources = texts[name]
        names = sorted(sources)
        sizes = np.array([sum(map(len, sources[source])) ** 0.5 for source in names])
        for number in random.choice(len(names), _EACH * (4 if name == UNSURE else 1), p=sizes / sizes.sum()):
            text = sources[names[number]][random.integers(len(sources[names[number]]))]
            size = int(random.choice(_PIECES))
            start = int(random.integers(max(len(text) - size, 0) + 1))
            yield text[start : start + size], column


def trained(texts: dict[str, dict[str, list[str]]], seed: int = 7) -> dict[str, Any]:
    """The arrays of the table, from texts by language and source."""
    if missing := [name for name in NAMES if not texts.get(name)]:
        raise ValueError(f"no text in {', '.join(missing)}")
    random = np.random.default_rng(seed)
    table = characters()
    weights = np.zeros((1 << BITS, len(NAMES)), np.float32)
    squares = np.zeros_like(weights)
    for number in range(_ROUNDS):
        rows, labels = [], []
        for piece, column in _pieces(texts, random):
            counts, buckets, found = features(piece.encode("utf-8", "replace"), table["classes"], table["readings"], len(_OWNERS))
            if found >= 8 and counts[MODELLED] * 2 > sum(counts):
                rows.append(buckets[:found].copy())
                labels.append(column)
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        loss = _train(starts, np.concatenate(rows), np.array(labels), random.permutation(len(rows)), weights, squares,
                      np.float32(_RATE), np.float32(_DECAY))  # fmt: skip
        print(f"round {number + 1}: {len(rows):,} pieces, mean loss {loss:.4f}")  # noqa: T201
    scale = float(np.quantile(np.abs(weights[np.abs(weights) > 1e-3]), 0.9995)) / 127
    small = np.clip(np.rint(weights / scale), -127, 127).astype(np.int8)
    return {"names": " ".join(NAMES), "owners": " ".join(_OWNERS.values()), "weights": small, "scale": scale, **table}


def read(paths: Iterable[Path]) -> dict[str, dict[str, list[str]]]:
    """Texts by language and source; rows that a model wrote are left out, and the sources HELD_OUT."""
    texts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in paths:
        with Source(str(path)) as file:
            for line in _lines(file):
                row = orjson.loads(line)
                tag, text = row["lang"], row["text"]
                if row.get("label", "human") != "human" or row["source"] in HELD_OUT or named(tag) in _BY_SCRIPT:
                    continue
                kept = texts[_label(tag)][row["source"]]
                if len(kept) < _TEXTS and (_label(tag) == "en" or not left_in_english(text)):
                    kept.append(text[:_LONGEST])
    return texts


def left_in_english(text: str) -> bool:
    """Whether a text that is said to be in another language was not translated, or a good part of it.

    >>> left_in_english("De titel. The title of the page."), left_in_english("De titel van de pagina.")
    (True, False)
    """
    return len(_ENGLISH.findall(text)) * 400 > len(text)


def _lines(file: Source) -> Iterable[bytes]:
    left = b""
    while block := file.read():
        *whole, left = (left + block).split(b"\n")
        yield from whole
    if left:
        yield left


def main(paths: list[str]) -> None:
    np.savez_compressed(TABLE, **trained(read(map(Path, paths))))


if __name__ == "__main__":
    main(sys.argv[1:])
