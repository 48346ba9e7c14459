"""LOSO, leave sources out: the score of every text by a model that has seen no source of its fold, and what such scores show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from decontam.training.corpus import Array, Corpus
from decontam.training.fit import Recipe, fit, fit_windows, scores, window_scores
from decontam.training.thresholds import STRONG, WEAK, held, humans_of, quantile, threshold

Said = Callable[[str], None]


def trainable(corpus: Corpus, licences: str) -> Array:
    """A mask of the texts that a model may be trained on: `open`, or `all`."""
    return corpus.where(lambda row: licences == "all" or row.open)


def left_out(corpus: Corpus, licences: str, recipe: Recipe, say: Said = lambda text: None) -> tuple[Array, Array]:
    """Scores of all texts, and of the highest window in the long ones, each by a model that has not seen its fold."""
    made, windows = np.full(len(corpus.rows), np.nan), np.full(len(corpus.rows), -np.inf)
    folds, may, long = corpus.folds, trainable(corpus, licences), corpus.long
    for fold in corpus.table.folds:
        inside = folds == fold
        if not inside.any():
            continue
        rows = np.flatnonzero(inside)
        made[rows] = scores(corpus, rows, fit(corpus, may & ~inside, recipe))
        rows = np.flatnonzero(inside & long)
        windows[rows] = window_scores(corpus, rows, fit_windows(corpus, may & ~inside, recipe))
        say(f"left out {fold}: {int(inside.sum()):,} texts scored")
    return made, windows


def auroc(humans: Array, models: Array) -> float:
    """The chance that a model-written text scores higher than a human one; ties count half.

    >>> auroc(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    0.875
    """
    if not len(humans) or not len(models):
        return float("nan")
    ordered = np.sort(humans)
    below = np.searchsorted(ordered, models, "left") + np.searchsorted(ordered, models, "right")
    return float(below.mean() / 2 / len(humans))


class Group(NamedTuple):
    """What one fold, or one source of model-written texts, shows in a language. Rates are shares of model-written texts found."""

    name: str
    humans: int
    models: int
    auroc: float
    own_weak: float
    own_strong: float
    shipped_weak: float
    shipped_strong: float


def _found(models: Array, lengths: Array, humans: Sequence[tuple[int, Sequence]], rate: float) -> float:  # type: ignore[type-arg]
    """The share of model-written texts above the threshold of their band."""
    if not len(models):
        return float("nan")
    hits = 0
    for at, (low, sources) in enumerate(humans):
        high = humans[at + 1][0] if at + 1 < len(humans) else 1 << 30
        here = models[(lengths >= low) & (lengths < high)]
        if len(here) and sources:
            hits += int((here >= threshold(sources, rate, spread=rate == WEAK).at).sum())
    return hits / len(models)


def table(corpus: Corpus, made: Array, language: str, edges: Iterable[int], by: str = "fold") -> list[Group]:
    """Each fold (or source) of a language with human and model-written long texts, at thresholds that its fold had no part in."""
    edges = list(edges)
    usable = (corpus.column("language") == language) & corpus.long & np.isfinite(made)
    human = corpus.where(lambda row: row.human)
    sure = corpus.where(lambda row: not corpus.table.sources[row.source].doubtful)
    folds, names = corpus.folds, corpus.column("source")
    found = []
    for name in corpus.table.folds if by == "fold" else sorted(set(names[usable & ~human].tolist())):
        fold = name if by == "fold" else corpus.table.sources[name].fold
        inside = usable & (folds == fold)
        humans = made[inside & human & sure]
        of_models = inside & ~human if by == "fold" else usable & ~human & (names == name)
        models = made[of_models]
        if len(humans) < 100 or len(models) < 20:  # noqa: PLR2004 - fewer show nothing
            continue
        others = usable & (folds != fold)
        bands = []
        for low, high in zip(edges, [*edges[1:], 1 << 30], strict=True):
            sources = humans_of(corpus, made, others & (corpus.lengths >= low) & (corpus.lengths < high))
            bands.append((low, sources if len(sources) >= 5 else humans_of(corpus, made, others)))  # noqa: PLR2004
        lengths = corpus.lengths[of_models]
        found.append(
            Group(name, len(humans), len(models), auroc(humans, models), float((models >= quantile(humans, WEAK)).mean()),
                  float((models >= quantile(humans, STRONG)).mean()), _found(models, lengths, bands, WEAK), _found(models, lengths, bands, STRONG))
        )  # fmt: skip
    return found


def means(groups: Sequence[Group]) -> Group:
    """The mean over folds."""
    numbers = np.array([group[3:] for group in groups], float)
    return Group("mean", sum(group.humans for group in groups), sum(group.models for group in groups), *np.nanmean(numbers, axis=0).tolist())


def realised(corpus: Corpus, made: Array, language: str, edges: Iterable[int]) -> list[tuple[str, int, int, int]]:
    """Each human source of a language: its texts, and how many pass the strong and the weak thresholds of the other folds."""
    edges = list(edges)
    usable = (corpus.column("language") == language) & corpus.long & np.isfinite(made) & corpus.where(lambda row: row.human)
    totals: dict[str, list[int]] = {}
    everything = humans_of(corpus, made, usable)
    for low, high in zip(edges, [*edges[1:], 1 << 30], strict=True):
        here = humans_of(corpus, made, usable & (corpus.lengths >= low) & (corpus.lengths < high))
        here = here if len(here) >= 5 else everything  # noqa: PLR2004
        for rate, place in ((STRONG, 1), (WEAK, 2)):
            for name, n, share in held(here, rate):
                total = totals.setdefault(name.partition("/")[0], [0, 0, 0])
                total[place] += round(share * n)
                total[0] += n if place == 1 else 0
        if here is everything:
            break
    return sorted(((name, *counts) for name, counts in totals.items()), key=lambda row: -row[1])  # type: ignore[misc]
