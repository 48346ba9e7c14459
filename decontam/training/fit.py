"""Fit: weights of n-grams from labelled texts, by logistic regression; the same texts make the same weights, to the bit.

AdaGrad, one text at a time in an order drawn from the seed. Each source counts with the square root of its texts, and the two
labels with the same total, so that no large source and no majority speaks for all.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from decontam.kernels import kernel
from decontam.model import _PAIR, _SHIFT, BITS, LENGTH, MOST, WINDOW, Weights, _ngrams
from decontam.tokens import mixed
from decontam.training.corpus import Array, Corpus

_LARGEST = 32000  # of the whole numbers that weights become


@dataclass(frozen=True)
class Recipe:
    """What a model is trained with. `cap` is the most texts of one source, label and language."""

    rate: float = 0.3
    epochs: int = 4
    l2: float = 1e-4
    cap: int = 2500
    seed: int = 7


@kernel
def _all_ngrams(keys, offsets, rows, most, found, counts):  # type: ignore[no-untyped-def]
    """The distinct n-grams of texts, one after the other; `counts` says how many each has."""
    room = np.empty(2 * most, np.int32)
    places = np.empty(2 * most, np.int32)
    total = 0
    for at in range(len(rows)):
        start = offsets[rows[at]]
        end = min(offsets[rows[at] + 1], start + most)
        count = _ngrams(keys[start:end], room, places)
        found[total : total + count] = room[:count]
        counts[at] = count
        total += count
    return total


@kernel
def _all_windows(keys, starts, size, found):  # type: ignore[no-untyped-def]
    """All n-grams of stretches of `size` tokens, as often as they stand there; each stretch has 2 * size - 1."""
    total = 0
    for at in range(len(starts)):
        for place in range(starts[at], starts[at] + size):
            found[total] = np.int64(mixed(keys[place]) >> _SHIFT)
            total += 1
            if place > starts[at]:
                found[total] = np.int64(mixed(keys[place - 1] * _PAIR + keys[place]) >> _SHIFT)
                total += 1


@kernel
def _descend(found, offsets, labels, worth, orders, rate, l2, weights, steps):  # type: ignore[no-untyped-def]
    """AdaGrad over the texts in the order of each epoch. Gives the bias."""
    bias = 0.0
    bias_steps = 1e-6
    for epoch in range(len(orders)):
        for row in orders[epoch]:
            start, end = offsets[row], offsets[row + 1]
            if end == start:
                continue
            total = 0.0
            for at in range(start, end):
                total += weights[found[at]]
            share = 1.0 / float(end - start) ** LENGTH
            error = (1.0 / (1.0 + np.exp(-(total * share + bias))) - labels[row]) * worth[row]
            pull = l2 * worth[row] * share
            push = error * share
            for at in range(start, end):
                index = found[at]
                step = push + pull * weights[index]
                steps[index] += step * step
                weights[index] -= rate * step / np.sqrt(steps[index])
            bias_steps += error * error
            bias -= rate * error / np.sqrt(bias_steps)
    return bias


def _worth(corpus: Corpus, rows: Array) -> Array:
    """What each text counts."""
    sources, counts = np.unique(np.array([_stratum(corpus, row) for row in rows]), return_inverse=True)
    del sources
    worth = np.bincount(counts)[counts] ** -0.5
    human = np.array([corpus.rows[row].human for row in rows])
    for label in (human, ~human):
        if label.any():
            worth[label] *= len(rows) / 2 / worth[label].sum()
    return worth


def _stratum(corpus: Corpus, row: int) -> str:
    about = corpus.rows[row]
    return f"{about.source}/{about.human}/{about.language}"


def chosen(corpus: Corpus, mask: Array, cap: int) -> Array:
    """Indices of the texts in `mask` to train on: at most `cap` of each source, label and language, drawn by their names."""
    strata: dict[str, list[int]] = defaultdict(list)
    for row in np.flatnonzero(mask).tolist():
        strata[_stratum(corpus, row)].append(row)
    kept: list[int] = []
    for name, rows in sorted(strata.items()):
        if len(rows) > cap:
            draw = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
            kept += sorted(draw.permutation(rows)[:cap].tolist())
        else:
            kept += rows
    return np.array(kept, np.int64)


def _orders(size: int, recipe: Recipe) -> Array:
    draw = np.random.RandomState(recipe.seed)  # its stream is frozen, unlike that of newer generators
    return np.stack([draw.permutation(size) for _ in range(recipe.epochs)])


def _fitted(found: Array, offsets: Array, corpus: Corpus, rows: Array, recipe: Recipe) -> Weights:
    weights, steps = np.zeros(1 << BITS), np.full(1 << BITS, 1e-6)
    labels = np.array([0.0 if corpus.rows[row].human else 1.0 for row in rows])
    orders = _orders(len(rows), recipe)
    bias = _descend(found, offsets, labels, _worth(corpus, rows), orders, recipe.rate, recipe.l2, weights, steps)
    return quantised(weights, bias)


def quantised(weights: Array, bias: float) -> Weights:
    """The weights as whole numbers of 16 bits."""
    scale = float(np.float32((float(np.abs(weights).max()) or 1.0) / _LARGEST))
    return Weights(np.rint(weights / scale).astype(np.int16), scale, round(float(bias), 6))


def fit(corpus: Corpus, mask: Array, recipe: Recipe) -> Weights:
    """Weights for documents, from the texts in `mask`."""
    rows = chosen(corpus, mask, recipe.cap)
    room = int(2 * np.minimum(corpus.lengths[rows], MOST).sum())
    found, counts = np.empty(room, np.int32), np.zeros(len(rows), np.int64)
    total = _all_ngrams(corpus.keys, corpus.offsets, rows, MOST, found, counts)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return _fitted(found[:total], offsets, corpus, rows, recipe)


def fit_windows(corpus: Corpus, mask: Array, recipe: Recipe) -> Weights:
    """Weights for passages, from one window of each text in `mask` that has one."""
    rows = chosen(corpus, mask & (corpus.lengths >= WINDOW), recipe.cap)
    draw = np.random.RandomState(recipe.seed + 1)
    starts = corpus.offsets[rows] + (draw.random_sample(len(rows)) * (corpus.lengths[rows] - WINDOW + 1)).astype(np.int64)
    found = np.empty(len(rows) * (2 * WINDOW - 1), np.int32)
    _all_windows(corpus.keys, starts, WINDOW, found)
    return _fitted(found, np.arange(len(rows) + 1, dtype=np.int64) * (2 * WINDOW - 1), corpus, rows, recipe)


@kernel
def _score_all(keys, offsets, rows, most, table, sums, counts):  # type: ignore[no-untyped-def]
    found, places = np.empty(2 * most, np.int32), np.empty(2 * most, np.int32)
    for at in range(len(rows)):
        start = offsets[rows[at]]
        counts[at] = _ngrams(keys[start : min(offsets[rows[at] + 1], start + most)], found, places)
        total = np.int64(0)
        for index in range(counts[at]):
            total += np.int64(table[found[index]])
        sums[at] = total


def scores(corpus: Corpus, rows: Array, weights: Weights) -> Array:
    """The scores of some texts, as `Weights.score` makes them."""
    sums, counts = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    _score_all(corpus.keys, corpus.offsets, rows, MOST, weights.table, sums, counts)
    made: Array = sums * weights.scale / np.maximum(1, counts) ** LENGTH + weights.bias
    return made


def window_scores(corpus: Corpus, rows: Array, weights: Weights) -> Array:
    """The highest score of a window in each text; minus infinity where it has none."""
    made = np.full(len(rows), -np.inf)
    for at, row in enumerate(rows.tolist()):
        windows = weights.windows(corpus.keys[corpus.offsets[row] : corpus.offsets[row + 1]], WINDOW)
        if len(windows):
            made[at] = windows.max()
    return made
