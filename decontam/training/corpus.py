"""Corpus: labelled texts from JSON lines, read as the model reads them, each with its source, fold, licence and language.

What a source is, and what may be made of it, is data: `sources.yaml`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import orjson
import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from decontam import tokens
from decontam.calibration import least
from decontam.errors import InputError
from decontam.files import Source as Bytes
from decontam.jsonl import lines_of
from decontam.model import MOST
from decontam.prose import not_prose, prose
from decontam.view import View

TABLE = Path(__file__).parent / "sources.yaml"
LICENCES = ("open", "all")
"""Which sources a model may be trained on: those whose licence lets anybody use them, or all."""

_STRICT = ConfigDict(extra="forbid")
_LEAST_TRAINED = 20  # tokens of prose; what is shorter teaches nothing
Array = np.ndarray[Any, Any]


@checked(frozen=True, config=_STRICT)
class Source:
    """Where texts come from; `sources.yaml` says what each field means."""

    fold: str
    licence: Literal["open", "noncommercial", "unstated"] = "open"
    terms: str = ""
    written: str = ""
    translated: str | None = None
    open_domains: tuple[str, ...] | None = None
    drop: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    human_as_written: bool = False
    doubtful: bool = False
    use: Literal["all", "none"] = "all"


@checked(frozen=True, config=_STRICT)
class Sources:
    """The table: folds in order, sources by name, vendors by pieces of the names of their models."""

    folds: tuple[str, ...]
    sources: Mapping[str, Source]
    vendors: Mapping[str, tuple[str, ...]]

    def vendor(self, generator: str) -> str:
        """Whose a generator is, or `other`."""
        name = generator.lower()
        return next((vendor for vendor, pieces in self.vendors.items() if any(piece in name for piece in pieces)), "other")


def sources_of(path: Path = TABLE) -> Sources:
    """The table in a file. Raises InputError."""
    try:
        return TypeAdapter(Sources).validate_python(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise InputError(f"{path}: no table of sources: {str(error).splitlines()[0]}") from None


class Row(NamedTuple):
    """One labelled text, less its text."""

    source: str
    human: bool
    generator: str
    domain: str
    language: str
    open: bool
    attack: str


@dataclass(frozen=True)
class Corpus:
    """Texts as keys of tokens, one after the other: those of text n are `keys[offsets[n]:offsets[n + 1]]`."""

    rows: Sequence[Row]
    keys: Array
    offsets: Array
    table: Sources

    @cached_property
    def lengths(self) -> Array:
        """Tokens of prose that are read, MOST at most."""
        lengths: Array = np.diff(self.offsets)
        return lengths

    @cached_property
    def sources(self) -> Array:
        """The source of each text."""
        return np.array([row.source for row in self.rows])

    @cached_property
    def languages(self) -> Array:
        """The language of each text."""
        return np.array([row.language for row in self.rows])

    @cached_property
    def human(self) -> Array:
        """A mask of the texts that humans wrote."""
        return np.fromiter((row.human for row in self.rows), bool, len(self.rows))

    @cached_property
    def open(self) -> Array:
        """A mask of the texts whose licence lets anybody use them."""
        return np.fromiter((row.open for row in self.rows), bool, len(self.rows))

    @cached_property
    def sure(self) -> Array:
        """A mask of the texts whose label is not in doubt."""
        return np.fromiter((not self.table.sources[row.source].doubtful for row in self.rows), bool, len(self.rows))

    @cached_property
    def folds(self) -> Array:
        """The fold of each text."""
        return np.array([self.table.sources[row.source].fold for row in self.rows])

    @cached_property
    def long(self) -> Array:
        """A mask of the texts that are long enough in their language to be judged."""
        return self.lengths >= np.array([least(row.language) for row in self.rows])


def _fits(row: Mapping[str, Any], source: Source, human: bool) -> bool:
    """Whether the label of a row is to be believed."""
    if human and source.human_as_written and row.get("attack", "none") not in {"none", None}:
        return False
    return not any(str(row.get(name)) in values for name, values in source.drop.items())


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The objects in a file of JSON lines, compressed as its name says. Raises InputError."""
    with Bytes(str(path)) as source:
        for number, line in enumerate(lines_of(source)):
            if line.strip():
                try:
                    row = orjson.loads(line)
                    yield {**row, "text": str(row["text"])}
                except (orjson.JSONDecodeError, KeyError, TypeError):
                    raise InputError(f"{path}: line {number + 1}: not an object with a text") from None


@lru_cache(maxsize=1)
def _nothing() -> Array:
    return np.empty(0, np.uint64)


def read_text(text: str) -> Array:
    """The keys of a text, none where it is no prose."""
    view = View.of(text)
    read = prose(view.data, tokens.of(view), 2 * MOST)
    return read.keys[:MOST].copy() if not_prose(read) is None else _nothing()


def labelled(paths: Iterable[Path], table: Sources, name_of: Callable[[Path], str]) -> Corpus:
    """The texts in files of JSON lines with `text` and `label` (human, llm), less those that are no prose or whose label does not fit.

    Languages are what rows call `lang`; identifying others here would make a model depend on how that is done.
    """
    rows: list[Row] = []
    parts: list[Array] = []
    for path in paths:
        name = name_of(path)
        source = table.sources[name]
        if source.use == "none":
            continue
        for row in rows_of(path):
            if row.get("label") not in {"human", "llm"}:
                raise InputError(f"{path}: label {str(row.get('label'))[:20]!r} is neither human nor llm")
            human = row["label"] == "human"
            if not _fits(row, source, human):
                continue
            given = row.get("lang")
            spoken = "und" if given in {None, "", "xx"} else str(given)
            keys = read_text(row["text"])
            if len(keys) < _LEAST_TRAINED:
                continue
            domain = str(row.get("domain") or "")
            is_open = source.licence == "open" and (source.open_domains is None or domain in source.open_domains)
            attack = str(row.get("attack") or "none")
            rows.append(Row(name, human, str(row.get("generator") or ""), domain, spoken, is_open, attack))
            parts.append(keys)
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return Corpus(rows, np.concatenate([*parts, _nothing()]), offsets, table)


def read(folders: Sequence[Path], table: Sources) -> Corpus:
    """The sources of the table that lie in some folders as <name>.jsonl or <name>.jsonl.zst. Raises InputError for others."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.jsonl*")):
            name = path.name.partition(".jsonl")[0]
            if name not in table.sources:
                raise InputError(f"{path}: {name} is not in the table of sources; say in it what licence and fold it has")
            found[name] = path
    if not found:
        raise InputError(f"{', '.join(map(str, folders))}: no files called <source>.jsonl.zst")
    names = {path: name for name, path in found.items()}
    return labelled([found[name] for name in sorted(found)], table, names.__getitem__)
