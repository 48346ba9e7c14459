"""Own: thresholds from a team's own human texts, so that the stage speaks about its languages, and keeps its rates there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from decontam.calibration import Band, Language, least
from decontam.training.labelled import Text
from decontam.training.thresholds import FEWEST, INDEPENDENT, Human, edges, probability, threshold

_SMALL = "sources of few texts"
_WEAK = 10  # times the rate that was asked for


def _humans(texts: Iterable[Text]) -> list[Human]:
    """Scores by source; sources of few texts are taken together, and left out where they are few even so."""
    groups: dict[str, list[float]] = {}
    for text in texts:
        groups.setdefault(text.source, []).append(text.score)
    large = {name: scores for name, scores in groups.items() if len(scores) >= FEWEST}
    rest = [score for name, scores in groups.items() if name not in large for score in scores]
    if len(rest) >= FEWEST:
        large[_SMALL] = rest
    return [Human(name, name, np.array(scores)) for name, scores in sorted(large.items())]


def _band(texts: Sequence[Text], models: Sequence[Text], tokens: int, rate: float) -> Band | None:
    humans = _humans(texts)
    if not humans:
        return None
    slope, intercept = probability(humans, [np.array([text.score for text in models])] if models else [])
    weak, strong = threshold(humans, min(0.5, rate * _WEAK), spread=len(humans) > 1), threshold(humans, rate, spread=False)
    if strong.at < weak.at:
        strong = replace(weak, nominal=rate)
    if not models:  # without any, a probability is one half at the strong threshold, which says only that
        intercept = round(-slope * strong.at, 4)
    return Band(tokens, strong, weak, slope, intercept)


def calibrated_on(humans: Sequence[Text], models: Sequence[Text], rate: float) -> tuple[dict[str, Language], dict[str, str]]:
    """Calibrations by language, and why a language has none. `rate` is the share of human texts that may pass the strong threshold."""
    found: dict[str, Language] = {}
    without: dict[str, str] = {}
    for language in sorted({text.language for text in humans} - {"und"}):
        texts = [text for text in humans if text.language == language]
        others = [text for text in models if text.language == language]
        everything = _band(texts, others, least(language), rate)
        if everything is None:
            without[language] = f"{len(texts)} texts; {FEWEST} of one source are needed"
            continue
        lengths = edges(language)
        bands = []
        for low, high in zip(lengths, [*lengths[1:], 1 << 30], strict=True):
            here, there = ([text for text in group if low <= text.tokens < high] for group in (texts, others))
            band = _band(here, there, low, rate)
            narrow = band is not None and band.strong.sources >= min(INDEPENDENT, everything.strong.sources)
            bands.append(band if narrow and band is not None else replace(everything, tokens=low))
        enough = everything.strong.documents * rate >= 3  # the rule of three
        why = f"{everything.strong.documents:,} human texts of {everything.strong.sources} sources of the team's own"
        if not enough:
            why += f"; a rate of {rate:g} takes {round(3 / rate):,} to be shown"
        found[language] = Language("quarantine" if enough else "tag", why, tuple(bands))
    return found, without
