"""Scorers: a text as it is read, and the model that a path names, of n-grams or of fastText; loaded where it is first asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from decontam import model as models
from decontam import tokens
from decontam.calibration import least
from decontam.errors import ArtefactError
from decontam.language import language
from decontam.prose import Prose, not_prose, prose
from decontam.view import View

BUILTIN = "builtin"
LABEL = "__label__llm"
_SUFFIXES = (".bin", ".ftz")
_MOST = 6000  # characters that fastText reads of a text


class Reading(NamedTuple):
    """What there is to judge in a text: its tokens, those that are prose, its language; or `why` there is nothing."""

    tokens: tokens.Tokens | None
    prose: Prose | None
    language: str
    why: str | None = None


def reading(view: View) -> Reading:
    """A text as scorers read it. `why` is one of short, code, table, list, markup."""
    if len(view.text) < least("en"):  # a token has a character at least
        return Reading(None, None, "und", "short")
    found = tokens.of(view)
    if len(found.keys) < least("en"):
        return Reading(found, None, "und", "short")
    read = prose(view.data, found)
    if (what := not_prose(read)) is not None:
        return Reading(found, read, "und", what)
    if len(read.keys) < least("en"):
        return Reading(found, read, "und", "short")
    spoken, _ = language(view, view.language)
    return Reading(found, read, spoken, "short" if len(read.keys) < least(spoken) else None)


@dataclass(frozen=True)
class Scorer:
    """The model at `path`; `label` is what it calls model-written text, where it is one of fastText."""

    path: str
    label: str = LABEL

    @classmethod
    def named(cls, name: str, label: str = LABEL) -> Scorer:
        """The scorer that a config or an option names."""
        return cls(str(models.BUILTIN) if name == BUILTIN else name, label)

    @property
    def digest(self) -> str:
        """SHA-256 of the file. Raises ArtefactError."""
        return models.digest_of(self.path)

    @property
    def is_fasttext(self) -> bool:
        return self.path.endswith(_SUFFIXES)

    @cached_property
    def model(self) -> models.Model | None:
        """The model of n-grams; None for one of fastText. Raises ArtefactError."""
        return None if self.is_fasttext else models.opened(self.path)

    @property
    def name(self) -> str:
        """What findings call the model."""
        return f"fasttext-{self.digest[:8]}" if self.model is None else self.model.name

    def check(self) -> None:
        """Open the model. Raises ArtefactError where it cannot be used."""
        if self.digest and self.model is None:
            self.probability("")

    def score(self, view: View, read: Prose) -> float:
        """How much a text reads like a model's, as a logit without a base rate."""
        if self.model is not None:
            return self.model.score(read)
        given = self.probability(view.text)
        return max(-12.0, min(12.0, math.log(max(given, 1e-9) / max(1 - given, 1e-9))))

    def probability(self, text: str) -> float:
        """What a fastText model gives `label` for a text, 0 to 1. Raises ArtefactError where it has no such label."""
        for given, name in _fasttext(self.path).f.predict(line(text) + "\n", -1, 0.0, "strict"):
            if name == self.label:
                return min(1.0, float(given))
        raise ArtefactError(f"{self.path}: no label {self.label}; it has {', '.join(sorted(_fasttext(self.path).labels)[:4])}")


def line(text: str) -> str:
    """A text as fastText reads one, in training and in use: its beginning, on one line, in valid Unicode.

    >>> line("Two\\n lines")
    'Two lines'
    """
    return " ".join(text[:_MOST].encode("utf-8", "replace").decode().split())


@lru_cache(maxsize=4)
def _fasttext(path: str) -> Any:
    try:
        import fasttext
    except ImportError:
        raise ArtefactError(f"{path}: a fastText model takes `pip install 'decontam[fasttext]'`") from None
    try:
        return fasttext.load_model(path)
    except (ValueError, RuntimeError, MemoryError) as error:
        raise ArtefactError(f"{path}: no fastText model, or a corrupt one ({type(error).__name__})") from None
