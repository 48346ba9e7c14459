"""Names and addresses by a model of named entities: spaCy's, bare or behind Presidio. Off unless a config names a model.

The stage costs a hundred times the rules of `pii` and is wrong more often, so what it finds is weak unless a config says otherwise.
A model is a package or a folder on this machine; nothing is ever downloaded.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import BeforeValidator, ConfigDict, StringConstraints, TypeAdapter, ValidationError
from pydantic import dataclasses as pydantic

from decontam.errors import ArtefactError, ConfigError
from decontam.rules import strength_named
from decontam.scan import Scanner
from decontam.types import Finding, Span, Strength
from decontam.view import View

Recogniser = Callable[[str], Iterable[tuple[int, int, str, float]]]
"""A text -> start and end of each entity in characters, the model's label for it, and how sure the model is, 0 to 1."""

_OVERLAP = 200  # characters that two windows share; an entity of up to half of it is seen whole by one of them
_STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
_PACKAGES = {"spacy": ("spacy",), "presidio": ("spacy", "presidio-analyzer")}
_DOWNLOADS = "EMAIL_ADDRESS"  # for it, Presidio has tldextract fetch a list

# Tokenisers take punctuation off a word sign by sign, in time quadratic in a run of it. No name has such a run, or stands in such a word.
_RUN = re.compile(r"(?:[^\w\s]|_){16,}")
_WORD = re.compile(r"\S{200,}")
_SIGN = re.compile(r"[!-/:-@\[-`{-~\U0001f000-\U0001faff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@pydantic.dataclass(frozen=True, config=_STRICT)
class Options:
    """What the config may say: `stages.ner.options`."""

    model: str | None = None
    """`spacy:MODEL` or `presidio:MODEL`; MODEL is an installed package, or a folder where it holds a slash."""
    labels: Mapping[str, Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")] | None] = field(default_factory=dict)
    """The model's labels -> our kinds; what is not here, or null, is not reported."""
    least: Annotated[float, Ge(0), Le(1)] = 0.5
    most: Annotated[int, Ge(1000)] = 5000
    strength: Annotated[Strength, BeforeValidator(strength_named)] = Strength.WEAK
    exclude: tuple[str, ...] = ()

    @property
    def kinds(self) -> dict[str, str]:
        return {label: kind for label, kind in self.labels.items() if kind is not None}

    @property
    def engine(self) -> str:
        return (self.model or "").partition(":")[0]

    @property
    def place(self) -> str:
        """The package or folder that the model is."""
        return (self.model or "").partition(":")[2]


_OPTIONS = TypeAdapter(Options)


def options_of(options: Mapping[str, Any]) -> Options:
    """Options, checked. Raises ConfigError."""
    where = "stages.ner.options"
    try:
        checked = _OPTIONS.validate_python(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join([where, *map(str, first['loc'])])}: {first['msg'].removeprefix('Value error, ')}") from None
    if not checked.kinds:
        raise ConfigError(f"{where}.labels: maps none of the model's labels, so nothing would be found; say {{PERSON: NAME}}")
    return checked


def _engine_of(options: Options) -> str:
    """The engine that a model is for. Raises ConfigError where none is named."""
    if options.engine not in _PACKAGES or not options.place:
        raise ConfigError(
            "stages.ner.options.model: name a model as spacy:PACKAGE, spacy:./FOLDER, presidio:PACKAGE or presidio:./FOLDER; "
            "it has to be on this machine, nothing is downloaded"
        )
    if options.engine == "presidio" and _DOWNLOADS in options.kinds:
        raise ConfigError(f"stages.ner.options.labels: Presidio downloads a list for {_DOWNLOADS}; the stage pii finds addresses without")
    return options.engine


@dataclass(frozen=True)
class Ner:
    """A recogniser as a stage. `make` gives it, and is asked again in each process, so it should remember.

    A stage for another model passes a `make` of its own, at the top of a module, and what to call itself.
    """

    options: Options
    make: Callable[[Options], Recogniser]
    revision: str
    name: str = "ner"

    @classmethod
    def load(cls, options: Mapping[str, Any], scanner: Scanner | None) -> Ner:
        """The stage, its model open. Raises ConfigError, ArtefactError."""
        checked = options_of(options)
        ner = cls(checked, recogniser_of, _about(_engine_of(checked), checked.place)[1][:12])
        ner.make(checked)
        return ner

    @classmethod
    def artefacts(cls, options: Mapping[str, Any]) -> dict[str, str]:
        """The model by name and version, with a digest of its files and of what runs it. Raises ConfigError, ArtefactError."""
        checked = options_of(options)
        name, digest = _about(_engine_of(checked), checked.place)
        return {f"ner.{name}": digest}

    def inspect(self, view: View) -> Iterator[Finding]:
        if not view.text or view.text.isspace():
            return
        kinds = self.options.kinds
        for start, end, label, score in entities(view.text, self.make(self.options), self.options.most):
            if label in kinds and score >= self.options.least:
                rule = "-".join(label.lower().split())
                span, strength = Span(start, end), self.options.strength
                yield Finding(view.field.path, self.name, rule, self.revision, kinds[label], span, strength, round(min(score, 1.0), 6))


def readable(text: str) -> str:
    """A text of the same length that tokenisers read in linear time: long runs of signs become spaces, lone surrogates U+FFFD.

    >>> readable("Ada " + "[" * 20 + " and \\ud800")[-12:]
    '       and �'
    """
    text = _SURROGATE.sub("\ufffd", text)
    text = _RUN.sub(lambda run: " " * len(run[0]), text)
    return _WORD.sub(lambda word: _SIGN.sub(" ", word[0]), text)


def entities(text: str, recognise: Recogniser, most: int) -> Iterator[tuple[int, int, str, float]]:
    """What a recogniser finds in a text, in order, looking at `most` characters at a time, in time linear in the text.

    Windows overlap; each reports what begins before the middle of the overlap that it ends with.
    """
    shown = readable(text)
    last = begin = 0
    while begin < len(shown):
        whole = begin + most >= len(shown)
        until = len(shown) if whole else begin + most - _OVERLAP // 2
        after = begin + _OVERLAP // 2 if begin else 0
        for start, end, label, score in sorted(recognise(shown[begin : begin + most])):
            if start < end and after <= start + begin < until and start + begin >= last:
                last = end + begin
                yield start + begin, last, label, score
        if whole:
            return
        begin += most - _OVERLAP


def recogniser_of(options: Options) -> Recogniser:
    """The recogniser that options name; a process opens a model once. Raises ConfigError, ArtefactError."""
    engine = _engine_of(options)
    _about(engine, options.place)
    made = _spacy if engine == "spacy" else _presidio
    return made(options.place, options.exclude, tuple(options.kinds))


@lru_cache(maxsize=4)
def _about(engine: str, place: str) -> tuple[str, str]:
    """Name and version of a model, and a digest of it and of what runs it; imports neither. Raises ArtefactError."""
    versions = []
    for package in _PACKAGES[engine]:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            extra = "ner" if package == "spacy" else "presidio"
            raise ArtefactError(f"stages.ner: {package} is not installed; pip install 'decontam[{extra}]'") from None
    folder = _folder(place)
    try:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        meta = json.loads(next(path for path in files if path.name == "meta.json").read_text("utf-8"))
        lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}" for path in files]
        name = f"{meta['lang']}_{meta['name']}-{meta['version']}"
    except (OSError, StopIteration, ValueError, KeyError, TypeError):
        raise ArtefactError(f"{place}: no spaCy pipeline (no meta.json that says its name); name what nlp.to_disk wrote") from None
    return name, hashlib.sha256("\n".join(versions + lines).encode()).hexdigest()


def _folder(place: str) -> Path:
    """Where the files of a model are. Raises ArtefactError."""
    if "/" in place or "\\" in place:
        if not (folder := Path(place)).is_dir():
            raise ArtefactError(f"{place}: no such folder; name what nlp.to_disk wrote (nothing is downloaded)")
        return folder
    spec = find_spec(place) if place.isidentifier() else None
    if spec is None or spec.origin is None:
        raise ArtefactError(
            f"{place}: no such package; pip install the model's wheel, or name a folder with a slash: ./{place} (nothing is downloaded)"
        )
    return Path(spec.origin).parent


def _pipeline(place: str, exclude: tuple[str, ...]) -> Any:
    try:
        import spacy

        nlp = spacy.load(Path(place) if "/" in place or "\\" in place else place, exclude=exclude)
    except (OSError, ValueError, ImportError, KeyError, TypeError) as error:
        why = str(error).split("\n", 1)[0][:200]
        raise ArtefactError(f"{place}: spaCy cannot open it ({type(error).__name__}: {why})") from None
    if not hasattr(nlp, "memory_zone"):
        raise ArtefactError(f"stages.ner: spaCy {version('spacy')} is too old; pip install 'decontam[ner]'")
    return nlp


def _known(place: str, labels: tuple[str, ...], known: Iterable[str]) -> list[str]:
    """The labels that a model gives. Raises ArtefactError where it gives none of them."""
    has = set(known)
    if not (shared := [label for label in labels if label in has]):
        raise ArtefactError(f"{place}: gives none of the labels in stages.ner.options.labels; it has {', '.join(sorted(has)) or 'none'}")
    return shared


def _bounded(nlp: Any, ask: Recogniser) -> Recogniser:
    """The same in bounded memory: a vocabulary keeps every word that it ever saw, unless in a zone, of which there is one at a time."""
    lock = Lock()

    def recognise(text: str) -> Iterable[tuple[int, int, str, float]]:
        with lock, nlp.memory_zone():
            return ask(text)

    return recognise


@lru_cache(maxsize=4)
def _spacy(place: str, exclude: tuple[str, ...], labels: tuple[str, ...]) -> Recogniser:
    nlp = _pipeline(place, exclude)
    _known(place, labels, (label for of_pipe in nlp.pipe_labels.values() for label in of_pipe))

    return _bounded(nlp, lambda text: [(found.start_char, found.end_char, found.label_, 1.0) for found in nlp(text).ents])


@lru_cache(maxsize=4)
def _presidio(place: str, exclude: tuple[str, ...], labels: tuple[str, ...]) -> Recogniser:
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    nlp = _pipeline(place, exclude)
    engine: Any = SpacyNlpEngine([{"lang_code": nlp.lang, "model_name": place}])
    engine.nlp = {nlp.lang: nlp}  # its own way to load a model would download one
    registry = RecognizerRegistry(supported_languages=[nlp.lang])
    registry.load_predefined_recognizers(languages=[nlp.lang], nlp_engine=engine)
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[nlp.lang])
    asked = _known(place, labels, analyzer.get_supported_entities(nlp.lang))

    def ask(text: str) -> list[tuple[int, int, str, float]]:
        return [(found.start, found.end, found.entity_type, found.score) for found in analyzer.analyze(text, nlp.lang, entities=asked)]

    return _bounded(nlp, ask)
