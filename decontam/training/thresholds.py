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
from decontam.training.corpus import Array, Corpus

STRONG, WEAK = 0.001, 0.01
"""Nominal rates: human texts at or above a threshold, of any source."""

BANDS = (300, 500, 800)
"""Tokens at which a new band begins."""

FEWEST = 100
"""Texts of a source below which its quantiles say nothing."""

INDEPENDENT = 5
"""Human sources, not translated ones, that a language needs before anything is taken out of a crawl in it."""

_TAIL = 10  # texts beyond a quantile, below which its tail is fitted
_FITTED = 50  # texts that the tail is fitted to, at most
_LARGE = 1000  # texts of a source that can show such a rate
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
    for at in np.flatnonzero(mask & np.isfinite(scores)).tolist():
        if corpus.rows[at].human and not corpus.table.sources[corpus.rows[at].source].doubtful:
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
    for at in np.flatnonzero(mask & np.isfinite(scores)).tolist():
        if not corpus.rows[at].human:
            groups.setdefault(corpus.rows[at].source, []).append(at)
    return [scores[texts] for _, texts in sorted(groups.items()) if len(texts) >= _TAIL]


def band_of(corpus: Corpus, scores: Array, mask: Array, tokens: int, rates: tuple[float, float] = (STRONG, WEAK)) -> Band | None:
    """The band of the texts in `mask`, which begins at so many tokens; None where no source has enough human ones."""
    humans = humans_of(corpus, scores, mask)
    if not humans:
        return None
    slope, intercept = probability(humans, _models_of(corpus, scores, mask))
    weak = threshold(humans, rates[1], spread=True)
    strong = threshold(humans, rates[0], spread=False)
    if strong.at < weak.at:  # sources so unlike each other that their spread asks for more than the worst of them
        strong = replace(weak, nominal=rates[0])
    return Band(tokens, strong, weak, slope, intercept)


def held(humans: Sequence[Human], rate: float) -> list[tuple[str, int, float]]:
    """For each source: its texts, and the share of them above the threshold that the other folds set."""
    found = []
    for human in humans:
        others = [other for other in humans if other.fold != human.fold]
        if others:
            at = threshold(others, rate, spread=rate == WEAK).at
            found.append((human.source, len(human.scores), float((human.scores >= at).mean())))
    return found


def _broken(found: Sequence[tuple[str, int, float]], rate: float) -> list[str]:
    """Sources that pass a threshold of the others oftener than is allowed: large ones by themselves, or the mean over all."""
    large = [name for name, n, share in found if share > _HELD[rate] and n >= _LARGE]
    return large or (["the mean source"] if float(np.mean([share for _, _, share in found])) > rate else [])


def edges(language: str) -> list[int]:
    """Tokens at which the bands of a language begin."""
    return [least(language), *(edge for edge in BANDS if edge > least(language))]


def calibrate(corpus: Corpus, scores: Array, windows: Array | None, language: str) -> Language | str:
    """What the evidence allows for a language: its calibration, or why there is none."""
    spoken = corpus.column("language") == language
    everything = spoken & (corpus.lengths >= least(language))
    humans = humans_of(corpus, scores, everything)
    independent = {human.source.partition("/")[0] for human in humans if human.independent}
    sources = {human.source.partition("/")[0] for human in humans}
    evidence = f"{len(independent)} independent human sources of {FEWEST} texts or more" + (
        f", {len(sources) - len(independent)} translated" if len(sources) > len(independent) else ""
    )
    if len(sources) < INDEPENDENT or len(independent) < 2:
        return f"{evidence}; {INDEPENDENT} sources are needed, two of them independent"
    if not _models_of(corpus, scores, everything):
        return f"{evidence}; no model-written texts"
    bands = [_band(corpus, scores, everything, low, high) for low, high in zip(edges(language), [*edges(language)[1:], 1 << 30], strict=True)]
    broken = {rate: _broken(held(humans, rate), rate) for rate in (STRONG, WEAK)}
    if broken[WEAK]:
        return f"{evidence}; left out of calibration, {', '.join(broken[WEAK])} passed the weak threshold too often"
    passage = None if windows is None else band_of(corpus, windows, everything, 250)
    use = "quarantine"
    if len(independent) < INDEPENDENT:
        use, evidence = "tag", f"{evidence}; {INDEPENDENT} are needed to take anything out"
    elif broken[STRONG]:
        use, evidence = "tag", f"{evidence}; left out of calibration, {', '.join(broken[STRONG])} passed the strong threshold too often"
    return Language(use, evidence, tuple(bands), passage)  # type: ignore[arg-type]


def _band(corpus: Corpus, scores: Array, everything: Array, low: int, high: int) -> Band:
    """One band; that of all lengths where too few sources have enough texts of these."""
    band = band_of(corpus, scores, everything & (corpus.lengths >= low) & (corpus.lengths < high), low)
    if band is None or band.strong.sources < INDEPENDENT:
        band = band_of(corpus, scores, everything, low)
    assert band is not None  # noqa: S101 - there are sources enough in all lengths together
    return band


def calibrations(corpus: Corpus, scores: Array, windows: Array | None) -> tuple[dict[str, Language], dict[str, str]]:
    """All languages of a corpus: calibrated ones, and why the others are not."""
    found: dict[str, Language] = {}
    abstains: dict[str, str] = {}
    for language in sorted({row.language for row in corpus.rows} - {"und"}):
        made = calibrate(corpus, scores, windows, language)
        if isinstance(made, str):
            abstains[language] = made
        else:
            found[language] = made
    return found, abstains


