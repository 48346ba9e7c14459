"""Build: a model file from a corpus, with its calibrations and the evidence for them. The same corpus makes the same bytes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any, NamedTuple

from decontam.calibration import plain
from decontam.model import written
from decontam.training.corpus import Array, Corpus
from decontam.training.fit import Recipe, fit, fit_windows
from decontam.training.loso import Said, left_out, means, table, trainable
from decontam.training.thresholds import Scored, calibrations, held

NAMES = {"open": "prose-1", "all": "prose-1-all"}
_QUIET: Said = lambda text: None  # noqa: E731


class Built(NamedTuple):
    """A model file, and the scores of all texts by models that had not seen their fold."""

    data: bytes
    scored: Scored


def build(corpus: Corpus, licences: str, recipe: Recipe, say: Said = _QUIET) -> Built:
    """Train, leave out, calibrate. `licences` is a name in NAMES."""
    scored = left_out(corpus, licences, recipe, say)
    may = trainable(corpus, licences)
    weights = {
        "documents": fit(corpus, may, recipe),
        "passages": fit_windows(corpus, may, recipe),
    }
    languages, abstains = calibrations(corpus, scored)
    header = {
        "name": NAMES[licences],
        "licences": licences,
        "recipe": asdict(recipe),
        "languages": plain(languages),
        "abstains": abstains,
        "evidence": evidence(corpus, scored, may, sorted(languages)),
    }
    return Built(written(header, weights), scored)


def evidence(corpus: Corpus, scored: Scored, may: Array, languages: list[str]) -> dict[str, Any]:
    """What a card says of the data and of what leaving sources out showed."""
    trained = [row for row, is_trained in zip(corpus.rows, may.tolist(), strict=True) if is_trained]
    return {
        "vendors": dict(sorted(Counter(corpus.table.vendor(row.generator) for row in trained if not row.human).items())),
        "sources": {
            name: {"human": sum(row.human for row in rows), "llm": sum(not row.human for row in rows)}
            for name in sorted({row.source for row in trained})
            if (rows := [row for row in trained if row.source == name])
        },
        "loso": {language: _shown(corpus, scored, language) for language in languages},
    }


def _shown(corpus: Corpus, scored: Scored, language: str) -> dict[str, Any]:
    folds = table(corpus, scored, language)
    usable = (corpus.languages == language) & corpus.long
    return {
        "folds": [_rounded(group) for group in [*folds, *([means(folds)] if folds else [])]],
        "sources": [_rounded(group) for group in table(corpus, scored, language, by="source")],
        "humans": [list(one) for one in held(corpus, scored, usable, language)],
    }


def _rounded(values: Any) -> list[Any]:
    return [round(value, 4) if isinstance(value, float) else value for value in values]
