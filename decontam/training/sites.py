"""The reference for sites: what pages of known origin score, and how much evidence human sites show that were left out.

Everything comes from scores of texts by models that had not seen their fold. For the evidence to ask for, sites are drawn from each
human source and weighed against a reference made of the other folds; no source may show more, oftener than the stated rate.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from decontam.sites import ANY, BINS, Array, Histograms, Rates, bin_of, log_odds

SIZES = (5, 10, 20, 50, 100, 300)
"""Scored pages of the sites that are drawn."""

RATES = (0.01, 0.002, 0.001)
"""Shares of human sites that may be found."""

_DRAWN = 4000  # sites of each source and size
_HUMAN, _MODEL = 60, 20  # pages of a source below which its histogram says nothing


class Source(NamedTuple):
    """Calibrated probabilities of the long texts of one source in one language."""

    language: str
    name: str
    fold: str
    human: bool
    probabilities: Array

    @property
    def histogram(self) -> Array:
        return np.bincount([bin_of(float(one)) for one in self.probabilities], minlength=BINS).astype(float)


def rates(sources: Iterable[Source]) -> Rates | None:
    """The rates of some sources of one language; None where there are not two human ones and one of models."""
    human, model = ([source.histogram for source in sources_of if True] for sources_of in _split(sources))
    return Rates.of(Histograms(np.array(human), np.array(model))) if len(human) > 1 and model else None


def _split(sources: Iterable[Source]) -> tuple[list[Source], list[Source]]:
    known = list(sources)
    return [one for one in known if one.human], [one for one in known if not one.human]


def evidence(source: Source, size: int, against: Rates, drawn: int = _DRAWN) -> Array:
    """The evidence that sites of `size` pages of a source show."""
    draw = np.random.RandomState(zlib.crc32(f"{source.language}/{source.name}/{size}".encode()) & 0x7FFFFFFF)
    histogram = source.histogram
    counts = draw.multinomial(size, histogram / histogram.sum(), drawn).astype(float)
    found: Array = log_odds(counts, against.strict).max(axis=1)
    return found


def asked(sources: Sequence[Source]) -> dict[str, list[list[float]]]:
    """By rate, (size, evidence) that sites need, so that those of no source are found oftener when its fold is left out."""
    highest = {rate: dict.fromkeys(SIZES, 0.0) for rate in RATES}
    for source in sources:
        others = rates(one for one in sources if one.fold != source.fold)
        if source.human and others is not None:
            for size in SIZES:
                found = evidence(source, size, others)
                for rate in RATES:
                    highest[rate][size] = max(highest[rate][size], float(np.quantile(found, 1 - rate)))
    return {f"{rate:g}": [[size, round(at, 3)] for size, at in sizes.items()] for rate, sizes in highest.items()}


def reference(sources: Iterable[Source]) -> dict[str, Any]:
    """What the header of a model says under `sites`: by language, the histograms by source and the evidence to ask for."""
    known = [one for one in sources if len(one.probabilities) >= (_HUMAN if one.human else _MODEL)]
    found = {}
    for language in [*sorted({one.language for one in known}), ANY]:
        here = known if language == ANY else [one for one in known if one.language == language]
        if rates(here) is None or len({one.fold for one in here if one.human}) < 2:
            continue
        kinds = {"human": True, "model": False}
        found[language] = {
            **{
                kind: {f"{one.language}/{one.name}" if language == ANY else one.name: one.histogram.astype(int).tolist()
                       for one in here if one.human is human}
                for kind, human in kinds.items()
            },
            "asked": asked(here),
        }  # fmt: skip
    return found
