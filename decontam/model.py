"""The synthetic model: n-grams of prose, what they weigh, what a score means, and what weighed most.

A score is the sum of the weights of a text's distinct n-grams (one and two tokens, case kept) over a power of their number,
and a bias. Weights are whole numbers, so a sum is the same with and without numba, in whatever order it is made.

A model is one file: a line that says so, the length of a JSON header and the header, then the weights of documents and of passages.
The header names what the model was trained on and holds what was found out about it; see `decontam.calibration`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from decontam import tokens
from decontam.errors import ArtefactError
from decontam.kernels import kernel
from decontam.prose import Prose
from decontam.tokens import mixed

BUILTIN = Path(__file__).parent / "data" / "synthetic.model"
MAGIC = b"decontam synthetic model 1\n"
READING = 1
"""Changes whenever another n-gram is made of a text; `tokens.READING` is the half of it that tokens answer for."""

BITS = 20
"""There are 2^BITS weights of n-grams."""

MOST = 1200
"""Tokens of prose whose n-grams make the score of a document."""

LENGTH = 0.75
"""The power of the number of n-grams that a sum is divided by. One half is what independent n-grams would ask for; they are not."""

WINDOW = 250
"""Tokens of prose whose n-grams make the score of a passage."""

_PAIR = np.uint64(0x9FB21C651E98DF25)
_SHIFT = np.uint64(64 - BITS)
_ALIGNMENT = 64
_NONE = np.empty(0)


@kernel
def _ngrams(keys, found, places):  # type: ignore[no-untyped-def]
    """The distinct n-grams of some keys, as indices of weights, each with the token where it ends first; pairs as -1 - token."""
    size = len(keys)
    room = 64
    while room < 4 * size:
        room *= 2
    slots = np.full(room, -1, np.int32)
    count = np.int64(0)
    for at in range(size):
        for pair in range(2 if at > 0 else 1):
            index = np.int64((mixed(keys[at - 1] * _PAIR + keys[at]) if pair == 1 else mixed(keys[at])) >> _SHIFT)
            slot = index & (room - 1)
            while slots[slot] >= 0 and slots[slot] != index:
                slot = (slot + 1) & (room - 1)
            if slots[slot] < 0:
                slots[slot] = index
                found[count] = index
                places[count] = -1 - at if pair == 1 else at
                count += 1
    return count


@kernel
def _sum(keys, weights):  # type: ignore[no-untyped-def]
    """The sum of the weights of the distinct n-grams of some keys, and how many there are; as `_ngrams` finds them."""
    size = len(keys)
    room = 64
    while room < 4 * size:
        room *= 2
    slots = np.full(room, -1, np.int32)
    total = np.int64(0)
    count = np.int64(0)
    before = np.uint64(0)
    for at in range(size):
        key = keys[at]
        for pair in range(2 if at > 0 else 1):
            index = np.int64((mixed(before * _PAIR + key) if pair == 1 else mixed(key)) >> _SHIFT)
            slot = index & (room - 1)
            while slots[slot] >= 0 and slots[slot] != index:
                slot = (slot + 1) & (room - 1)
            if slots[slot] < 0:
                slots[slot] = index
                total += np.int64(weights[index])
                count += 1
        before = key
    return total, count


@kernel
def _running(keys, weights, size, at_least, totals):  # type: ignore[no-untyped-def]
    """Into `totals`: the sum of the weights of all n-grams that end before each token; how many stretches of `size` sum to `at_least`."""
    total = np.int64(0)
    before = np.uint64(0)
    found = 0
    for at in range(len(keys)):
        key = keys[at]
        total += np.int64(weights[np.int64(mixed(key) >> _SHIFT)])
        if at > 0:
            total += np.int64(weights[np.int64(mixed(before * _PAIR + key) >> _SHIFT)])
        before = key
        totals[at + 1] = total
        if at + 1 >= size and total - totals[at + 1 - size] >= at_least:
            found += 1
    return found


def ngrams(keys: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The distinct n-grams of some keys: indices of weights, and the token that is one, or -1 - the token that ends a pair."""
    found, places = np.empty(2 * len(keys), np.int32), np.empty(2 * len(keys), np.int32)
    count = _ngrams(keys, found, places)
    return found[:count], places[:count]


class Weighed(NamedTuple):
    """An n-gram of a text: its tokens of prose from `first` to `last`, and what it adds to the score."""

    first: int
    last: int
    weight: float


class Passage(NamedTuple):
    """Tokens of prose from `first` up to `end`, and the highest score of a window in them."""

    first: int
    end: int
    score: float


@dataclass(frozen=True)
class Weights:
    """Whole numbers, what one of them is worth, and a bias."""

    table: np.ndarray[Any, Any]
    scale: float
    bias: float

    def score(self, keys: np.ndarray[Any, Any]) -> float:
        """The score of some keys; `bias` where there are none."""
        total, count = _sum(keys, self.table)
        return float(total) * self.scale / max(1, count) ** LENGTH + self.bias

    def windows(self, keys: np.ndarray[Any, Any], size: int, at_least: float = -np.inf) -> np.ndarray[Any, Any]:
        """The scores of all stretches of `size` tokens, none where none scores `at_least`; n-grams count as often as they stand there."""
        if len(keys) < size:
            return _NONE
        worth = self.scale / (2 * size - 1) ** LENGTH
        wanted = max(-(1 << 62), math.floor((at_least - self.bias) / worth)) if at_least > -np.inf else -(1 << 62)
        totals = np.zeros(len(keys) + 1, np.int64)
        if not _running(keys, self.table, size, wanted, totals):
            return _NONE
        sums: np.ndarray[Any, Any] = (totals[size:] - totals[:-size]) * worth + self.bias
        return sums


@dataclass(frozen=True)
class Model:
    """Weights of documents and of passages, and a `header` that says where they come from and what scores mean."""

    header: Mapping[str, Any]
    documents: Weights
    passages: Weights
    digest: str

    @property
    def name(self) -> str:
        return str(self.header["name"])

    def score(self, read: Prose) -> float:
        """How much a text reads like a language model's, in logits of no calibrated base rate."""
        return self.documents.score(read.keys[:MOST])

    def weighed(self, read: Prose, most: int) -> list[Weighed]:
        """The `most` n-grams that raise the score most, heaviest first."""
        keys = read.keys[:MOST]
        found, places = ngrams(keys)
        weights = self.documents.table[found]
        heaviest = [at for at in np.argsort(-weights.astype(np.int64), kind="stable")[:most].tolist() if weights[at] > 0]
        worth = self.documents.scale / max(1, len(found)) ** LENGTH
        spans = [(place, place) if place >= 0 else (-2 - place, -1 - place) for place in places[heaviest].tolist()]
        return [Weighed(*span, round(float(weights[at]) * worth, 4)) for span, at in zip(spans, heaviest, strict=True)]

    def found(self, read: Prose, at_least: float) -> list[Passage]:
        """The passages of WINDOW tokens or more whose windows score `at_least` that much, in order; they do not touch."""
        scores = self.passages.windows(read.keys, WINDOW, at_least)
        starts = np.flatnonzero(scores >= at_least)
        if not len(starts):
            return []
        groups = np.split(starts, np.flatnonzero(np.diff(starts) > WINDOW) + 1)
        return [Passage(int(group[0]), int(group[-1]) + WINDOW, float(scores[group].max())) for group in groups]


_MADE_FOR: dict[str, float] = {"tokens": tokens.READING, "reading": READING, "bits": BITS, "most": MOST, "length": LENGTH, "window": WINDOW}
TABLES = ("documents", "passages")


def written(header: Mapping[str, Any], tables: Mapping[str, Weights]) -> bytes:
    """The bytes of a model file. The same header and weights make the same bytes."""
    about = {**header, **_MADE_FOR, "weights": {name: {"scale": weights.scale, "bias": weights.bias} for name, weights in tables.items()}}
    head = json.dumps(about, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    start = MAGIC + len(head).to_bytes(4, "little") + head
    padding = b"\0" * (-len(start) % _ALIGNMENT)
    return start + padding + b"".join(tables[name].table.astype("<i2").tobytes() for name in TABLES)


def opened(path: str | Path) -> Model:
    """The model in a file, its weights mapped, not read. Raises ArtefactError."""
    return _opened(str(path))


@lru_cache(maxsize=4)
def _opened(path: str) -> Model:
    try:
        with Path(path).open("rb") as file:
            data = file.read(len(MAGIC) + 4)
            size = int.from_bytes(data[len(MAGIC) :], "little")
            head = file.read(size)
        if not data.startswith(MAGIC):
            raise ArtefactError(f"{path}: not a synthetic model; `decontam model train` makes one")
        header = json.loads(head)
        for name, value in _MADE_FOR.items():
            if header[name] != value:
                raise ArtefactError(f"{path}: made for {name} {header[name]}, this version reads {value}; train it again")
        start = len(data) + size
        start += -start % _ALIGNMENT
        mapped = np.asarray(np.memmap(path, np.dtype("<i2"), "r", start, (len(TABLES) << BITS,)))
        tables = mapped.reshape(len(TABLES), -1)
        worth = [header["weights"][name] for name in TABLES]
        documents, passages = (Weights(row, about["scale"], about["bias"]) for row, about in zip(tables, worth, strict=True))
        return Model(header, documents, passages, digest_of(path))
    except OSError as error:
        raise ArtefactError(f"{path}: {error.strerror}; name a model file or `builtin`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path}: truncated or corrupt ({type(error).__name__}); train it again or install decontam again") from None


@lru_cache(maxsize=16)
def digest_of(path: str) -> str:
    """SHA-256 of a file. Raises ArtefactError."""
    try:
        with Path(path).open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
    except OSError as error:
        raise ArtefactError(f"{path}: {error.strerror}; name a model file or `builtin`") from None
