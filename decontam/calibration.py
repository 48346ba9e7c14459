"""Calibration: what a score of the synthetic model means, for a language and a length, and on what evidence.

Thresholds come from human text that the model had never seen, source by source; see `decontam.training.thresholds`. Where there is not
enough of it, a language is not calibrated, and the stage abstains.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from decontam.errors import ArtefactError

_STRICT = ConfigDict(extra="forbid")

LEAST = 300
"""Tokens of prose below which nothing is said."""

LEAST_SINGLE = 600
"""The same where a token is one character: Chinese, Japanese, Korean."""

SINGLE = frozenset({"zh", "ja", "ko"})


def least(language: str) -> int:
    """Tokens of prose below which nothing is said about a text in that language."""
    return LEAST_SINGLE if language in SINGLE else LEAST


@dataclass(frozen=True, config=_STRICT)
class Threshold:
    """A score, and the evidence that human text reaches it no oftener than `nominal`.

    `worst` is the source that set it; `documents` of `sources` were scored by models that had not seen their group of sources.
    `realised` is the share of them at or above it, `interval` where that share lies with 95 % (Wilson).
    """

    at: float
    nominal: float
    sources: int
    documents: int
    worst: str
    realised: float
    interval: tuple[float, float]


@dataclass(frozen=True, config=_STRICT)
class Band:
    """What scores mean for texts of `tokens` or more (up to the next band): two thresholds, and a logit for probabilities."""

    tokens: Annotated[int, Ge(1)]
    strong: Threshold
    weak: Threshold
    slope: float = 1.0
    intercept: float = 0.0

    def probability(self, score: float) -> float:
        """The share of model-written texts among texts of that score, where half of all are model-written."""
        return _logistic(self.slope * score + self.intercept)


@dataclass(frozen=True, config=_STRICT)
class Language:
    """Bands by length, ascending; `use` says what the evidence allows, `why` in a sentence."""

    use: Literal["quarantine", "tag"]
    why: str
    bands: tuple[Band, ...]
    passage: Band | None = None

    def band(self, tokens: int) -> Band | None:
        """The band of a text of so many tokens; None where it is too short."""
        return next((band for band in reversed(self.bands) if band.tokens <= tokens), None)


Calibrated = Mapping[str, Language]

_CALIBRATED = TypeAdapter(dict[str, Language])


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0


def calibrated(languages: Mapping[str, Any], where: str) -> Calibrated:
    """Calibrations by language, from plain values. Raises ArtefactError."""
    try:
        return _CALIBRATED.validate_python(languages)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ArtefactError(f"{where}: {place}: {first['msg']}; `decontam model calibrate` makes such a file") from None


def plain(languages: Calibrated) -> dict[str, Any]:
    """Calibrations as JSON-safe values."""
    values: dict[str, Any] = _CALIBRATED.dump_python(dict(languages), mode="json")
    return values


def read_calibration(path: str, digest: str) -> Calibrated:
    """The calibrations in a file, made for the model of that digest. Raises ArtefactError."""
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise ArtefactError(f"{path}: {error.strerror}; `decontam model calibrate --out {path}` makes it") from None
    except ValueError:
        raise ArtefactError(f"{path}: not JSON; `decontam model calibrate` makes such a file") from None
    if not isinstance(content, dict) or "languages" not in content:
        raise ArtefactError(f"{path}: no calibration; `decontam model calibrate` makes such a file")
    if content.get("model") != digest:
        raise ArtefactError(f"{path}: made for another model ({str(content.get('model'))[:12]}, not {digest[:12]}); calibrate again")
    return calibrated(content["languages"], path)


def overridden(languages: Calibrated, thresholds: Mapping[str, Overrides]) -> Calibrated:
    """The same with thresholds that somebody has set; `*` stands for every language that is calibrated."""
    changed: dict[str, Language] = dict(languages)
    for name, over in thresholds.items():
        for language in list(changed) if name == "*" else [name]:
            bands = changed[language].bands if language in changed else ()
            changed[language] = Language("quarantine", "thresholds set in the config", over.bands(bands or (over.band(least(language)),)),
                                         changed[language].passage if language in changed else None)  # fmt: skip
    return changed


@dataclass(frozen=True, config=_STRICT)
class Overrides:
    """Thresholds that a config sets; null leaves one as it is, or out of reach where there is none."""

    strong: float | None = None
    weak: float | None = None
    slope: float = Field(default=1.0, gt=0)

    def band(self, tokens: int) -> Band:
        """A band without evidence."""
        return Band(tokens, _set(self.strong), _set(self.weak), self.slope, -self.slope * (self.strong or 0.0))

    def bands(self, bands: tuple[Band, ...]) -> tuple[Band, ...]:
        """The same bands with these thresholds."""
        return tuple(
            Band(band.tokens, band.strong if self.strong is None else _set(self.strong),
                 band.weak if self.weak is None else _set(self.weak), band.slope, band.intercept)
            for band in bands
        )  # fmt: skip


def _set(at: float | None) -> Threshold:
    return Threshold(math.inf if at is None else at, 0.0, 0, 0, "set in the config", 0.0, (0.0, 1.0))
