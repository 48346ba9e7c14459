"""LOSO, leave sources out: the score of every text by a model that has seen no source of its fold, and what such scores show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from decontam.training.corpus import Array, Corpus
from decontam.training.fit import Recipe, fit, fit_windows, scores, window_scores
from decontam.training.thresholds import FEWEST, STRONG, WEAK, Scored, bands_of, quantile, thresholds_of

Said = Callable[[str], None]
_FEWEST_MODELS = 20  # texts of models below which a group shows nothing


def trainable(corpus: Corpus, licences: str) -> Array:
    """A mask of the texts that a model may be trained on: `open`, or `all`."""
    return np.ones(len(corpus.rows), bool) if licences == "all" else corpus.open


def left_out(corpus: Corpus, licences: str, recipe: Recipe, say: Said = lambda text: None) -> Scored:
    """All texts, each scored by models that have not seen its fold; windows only of those that are long enough to be judged."""
    size = len(corpus.rows)
    scored = Scored(np.full(size, np.nan), np.full(size, -np.inf))
    folds, may, long = corpus.folds, trainable(corpus, licences), corpus.long
    for fold in corpus.table.folds:
        inside = folds == fold
        if not inside.any():
            continue
        seen, rows, judged = may & ~inside, np.flatnonzero(inside), np.flatnonzero(inside & long)
        scored.documents[rows] = scores(corpus, rows, fit(corpus, seen, recipe))
        scored.windows[judged] = window_scores(corpus, judged, fit_windows(corpus, seen, recipe))
        say(f"left out {fold}: {len(rows):,} texts scored")
    return scored


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


def table(corpus: Corpus, scored: Scored, language: str, by: str = "fold") -> list[Group]:
    """Each fold (or source) of a language with human and model-written long texts, at thresholds that its fold had no part in."""
    made = scored.documents
    usable = (corpus.languages == language) & corpus.long & np.isfinite(made)
    human = corpus.human
    sure = corpus.sure
    folds, names = corpus.folds, corpus.sources
    found = []
    for fold in corpus.table.folds:
        inside = usable & (folds == fold)
        humans, of_models = made[inside & human & sure], inside & ~human
        if len(humans) < FEWEST or of_models.sum() < _FEWEST_MODELS:
            continue
        bands = bands_of(corpus, scored, usable & (folds != fold), language)
        for name in [fold] if by == "fold" else sorted(set(names[of_models].tolist())):
            here = of_models if by == "fold" else of_models & (names == name)
            models = made[here]
            if len(models) < _FEWEST_MODELS:
                continue
            strong, weak = thresholds_of(bands, corpus.lengths[here])
            own = [float((models >= quantile(humans, rate)).mean()) for rate in (WEAK, STRONG)]
            shipped = [float((models >= at).mean()) for at in (weak, strong)]
            found.append(Group(name, len(humans), len(models), auroc(humans, models), *own, *shipped))
    return found


def means(groups: Sequence[Group]) -> Group:
    """The mean over folds."""
    numbers = np.array([group[3:] for group in groups], float)
    return Group(
        "mean", sum(group.humans for group in groups), sum(group.models for group in groups), *np.nanmean(numbers, axis=0).tolist()
    )
