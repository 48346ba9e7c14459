"""Prose that a language model wrote, by how it is worded; and passages of such prose in a text that is not.

The stage abstains, and says why, where it has no evidence that it would be right: short texts, languages without enough human
text to calibrate on, and what is no prose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic import dataclasses as pydantic

from decontam.calibration import Band, Calibrated, Language, Overrides, calibrated, overridden, read_calibration
from decontam.errors import ArtefactError, ConfigError
from decontam.model import digest_of
from decontam.prose import Prose
from decontam.scan import Scanner
from decontam.scorers import BUILTIN, LABEL, Reading, Scorer, reading
from decontam.tokens import Tokens
from decontam.types import Finding, Measure, Span, Strength
from decontam.view import View, character_offsets

KIND = "SYNTHETIC"
_PASSAGES = 8  # of one text
_ALL_OF_IT = 0.8  # share of a text above which a passage is the text
_STRICT = ConfigDict(extra="forbid")


@pydantic.dataclass(frozen=True, config=_STRICT)
class Second:
    """A fastText model that is asked about texts between the two thresholds; where it gives `label` at least `at`, they count as strong."""

    model: str
    label: str = LABEL
    at: float = 0.9

    @property
    def scorer(self) -> Scorer:
        return Scorer(self.model, self.label)


@pydantic.dataclass(frozen=True, config=_STRICT)
class Options:
    """What the config may say: `stages.synthetic.options`."""

    model: str = BUILTIN
    label: str = LABEL
    calibration: str | None = None
    thresholds: Mapping[str, Overrides] | None = None
    second_opinion: Second | None = None
    passages: bool = True
    explain: int = 8

    @property
    def scorer(self) -> Scorer:
        return Scorer.named(self.model, self.label)

    @property
    def files(self) -> dict[str, str]:
        """The files that the stage reads, by what they are to it."""
        files = {"model": self.scorer.path}
        if self.calibration is not None:
            files["calibration"] = self.calibration
        if self.second_opinion is not None:
            files["second_opinion"] = self.second_opinion.model
        return files


_OPTIONS = TypeAdapter(Options)


def options_of(options: Mapping[str, Any]) -> Options:
    """Options, checked. Raises ConfigError."""
    try:
        return _OPTIONS.validate_python(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"stages.synthetic.options.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


class _Judged(NamedTuple):
    findings: tuple[Finding, ...]
    measure: Measure


def _abstained(why: str) -> _Judged:
    return _Judged((), Measure(None, (f"abstained: {why}",)))


@dataclass(frozen=True)
class Synthetic:
    options: Options
    languages: Calibrated
    """The languages that the stage speaks about."""
    name: str = "synthetic"

    @classmethod
    def load(cls, options: Mapping[str, Any], scanner: Scanner) -> Synthetic:
        checked = options_of(options)
        checked.scorer.check()
        if checked.second_opinion is not None:
            checked.second_opinion.scorer.check()
        return cls(checked, languages_of(checked))

    @classmethod
    def artefacts(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        """The files that the stage reads, with their digests. Raises ArtefactError, ConfigError."""
        return {f"synthetic.{what}": digest_of(path) for what, path in options_of(options).files.items()}

    @cached_property
    def scorer(self) -> Scorer:
        """The model."""
        return self.options.scorer

    @cached_property
    def _rule(self) -> tuple[str, str]:
        return self.scorer.name, self.scorer.digest[:12]

    def inspect(self, view: View) -> Iterable[Finding]:
        return view.once(Synthetic, self._judged).findings

    def measure(self, view: View) -> Measure:
        """The calibrated probability of a text, or why there is none."""
        return view.once(Synthetic, self._judged).measure

    def _judged(self, view: View) -> _Judged:
        read = reading(view)
        if read.why is not None or read.prose is None or read.tokens is None:
            return _abstained(read.why or "short")
        calibration = self.languages.get(read.language)
        if calibration is None:
            return _abstained("language unknown" if read.language == "und" else "language not calibrated")
        band = calibration.band(len(read.prose.keys))
        return _abstained("short") if band is None else self._weighed(view, read, read.tokens, read.prose, calibration, band)

    def _weighed(self, view: View, read: Reading, found: Tokens, words: Prose, calibration: Language, band: Band) -> _Judged:
        score = self.scorer.score(view, words)
        probability = band.probability(score)
        remarks = ["scored", f"language: {read.language}"]
        findings = []
        if score >= band.weak.at:
            strong = score >= band.strong.at
            at = band.strong.at if strong else band.weak.at
            detail: dict[str, Any] = {"language": read.language, "tokens": len(words.keys), "raw": round(score, 4), "threshold": at}
            if not strong and self.options.second_opinion is not None:
                said = self.options.second_opinion.scorer.probability(view.text)
                strong = said >= self.options.second_opinion.at
                detail["second_opinion"] = round(said, 4)
                remarks.append("second opinion agreed" if strong else "second opinion differed")
            if self.scorer.model is not None and self.options.explain:
                detail["weighed"] = self._explained(view, found, words)
            strength = Strength.STRONG if strong and calibration.use == "quarantine" else Strength.WEAK
            findings.append(self._finding(view, "", Span(0, len(view.text)), strength, probability, detail))
        if self.scorer.model is not None and self.options.passages and calibration.passage is not None:
            findings += self._passages(view, found, words, calibration.passage, bool(findings))
        return _Judged(tuple(findings), Measure(probability, tuple(remarks)))

    def _finding(self, view: View, part: str, span: Span, strength: Strength, probability: float, detail: dict[str, Any]) -> Finding:
        name, revision = self._rule
        return Finding(view.field.path, self.name, name + part, revision, KIND, span, strength, round(probability, 6), detail=detail)

    def _explained(self, view: View, found: Tokens, words: Prose) -> list[list[float]]:
        """The n-grams that weighed most: start and end in characters of the text, and what each adds to the raw score."""
        assert self.scorer.model is not None  # noqa: S101 - asked of models of n-grams alone
        heaviest = self.scorer.model.weighed(words, self.options.explain)
        at, spans = _characters(view, found, words, [(one.first, one.last) for one in heaviest])
        return [[at[start], at[end], one.weight] for (start, end), one in zip(spans, heaviest, strict=True)]

    def _passages(self, view: View, found: Tokens, words: Prose, band: Band, known: bool) -> list[Finding]:
        assert self.scorer.model is not None  # noqa: S101 - asked of models of n-grams alone
        passages = self.scorer.model.found(words, band.weak.at)
        if known:  # a passage that is all of the text has been reported
            passages = [passage for passage in passages if passage.end - passage.first < _ALL_OF_IT * len(words.keys)]
        if not passages:
            return []
        passages = passages[:_PASSAGES]
        at, spans = _characters(view, found, words, [(first, end - 1) for first, end, _ in passages])
        return [
            self._finding(view, ".passage", Span(at[start], at[end]), Strength.WEAK, band.probability(passage.score),
                          {"tokens": passage.end - passage.first, "raw": round(passage.score, 4), "threshold": band.weak.at})
            for (start, end), passage in zip(spans, passages, strict=True)
        ]  # fmt: skip


def _characters(view: View, found: Tokens, words: Prose, pairs: list[tuple[int, int]]) -> tuple[dict[int, int], list[tuple[int, int]]]:
    """Pairs of first and last tokens of prose as bytes of the text, and the characters where those bytes stand."""
    spans = [(int(found.starts[words.places[first]]), int(found.ends[words.places[last]])) for first, last in pairs]
    return character_offsets(view.data, (offset for span in spans for offset in span)), spans


def languages_of(options: Options) -> Calibrated:
    """The languages that options have thresholds for. Raises ArtefactError."""
    scorer = options.scorer
    languages: Calibrated = {} if scorer.model is None else calibrated(scorer.model.header.get("languages", {}), scorer.path)
    if options.calibration is not None:
        languages = {**languages, **read_calibration(options.calibration, scorer.digest)}
    languages = overridden(languages, options.thresholds or {})
    if not languages:
        raise ArtefactError(
            f"{scorer.path}: no thresholds for any language; make some with `decontam model calibrate` and name the file in "
            "stages.synthetic.options.calibration, or set stages.synthetic.options.thresholds"
        )
    return languages
