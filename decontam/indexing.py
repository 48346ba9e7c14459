"""Indexing: known texts -> an index, in bounded memory: sorted runs on the disk, merged range by range.

Every way to make an index ends in `assembling`, so it does not matter in which order sources are named, nor whether they
were indexed together or apart.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson

from decontam.assembling import ENTRY, Origin, Run, Work, assembled
from decontam.errors import ArtefactError, InputError
from decontam.indexes import DTYPES, UNITS, Index
from decontam.known import SHORT, exact_digest, worth_of
from decontam.shingles import LONGEST, Array, Mix, Units, digested, pieces_of, shingles, tagged, whole_units
from decontam.tokens import mixed
from decontam.types import Reference
from decontam.view import encode

MEMORY = 256 << 20
"""Bytes that sorting may take, by default."""

COMMON = 2
"""A fingerprint in so many texts of the background is common."""

_LEAST = 8  # units: a shorter text could be anybody's
_16, _48, _COUNTED = np.uint64(16), np.uint64(48), np.uint64(0x7FFF)
_POSITION, _PLACE = np.uint64(0xFFFF), np.uint64((1 << 48) - 1)


_COMMONS = files("decontam") / "data" / "commons.txt"
_ROW = struct.Struct("<6Q8I")  # as indexes.ROW


class _Sorter:
    """Collects places, and spills them sorted whenever they fill the memory."""

    def __init__(self, memory: int, spill: Callable[[Array, Array], None]) -> None:
        self._room = max(1 << 10, memory // (3 * ENTRY))
        self._hashes, self._places = np.empty(self._room, np.uint64), np.empty(self._room, np.uint64)
        self._count = 0
        self._spill = spill

    def add(self, hashes: Array, places: Array) -> None:
        at = 0
        while at < len(hashes):
            taken = min(len(hashes) - at, self._room - self._count)
            self._hashes[self._count : self._count + taken] = hashes[at : at + taken]
            self._places[self._count : self._count + taken] = places[at : at + taken]
            self._count += taken
            at += taken
            if self._count == self._room:
                self.finish()

    def finish(self) -> None:
        if self._count:
            order = np.argsort(self._hashes[: self._count])  # equal ones are put in order when they are merged
            self._spill(self._hashes[: self._count][order], self._places[: self._count][order])
            self._count = 0


class _Files:
    """Files that grow while references are read."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._open: dict[str, BinaryIO] = {name: stack.enter_context((folder / name).open("wb")) for name in ("rows", "tags", "about")}
        self._folder = folder
        self.size = dict.fromkeys(self._open, 0)

    def write(self, name: str, data: Any) -> int:
        """Where in the file the data was put."""
        at = self.size[name]
        self.size[name] += self._open[name].write(data)
        return at

    def mapped(self, name: str) -> Array:
        self._open[name].close()
        dtype: Any = DTYPES[name]
        return np.memmap(self._folder / name, dtype, "r") if self.size[name] else np.empty(0, dtype)


def _read_in(work: Work, sources: Iterable[str], read: Callable[[str], Iterable[Reference]], mix: Mix) -> None:
    """All references of all sources, as one origin and its runs."""
    labels: dict[tuple[str, str | None, str | None], int] = {}
    told: list[dict[str, Any]] = []
    count = short = size = 0

    def spill(hashes: Array, places: Array) -> None:
        work.runs.append(Run(work.spilled(hashes), work.spilled(places), None, 0))

    sorter = _Sorter(work.memory, spill)
    with ExitStack() as stack:
        into = _Files(stack, work.folder)
        for number, source in enumerate(sorted(set(sources))):
            first, times = count, list[str]()
            for reference in read(source):
                data = encode(reference.text)
                size += len(data)
                words, given = whole_units(data)
                if len(given.keys) < _LEAST:
                    short += 1
                    continue
                if reference.time:
                    times = [min([*times[:1], reference.time]), max([*times[1:], reference.time])]
                label = labels.setdefault((reference.part, reference.provider, reference.model), len(labels))
                said = orjson.dumps([reference.id, reference.time])
                about = into.write("about", said)
                for piece, at in enumerate(range(0, len(given.keys), UNITS)):
                    part = Units(*(column[at : at + UNITS] for column in given))
                    digest = int(digested(part.keys, mix.numbers))
                    salt = np.uint64(mixed(np.uint64(digest) ^ mix.numbers[4]))
                    tags = np.empty(len(part.keys), np.uint8)
                    tagged(part.keys, salt, tags)
                    whole = exact_digest(words, int(part.places[0]), int(part.places[-1]), mix) if len(part.keys) < SHORT else 0
                    into.write(
                        "rows",
                        _ROW.pack(
                            into.write("tags", tags), about, digest, whole, reference.start, reference.end, len(part.keys),
                            worth_of(part), number, label, 0, len(said), 1, piece,
                        ),
                    )  # fmt: skip
                    # A shingle belongs to the piece in which it begins and may reach into the next.
                    hashes, starts = shingles(Units(*(column[at : at + UNITS + LONGEST] for column in given)), mix)
                    inside = int(np.searchsorted(starts, len(part.keys)))
                    places = (starts[:inside].astype(np.uint64)) | np.uint64(count << 16)
                    sorter.add(hashes[:inside], places)
                    count += 1
            told.append({"name": source, "first": first, "rows": count - first, "times": [times[0], times[-1]] if times else None})
        sorter.finish()
        rows, tags, about_ = (into.mapped(name) for name in ("rows", "tags", "about"))
    work.notes |= {"bytes": size, "short": short, "least": _LEAST}
    work.origins.append(Origin(rows, tags, about_, told, [list(label) for label in labels]))


def _commons(mix: Mix) -> Array:
    """The fingerprints of what everybody quotes: licences, declarations, verses, lists, first lines of files."""
    texts = _COMMONS.read_text("utf-8").split("\f")
    return np.unique(np.concatenate([shingles(whole_units(encode(text))[1], mix)[0] for text in texts]))


def _read_background(work: Work, texts: Iterable[str], mix: Mix) -> None:
    """The fingerprints of texts that are nobody's secret."""
    sorter = _Sorter(work.memory, lambda hashes, places: work.background.append((work.spilled(hashes), work.spilled(places))))
    number = -1
    for number, text in enumerate(texts):
        for _, given in pieces_of(encode(text)):
            hashes, _ = shingles(given, mix)
            distinct = np.unique(hashes)
            sorter.add(distinct, np.full(len(distinct), number, np.uint64))
    sorter.finish()
    work.notes["background"] = number + 1


def build(
    out: str,
    sources: Iterable[str],
    read: Callable[[str], Iterable[Reference]],
    mix: Mix,
    background: Iterable[str] | None = None,
    common: int = COMMON,
    memory: int = MEMORY,
) -> dict[str, Any]:
    """Index the references that `read` finds in each source. Returns the description of the index.

    A fingerprint that at least `common` texts of `background` have does not count. `memory` bounds what sorting takes, in bytes.
    Raises InputError where nothing can be indexed or `out` cannot be written.
    """
    with _folder(out) as folder:
        work = Work(Path(folder), memory, commons=_commons(mix))
        if background is not None:
            work.notes["common"] = common
            _read_background(work, background, mix)
        _read_in(work, sources, read, mix)
        if not len(work.origins[0].rows):
            raise InputError(f"{out}: no source holds a text of {_LEAST} words or more; nothing was indexed")
        return assembled(work, [np.ones(len(work.origins[0].rows), bool)], out, mix.id)


def _folder(out: str) -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(dir=Path(out).absolute().parent, prefix=f".{Path(out).name}.")
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}; choose a place that can be written") from None


def rewritten(out: str, given: Sequence[Index], keep: Callable[[Index], Array] | None = None, memory: int = MEMORY) -> dict[str, Any]:
    """One index of several, or of those rows of them for which `keep` has true. Returns the description.

    Raises ArtefactError where their keys differ, InputError where two of them hold the same source or nothing is left.
    """
    for index in given[1:]:
        if index.key != given[0].key:
            raise ArtefactError(f"{index.path}: was built with another key than {given[0].path}; an index has one key")
    with _folder(out) as folder:
        work = Work(Path(folder), memory)
        for number, index in enumerate(given):
            about = index.about
            work.origins.append(Origin(index["rows"], index["tags"], index["about"], about["sources"], about["labels"]))
            work.runs.append(Run(index["hashes"], index["places"], work.spilled(_hidden_of(index)), number))
            work.dropped.append(index["dropped"])
            for name, value in about["notes"].items():
                was = work.notes.get(name, 0)
                work.notes[name] = was + value if name in ("bytes", "short") else max(was, value)
        masks = [keep(index) if keep else np.ones(len(index["rows"]), bool) for index in given]
        if not sum(int(mask.sum()) for mask in masks):
            raise InputError(f"{out}: nothing would be left in the index; delete the file instead")
        return assembled(work, masks, out, given[0].key)


def kept(index: Index, sources: Sequence[str] = (), days: Sequence[str] = (), before: str | None = None, ids: Iterable[str] = ()) -> Array:
    """Which rows stay where others are taken out: those of sources (`*` and `?` are allowed), days (2026-10-31), all days before
    one, and ids."""
    rows = index["rows"]
    gone = np.zeros(len(rows), bool)
    for source in index.about["sources"]:
        if any(fnmatchcase(source["name"], name) for name in sources):
            gone[source["first"] : source["first"] + source["rows"]] = True
    named = frozenset(ids)
    if days or before or named:
        for row in range(len(rows)):
            known = index.known(row)
            day = (known.time or "")[:10]
            gone[row] |= known.id in named or (day != "" and (day in days or (before is not None and day < before)))
    return ~gone


def _hidden_of(index: Index) -> Array:
    """In how many texts more a fingerprint is than are listed, at its first place."""
    hashes, places = index["hashes"], index["places"]
    hidden = np.zeros(len(hashes), np.uint16)
    if len(hashes):
        starts = np.concatenate([[0], np.flatnonzero(np.diff(hashes)) + 1])
        listed = np.diff(np.concatenate([starts, [len(hashes)]]))
        hidden[starts] = np.maximum(((places[starts] >> _48) & _COUNTED).astype(np.int64) - listed, 0).astype(np.uint16)
    return hidden
