"""Thresholds: from scores of human texts that a model had not seen, source by source, to what a score means.

Strong: no source reaches it oftener than the nominal rate; the tail of a source with few texts beyond is taken to be exponential.
Weak: likewise, or the mean and two standard deviations over sources, whichever is stricter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from decontam.calibration import Band, Language, Threshold, least
from decontam.model import WINDOW
from decontam.training.corpus import Array, Corpus

STRONG, WEAK = 0.001, 0.01
"""Nominal rates: human texts at or above a threshold, of any source."""

BANDS = (300, 500, 800)
"""Tokens at which a new band begins."""

FEWEST = 100
"""Texts of a source below which its quantiles say nothing."""

INDEPENDENT = 5
"""Human sources, not translated ones, that a language needs before anything is taken out of a crawl in it."""

_SOURCES = 2  # below which there is no band
_MANY = 300  # texts of one source and length that have quantiles of their own
_TAIL = 10  # texts beyond a quantile, below which its tail is fitted
_FITTED = 50  # texts that the tail is fitted to, at most
_LARGE = 1000  # texts of a source that can show such a rate
_FLAT = 0.3  # a slope below which scores of the two labels are alike
_PULL = 1e-4  # towards a slope of nothing
_HELD = {STRONG: 0.003, WEAK: 0.02}  # rates that sources may show when they are left out of calibration


class Human(NamedTuple):
    """Scores of human texts of one source in one language and band."""

    source: str
    fold: str
    scores: Array
    independent: bool = True


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a rate.

    >>> wilson(0, 3000)
    (0.0, 0.00128)
    """
    if not n:
        return 0.0, 1.0
    z, p = 1.96, hits / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return max(0.0, round(low, 5)), min(1.0, round(high, 5))


def quantile(scores: Array, rate: float) -> float:
    """The score that a share `rate` of texts like these reaches.

    Where fewer than ten of them lie beyond it, the excess over a lower quantile is taken to be exponential.
    """
    ordered = np.sort(scores)
    n = len(ordered)
    if n * rate >= _TAIL:
        return float(ordered[math.ceil(n * (1 - rate)) - 1])
    beyond = min(max(_TAIL, min(n // 10, _FITTED)), n - 1)
    start = ordered[n - beyond - 1]
    return float(start + (ordered[n - beyond :] - start).mean() * math.log(beyond / (n * rate)))


def threshold(humans: Sequence[Human], rate: float, spread: bool) -> Threshold:
    """The strictest of the sources' quantiles; with `spread`, at least mean and two standard deviations of them."""
    quantiles = [quantile(human.scores, rate) for human in humans]
    worst = int(np.argmax(quantiles))
    at, name = quantiles[worst], humans[worst].source
    if spread and (wide := float(np.mean(quantiles) + 2 * np.std(quantiles))) > at:
        at, name = wide, "mean and two standard deviations over sources"
    at = round(at, 4)
    documents = sum(len(human.scores) for human in humans)
    above = sum(int((human.scores >= at).sum()) for human in humans)
    return Threshold(at, rate, len(humans), documents, name, round(above / documents, 6), wilson(above, documents))


def probability(humans: Sequence[Human], models: Iterable[Array]) -> tuple[float, float]:
    """Slope and intercept of a logit, where every source counts the same and half of all texts are model-written."""
    machines = [scores for scores in models if len(scores)]
    if not machines:
        return 1.0, 0.0
    scores = np.concatenate([*(human.scores for human in humans), *machines])
    labels = np.concatenate([np.zeros(sum(len(human.scores) for human in humans)), np.ones(sum(map(len, machines)))])
    worth = np.concatenate([np.full(len(each), 0.5 / len(group) / len(each))
                            for group in ([human.scores for human in humans], machines) for each in group])  # fmt: skip
    middle, width = float(scores.mean()), float(scores.std()) or 1.0
    scores = (scores - middle) / width
    slope = intercept = 0.0
    for _ in range(30):  # Newton's method on two numbers
        given = 1 / (1 + np.exp(-(slope * scores + intercept)))
        error, bend = worth * (given - labels), worth * given * (1 - given)
        gradient = np.array([(error * scores).sum() + _PULL * slope, error.sum()])
        mixed = (bend * scores).sum()
        step = np.linalg.solve(np.array([[(bend * scores * scores).sum() + _PULL, mixed], [mixed, bend.sum() + _PULL]]), gradient)
        slope, intercept = slope - float(np.clip(step[0], -1, 1)), intercept - float(np.clip(step[1], -1, 1))
    slope = max(slope, 0.01) / width
    return round(slope, 4), round(intercept - slope * middle, 4)


def humans_of(corpus: Corpus, scores: Array, mask: Array) -> list[Human]:
    """Human texts in `mask` by source, and by domain where a domain has enough of them; sources with few texts are left out."""
    groups: dict[tuple[str, str], list[int]] = {}
    for at in np.flatnonzero(mask & corpus.human & corpus.sure & np.isfinite(scores)).tolist():
        groups.setdefault((corpus.rows[at].source, corpus.rows[at].domain), []).append(at)
    merged: dict[tuple[str, str], list[int]] = {}
    several = {source for source, _ in groups if sum(len(texts) >= FEWEST for (name, _), texts in groups.items() if name == source) > 1}
    for (source, domain), texts in groups.items():
        merged.setdefault((source, domain if source in several and len(texts) >= FEWEST else ""), []).extend(texts)
    humans = []
    for (source, domain), texts in sorted(merged.items()):
        if len(texts) >= FEWEST:
            about = corpus.table.sources[source]
            spoken = corpus.rows[texts[0]].language
            own = about.translated is None or about.translated == spoken
            humans.append(Human(f"{source}/{domain}" if domain else source, about.fold, scores[texts], own))
    return humans


def _models_of(corpus: Corpus, scores: Array, mask: Array) -> list[Array]:
    groups: dict[str, list[int]] = {}
    for at in np.flatnonzero(mask & ~corpus.human & np.isfinite(scores)).tolist():
        groups.setdefault(corpus.rows[at].source, []).append(at)
    return [scores[texts] for _, texts in sorted(groups.items()) if len(texts) >= _TAIL]


class Scored(NamedTuple):
    """What models that had not seen the fold of a text made of it: its score, and that of its highest window."""

    documents: Array
    windows: Array


def _band(humans: Sequence[Human], models: Sequence[Array], tokens: int) -> Band:
    slope, intercept = probability(humans, models)
    weak, strong = threshold(humans, WEAK, spread=True), threshold(humans, STRONG, spread=False)
    if strong.at < weak.at:  # sources so unlike each other that their spread asks for more than the worst of them
        strong = replace(weak, nominal=STRONG)
    if slope < _FLAT:  # all of a language's model-written texts are of one source, and left out they were like human ones
        slope, intercept = 1.0, -weak.at
    return Band(tokens, strong, weak, slope, intercept)


def band_of(corpus: Corpus, scores: Array, mask: Array, tokens: int) -> Band | None:
    """The band of the texts in `mask`, which begins at so many tokens; None where too few sources have enough human ones."""
    humans = humans_of(corpus, scores, mask)
    return _band(humans, _models_of(corpus, scores, mask), tokens) if len(humans) >= _SOURCES else None


def edges(language: str) -> list[int]:
    """Tokens at which the bands of a language begin."""
    return [least(language), *(edge for edge in BANDS if edge > least(language))]


def bands_of(corpus: Corpus, scored: Scored, mask: Array, language: str) -> tuple[Band, ...]:
    """Bands by length. A source with few texts of a length counts there with those of all lengths."""
    everything = humans_of(corpus, scored.documents, mask)
    if len(everything) < _SOURCES:
        return ()
    found = []
    lengths = edges(language)
    for low, high in zip(lengths, [*lengths[1:], 1 << 30], strict=True):
        here = mask & (corpus.lengths >= low) & (corpus.lengths < high)
        many = {human.source: human for human in humans_of(corpus, scored.documents, here) if len(human.scores) >= _MANY}
        humans = [many.get(human.source, human) for human in everything]
        models = _models_of(corpus, scored.documents, here) or _models_of(corpus, scored.documents, mask)
        found.append(_band(humans, models, low))
    return tuple(found)


def thresholds_of(bands: Sequence[Band], lengths: Array) -> tuple[Array, Array]:
    """The strong and the weak threshold of texts of so many tokens."""
    strong, weak = np.full(len(lengths), np.inf), np.full(len(lengths), np.inf)
    for band in bands:
        strong[lengths >= band.tokens], weak[lengths >= band.tokens] = band.strong.at, band.weak.at
    return strong, weak


class Held(NamedTuple):
    """A human source that had no part in the thresholds it was held to: its texts, and how many passed each."""

    source: str
    texts: int
    strong: int
    weak: int
    sure: bool = True


def held(corpus: Corpus, scored: Scored, mask: Array, language: str) -> list[Held]:
    """Each human source of a language against the thresholds that the other folds set; large sources first."""
    human = mask & corpus.human
    folds, names = corpus.folds, corpus.sources
    found: list[Held] = []
    for fold in corpus.table.folds:
        inside = human & (folds == fold)
        bands = bands_of(corpus, scored, mask & (folds != fold), language) if inside.any() else ()
        if not bands:
            continue
        strong, weak = thresholds_of(bands, corpus.lengths[inside])
        scores = scored.documents[inside]
        for name in sorted(set(names[inside].tolist())):
            own = names[inside] == name
            if own.sum() >= _TAIL:
                above, beyond = (int((scores[own] >= at[own]).sum()) for at in (strong, weak))
                found.append(Held(name, int(own.sum()), above, beyond, not corpus.table.sources[name].doubtful))
    return sorted(found, key=lambda one: (-one.texts, one.source))


def _broken(found: Sequence[Held], rate: float) -> list[str]:
    """Sources that passed a threshold of the others too often: large ones by themselves, or the mean of those that say much."""
    shares = {one.source: (one.texts, (one.strong if rate == STRONG else one.weak) / one.texts) for one in found if one.sure}
    large = [name for name, (texts, share) in shares.items() if share > _HELD[rate] and texts >= _LARGE]
    telling = [share for texts, share in shares.values() if texts >= FEWEST]
    return large or (["the mean source"] if telling and float(np.mean(telling)) > rate else [])


def calibrate(corpus: Corpus, scored: Scored, language: str) -> Language | str:
    """What the evidence allows for a language: its calibration, or why there is none."""
    everything = (corpus.languages == language) & (corpus.lengths >= least(language))
    humans = humans_of(corpus, scored.documents, everything)
    independent = {human.source.partition("/")[0] for human in humans if human.independent}
    sources = {human.source.partition("/")[0] for human in humans}
    evidence = f"{len(independent)} independent human sources of {FEWEST} texts or more" + (
        f", {len(sources) - len(independent)} translated" if len(sources) > len(independent) else ""
    )
    if len(sources) < INDEPENDENT or len(independent) < _SOURCES:
        return f"{evidence}; {INDEPENDENT} sources are needed, {_SOURCES} of them independent"
    if not _models_of(corpus, scored.documents, everything):
        return f"{evidence}; no model-written texts"
    found = held(corpus, scored, everything, language)
    broken = {rate: _broken(found, rate) for rate in (STRONG, WEAK)}
    if broken[WEAK]:
        return f"{evidence}; left out of calibration, {', '.join(broken[WEAK])} passed the weak threshold too often"
    passage = band_of(corpus, scored.windows, everything, WINDOW)
    bands = bands_of(corpus, scored, everything, language)
    if len(independent) < INDEPENDENT:
        return Language("tag", f"{evidence}; {INDEPENDENT} are needed to take anything out", bands, passage)
    if broken[STRONG]:
        why = f"{evidence}; left out of calibration, {', '.join(broken[STRONG])} passed the strong threshold too often"
        return Language("tag", why, bands, passage)
    return Language("quarantine", evidence, bands, passage)


def calibrations(corpus: Corpus, scored: Scored) -> tuple[dict[str, Language], dict[str, str]]:
    """All languages of a corpus: calibrated ones, and why the others are not."""
    found: dict[str, Language] = {}
    abstains: dict[str, str] = {}
    for language in sorted({row.language for row in corpus.rows} - {"und"}):
        made = calibrate(corpus, scored, language)
        if isinstance(made, str):
            abstains[language] = made
        else:
            found[language] = made
    return found, abstains
