"""The reference for sites: what pages of known origin score, and how much evidence human sites show that were left out.

Everything comes from scores of texts by models that had not seen their fold. For the evidence to ask for, sites are drawn from each
human source and weighed against a reference made of the other folds; no source may show more, oftener than the stated rate.

`python -m decontam.training.sites FOLDER... [--licences all] [--model FILE]` fits models as `decontam model train` does, and writes the
reference beside the model.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from decontam import model as models
from decontam.calibration import Calibrated, calibrated
from decontam.sites import ANY, BINS, SCHEMA, Array, Histograms, Rates, bin_of, log_odds, reference_path
from decontam.training.corpus import Corpus, read, sources_of
from decontam.training.fit import Recipe, fit, scores
from decontam.training.loso import trainable

SIZES = (5, 10, 20, 50, 100, 300)
"""Scored pages of the sites that are drawn."""

FLOORS = {0.01: 5.41, 0.002: 8.28, 0.001: 9.55}
"""Shares of human sites that may be found, and the evidence that so many sites of the very worst human text show: the quantiles of half a
chi-squared with one degree of freedom, which twice a logarithm of likelihoods at the edge of its range follows."""

_DRAWN = 4000  # sites of each source and size
_PAGES, _TRIED, _TELLING = 20, 0.002, 0.9  # a language in which fewer such sites of model-written pages are found has no reference
_DOMAIN = 100  # human texts of a domain that make it a source of its own
_FOLDS = 3  # of human text below which a language has no reference
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
    known = list(sources)
    human, model = ([source.histogram for source in known if source.human is kind] for kind in (True, False))
    return Rates.of(Histograms(np.array(human), np.array(model))) if len(human) > 1 and model else None


def evidence(source: Source, size: int, against: Rates, drawn: int = _DRAWN) -> Array:
    """The evidence that sites of `size` pages of a source show."""
    draw = np.random.RandomState(zlib.crc32(f"{source.language}/{source.name}/{size}".encode()) & 0x7FFFFFFF)
    histogram = source.histogram
    counts = draw.multinomial(size, histogram / histogram.sum(), drawn).astype(float)
    found: Array = log_odds(counts, against.strict).max(axis=1)
    return found


def asked(sources: Sequence[Source]) -> dict[str, list[list[float]]]:
    """By rate, (size, evidence) that sites need, so that those of no source are found oftener when its fold is left out."""
    highest = {rate: dict.fromkeys(SIZES, at) for rate, at in FLOORS.items()}
    for source in sources:
        others = rates(one for one in sources if one.fold != source.fold)
        if source.human and others is not None:
            for size in SIZES:
                found = evidence(source, size, others)
                for rate in FLOORS:
                    highest[rate][size] = max(highest[rate][size], float(np.quantile(found, 1 - rate)))
    return {f"{rate:g}": [[size, round(at, 3)] for size, at in sizes.items()] for rate, sizes in highest.items()}


def _power(sources: Sequence[Source], at: float) -> float:
    """The share of sites of model-written pages, of all sources alike, that show so much evidence."""
    models = np.mean([one.histogram / one.histogram.sum() for one in sources if not one.human], axis=0)
    draw = np.random.RandomState(_PAGES)
    against = rates(sources)
    counts = draw.multinomial(_PAGES, models / models.sum(), _DRAWN).astype(float)
    return 0.0 if against is None else float((log_odds(counts, against.strict).max(axis=1) >= at).mean())


def reference(sources: Iterable[Source]) -> dict[str, Any]:
    """What the header of a model says under `sites`: by language, the histograms by source and the evidence to ask for."""
    known = [one for one in sources if len(one.probabilities) >= (_HUMAN if one.human else _MODEL)]
    found = {}
    for language in [*sorted({one.language for one in known}), ANY]:
        here = known if language == ANY else [one for one in known if one.language == language]
        if rates(here) is None or len({one.fold for one in here if one.human}) < _FOLDS:
            continue
        kinds = {"human": True, "model": False}
        needs = asked(here)
        if _power(here, next(at for size, at in needs[f"{_TRIED:g}"] if size == _PAGES)) < _TELLING:
            continue
        found[language] = {
            **{
                kind: {f"{one.language}/{one.name}" if language == ANY else one.name: one.histogram.astype(int).tolist()
                       for one in here if one.human is human}
                for kind, human in kinds.items()
            },
            "asked": needs,
        }  # fmt: skip
    return found


def scored_sources(corpus: Corpus, documents: Array, languages: Calibrated) -> list[Source]:
    """The sources of a corpus, from raw scores of its texts and what these mean. Domains with many human texts count as sources."""
    groups: dict[tuple[str, str, bool, str], list[float]] = {}
    domains: dict[tuple[str, str, bool], dict[str, int]] = {}
    chosen = []
    for row, length, score in zip(corpus.rows, corpus.lengths.tolist(), documents.tolist(), strict=True):
        spoken = languages.get(row.language)
        bands = [band for band in spoken.bands if band.tokens <= length] if spoken else []
        if not bands or not np.isfinite(score) or (row.human and corpus.table.sources[row.source].doubtful):
            continue
        key = row.language, row.source, row.human
        chosen.append((key, row.domain, max(bands, key=lambda band: band.tokens).probability(score)))
        counted = domains.setdefault(key, {})
        counted[row.domain] = counted.get(row.domain, 0) + 1
    for key, domain, probability in chosen:
        own = key[2] and len(domains[key]) > 1 and domains[key][domain] >= _DOMAIN
        groups.setdefault((*key, domain if own else ""), []).append(probability)
    table = corpus.table.sources
    return [
        Source(language, f"{name}/{domain}" if domain else name, table[name].fold, human, np.array(found))
        for (language, name, human, domain), found in sorted(groups.items())
    ]


def left_out(corpus: Corpus, licences: str, recipe: Recipe) -> Array:
    """The raw scores of long texts by models that had not seen their fold; the others have none."""
    may, found = trainable(corpus, licences), np.full(len(corpus.rows), np.nan)
    for fold in corpus.table.folds:
        rows = np.flatnonzero((corpus.folds == fold) & corpus.long)
        if len(rows):
            found[rows] = scores(corpus, rows, fit(corpus, may & (corpus.folds != fold), recipe))
    return found


def written(sources: Iterable[Source], name: str) -> bytes:
    """The bytes of a reference for the model of that name."""
    lines = json.dumps({"schema": SCHEMA, "model": name, "sites": reference(sources)}, indent=0, sort_keys=True)
    return (lines.replace("\n[\n", "[").replace(",\n", ", ").replace("\n", "") + "\n").encode()


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the reference for sites.")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--licences", choices=["open", "all"], default="open")
    parser.add_argument("--model", type=Path, default=models.BUILTIN)
    given = parser.parse_args()
    corpus = read(given.folders, sources_of())
    header = models.opened(given.model).header
    languages = calibrated(header["languages"], str(given.model))
    sources = scored_sources(corpus, left_out(corpus, given.licences, Recipe()), languages)
    reference_path(given.model).write_bytes(written(sources, header["name"]))


if __name__ == "__main__":
    main()
