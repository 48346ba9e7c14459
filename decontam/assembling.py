"""Assembling: rows, tags and places from some origins -> one index, in the order of their sources, in bounded memory.

Places come in runs that are sorted already; they are merged one range of fingerprints after the other.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from decontam.errors import InputError
from decontam.indexes import ALIGNED, HEAD, KEPT, MAGIC, ROW, VERSION, raw
from decontam.kernels import kernel
from decontam.known import SHORT, bloom_block, bloom_mask
from decontam.shingles import Array, normaliser
from decontam.tokens import READING

_BITS = 16  # of the Bloom filter for each fingerprint
_BLOCK = 1 << 16  # rows at a time
_LEAST_MEMORY = 1 << 16
ENTRY = 18
"""Bytes of a place while it is sorted."""

_16, _48, _1, _0 = np.uint64(16), np.uint64(48), np.uint64(1), np.uint64(0)
_SHORT = _1 << np.uint64(63)
_POSITION, _PLACE = np.uint64(0xFFFF), np.uint64((1 << 48) - 1)


@dataclass
class Run:
    """Places sorted by fingerprint. `hidden`: texts that the fingerprint is in beyond those listed, at its first place."""

    hashes: Array
    places: Array
    hidden: Array | None
    origin: int


@dataclass
class Origin:
    """Rows with their tags and the rest, from one place."""

    rows: Array
    tags: Array
    about: Array
    sources: list[dict[str, Any]]
    labels: list[list[str | None]]


@dataclass
class Work:
    """All that an index is made of, in files of a temporary folder."""

    folder: Path
    memory: int
    runs: list[Run] = field(default_factory=list)
    background: list[tuple[Array, Array]] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    dropped: list[Array] = field(default_factory=list)
    commons: Array = field(default_factory=lambda: np.empty(0, np.uint64))
    """Fingerprints, sorted, that do not count wherever they are."""
    notes: dict[str, Any] = field(default_factory=dict)
    _files: int = 0

    def spilled(self, array: Array) -> Array:
        """The array, on the disk."""
        self._files += 1
        path = self.folder / f"{self._files}"
        array.tofile(path)
        return np.memmap(path, array.dtype, "r") if len(array) else array[:0]


@kernel
def _frequent(hashes, numbers, least, out):  # type: ignore[no-untyped-def]
    """Write the fingerprints, of sorted ones, that stand in at least so many texts; their number."""
    count = at = 0
    while at < len(hashes):
        end, texts = at, 0
        while end < len(hashes) and hashes[end] == hashes[at]:
            if end == at or numbers[end] != numbers[end - 1]:
                texts += 1
            end += 1
        if texts >= least:
            out[count] = hashes[at]
            count += 1
        at = end
    return count


@kernel
def _grouped(hashes, places, hidden, nowhere, kept, common, short, out_hashes, out_places, gone):  # type: ignore[no-untyped-def]  # noqa: C901, PLR0912 - one pass
    """Sorted places -> those that are kept, with how many texts each fingerprint is in. Rows that are left out are `nowhere`.

    Counts: places written, fingerprints written, fingerprints dropped (written to `gone`).
    """
    count = distinct = dropped = 0
    at = drop_at = 0
    size = len(hashes)
    while at < size:
        hash = hashes[at]
        end = at
        while end < size and hashes[end] == hash:
            end += 1
        more = 0
        for place in range(at, end):
            more += hidden[place]
        while drop_at < len(common) and common[drop_at] < hash:
            drop_at += 1
        if drop_at < len(common) and common[drop_at] == hash:
            gone[dropped] = hash
            dropped += 1
            at = end
            continue
        group = places[at:end]
        ordered = True
        for place in range(1, len(group)):
            if group[place] < group[place - 1]:
                ordered = False
        if not ordered:
            group.sort()
        # The first place in each row; then the last rows.
        rows = 0
        for place in range(len(group)):
            if group[place] != nowhere and (rows == 0 or group[place] >> _16 != group[rows - 1] >> _16):
                group[rows] = group[place]
                rows += 1
        texts = min(rows + more, 32767)
        for place in range(max(0, rows - kept), rows):
            out_hashes[count] = hash
            out_places[count] = group[place] | np.uint64(texts) << _48
            if short[np.int64(group[place] >> _16)]:
                out_places[count] |= _SHORT
            count += 1
        if rows:
            distinct += 1
        at = end
    return count, distinct, dropped


@kernel
def _filled(hashes, bloom):  # type: ignore[no-untyped-def]
    blocks = np.uint64(len(bloom))
    for at in range(len(hashes)):
        block = bloom_block(hashes[at], blocks)
        bloom[block] |= bloom_mask(hashes[at])


@kernel
def _prefixed(hashes, shift, prefix):  # type: ignore[no-untyped-def]
    """Count fingerprints by their leading bits, at the place behind."""
    for at in range(len(hashes)):
        prefix[(hashes[at] >> shift) + _1] += _1


@kernel
def _gathered(content, begins, sizes, out):  # type: ignore[no-untyped-def]
    at = 0
    for number in range(len(begins)):
        begin = np.int64(begins[number])
        for place in range(np.int64(sizes[number])):
            out[at] = content[begin + place]
            at += 1


class _Writer:
    """The file of an index, section by section; under its name only when it is whole."""

    def __init__(self, stack: ExitStack, out: str) -> None:
        self._out = Path(out)
        temporary = tempfile.NamedTemporaryFile(dir=self._out.parent, prefix=f".{self._out.name}.", delete=False)  # noqa: SIM115 - the stack closes it
        self._file = stack.enter_context(temporary)
        stack.callback(Path(self._file.name).unlink, missing_ok=True)
        self._file.write(b"\0" * HEAD.size)
        self.sections: dict[str, dict[str, Any]] = {}

    def section(self, name: str, parts: Iterable[Array]) -> None:
        self._file.write(b"\0" * (-self._file.tell() % ALIGNED))
        begin, digest = self._file.tell(), hashlib.sha256()
        for part in parts:
            data = raw(np.ascontiguousarray(part))
            digest.update(data)
            self._file.write(data)
        self.sections[name] = {"offset": begin, "size": self._file.tell() - begin, "sha256": digest.hexdigest()}

    def finish(self, about: Mapping[str, Any]) -> None:
        described = orjson.dumps({**about, "sections": self.sections}, option=orjson.OPT_SORT_KEYS)
        at = self._file.tell()
        self._file.write(described)
        self._file.seek(0)
        self._file.write(HEAD.pack(MAGIC, VERSION, at, len(described), hashlib.sha256(described).digest()))
        self._file.flush()
        os.fsync(self._file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(self._file.name).chmod(0o666 & ~umask)
        Path(self._file.name).replace(self._out)


def _in_order(work: Work, keep: Sequence[Array]) -> tuple[Array, Array, list[dict[str, Any]], list[list[str | None]]]:
    """The rows that are kept, by source: their origins and rows in them, sources and labels as they will be named."""
    named: dict[str, tuple[int, int]] = {}
    for number, origin in enumerate(work.origins):
        for place, source in enumerate(origin.sources):
            if source["name"] in named:
                raise InputError(f"{source['name']} is in two of the indexes; remove it from one of them: decontam index remove --source")
            named[source["name"]] = number, place
    labels: dict[tuple[str | None, ...], int] = {}
    sources, origins, rows = [], [np.empty(0, np.uint16)], [np.empty(0, np.int64)]
    count = 0
    for name in sorted(named):
        number, place = named[name]
        source = work.origins[number].sources[place]
        inside = np.arange(source["first"], source["first"] + source["rows"])
        inside = inside[keep[number][inside]]
        if len(inside) == 0 and source["rows"]:
            continue
        sources.append({**source, "first": count, "rows": len(inside)})
        origins.append(np.full(len(inside), number, np.uint16))
        rows.append(inside)
        count += len(inside)
        used = np.unique(work.origins[number].rows["label"][inside], return_index=True)
        for label in used[0][np.argsort(used[1], kind="stable")].tolist():
            labels.setdefault(tuple(work.origins[number].labels[label]), len(labels))
    return np.concatenate(origins), np.concatenate(rows), sources, [list(label) for label in labels]


def assembled(work: Work, keep: Sequence[Array], out: str, mix_id: str | None) -> dict[str, Any]:
    """Write the index. Returns its description."""
    origins, olds, sources, labels = _in_order(work, keep)
    total = len(olds)
    rows = np.empty(total, ROW)
    for number, origin in enumerate(work.origins):
        mine = origins == number
        rows[mine] = origin.rows[olds[mine]]
        renamed = np.array([labels.index(label) if label in labels else 0 for label in origin.labels] or [0], np.uint32)
        rows["label"][mine] = renamed[rows["label"][mine]]
    for number, source in enumerate(sources):
        rows["source"][source["first"] : source["first"] + source["rows"]] = number
    # The first of equal texts stands for all of them.
    _, firsts, which, copies = np.unique(rows["digest"], return_index=True, return_inverse=True, return_counts=True)
    first = firsts[which.reshape(-1)].astype(np.uint32)
    rows["first"], rows["copies"] = first, copies[which.reshape(-1)]
    alone = first == np.arange(total, dtype=np.uint32)
    maps = []
    by_digest = np.sort(rows["digest"][firsts]) if total else np.empty(0, np.uint64)
    for origin in work.origins:
        digests = origin.rows["digest"]
        place = np.minimum(np.searchsorted(by_digest, digests), max(0, len(by_digest) - 1))
        there = by_digest[place] == digests if len(by_digest) else np.zeros(len(digests), bool)
        maps.append(np.where(there, firsts[place] if len(by_digest) else 0, -1).astype(np.int64))
    with ExitStack() as stack:
        writer = _Writer(stack, out)
        counts = _write_places(work, writer, maps, rows["units"] < SHORT)
        _write_rows(work, writer, rows, origins, alone)
        about = {
            "version": VERSION,
            "reading": READING,
            "normaliser": normaliser(),
            "key": mix_id,
            "kept": KEPT,
            "counts": {
                "references": total,
                "texts": int(alone.sum()),
                "copies": int(total - alone.sum()),
                "units": int(rows["units"][alone].sum(dtype=np.int64)),
                **counts,
            },
            "sources": sources,
            "labels": labels,
            "notes": work.notes,
        }
        writer.finish(about)
    return {**about, "sections": writer.sections}


def _write_rows(work: Work, writer: _Writer, rows: Array, origins: Array, alone: Array) -> None:
    tags_from, about_from = rows["tags"].copy(), rows["about"].copy()
    sizes = np.where(alone, rows["units"], 0).astype(np.uint64)
    rows["tags"] = np.concatenate([[0], np.cumsum(sizes, dtype=np.uint64)[:-1]]) if len(rows) else 0
    rows["tags"] = rows["tags"][rows["first"]]
    # Pieces of one text share what is said about it.
    repeated = np.zeros(len(rows), bool)
    repeated[1:] = (rows["piece"][1:] > 0) & (rows["piece"][1:] == rows["piece"][:-1] + 1) & (about_from[1:] == about_from[:-1])
    about_sizes = np.where(repeated, 0, rows["about_size"]).astype(np.uint64)
    begins = np.concatenate([[0], np.cumsum(about_sizes, dtype=np.uint64)[:-1]]) if len(rows) else np.empty(0)
    rows["about"] = np.where(repeated, 0, begins).astype(np.uint64)
    for place in np.flatnonzero(repeated):
        rows["about"][place] = rows["about"][place - 1]
    writer.section("rows", [rows])

    def parts(section: str, begins: Array, sizes: Array) -> Iterator[Array]:
        for at in range(0, len(rows), _BLOCK):
            inside = slice(at, at + _BLOCK)
            ends = np.cumsum(sizes[inside], dtype=np.int64)
            out = np.empty(int(ends[-1]), np.uint8)
            for run, content in _runs_of(origins[inside], [getattr(origin, section) for origin in work.origins]):
                low = int(ends[run.start - 1]) if run.start else 0
                _gathered(content, begins[inside][run], sizes[inside][run], out[low : int(ends[run.stop - 1])])
            yield out

    writer.section("tags", parts("tags", tags_from, sizes))
    writer.section("about", parts("about", about_from, about_sizes))


def _runs_of(origins: Array, contents: Sequence[Array]) -> Iterator[tuple[slice, Array]]:
    """Stretches of rows from one origin."""
    edges = [0, *(np.flatnonzero(np.diff(origins)) + 1).tolist(), len(origins)]
    for start, end in pairwise(edges):
        yield slice(start, end), np.asarray(contents[int(origins[start])])


_NOWHERE = np.uint64((1 << 64) - 1)


def _write_places(work: Work, writer: _Writer, maps: Sequence[Array], short: Array) -> dict[str, int]:
    """Merge the runs, one range of fingerprints after the other."""
    entries = sum(len(run.hashes) for run in work.runs)
    against = sum(len(hashes) for hashes, _ in work.background)
    ranges = max(1, -(-max(entries, against) * ENTRY * 4 // max(work.memory, _LEAST_MEMORY)))
    edges = [(number << 64) // ranges for number in range(1, ranges)]

    def cut(hashes: Array) -> list[int]:
        return [0, *np.searchsorted(hashes, np.array(edges, np.uint64)).tolist(), len(hashes)]

    run_cuts, background_cuts = [cut(run.hashes) for run in work.runs], [cut(hashes) for hashes, _ in work.background]
    before = np.unique(np.concatenate(work.dropped)) if work.dropped else np.empty(0, np.uint64)
    before_cut, commons_cut = cut(before), cut(work.commons)
    distinct = written = 0
    paths = {name: work.folder / name for name in ("hashes", "places", "dropped")}
    with ExitStack() as stack:
        files = {name: stack.enter_context(path.open("wb")) for name, path in paths.items()}
        for number in range(ranges):
            inside = [slice(cuts[number], cuts[number + 1]) for cuts in run_cuts]
            hashes = np.concatenate([np.empty(0, np.uint64), *(run.hashes[part] for run, part in zip(work.runs, inside, strict=True))])
            places = np.concatenate(
                [np.empty(0, np.uint64), *(_renumbered(run, part, maps[run.origin]) for run, part in zip(work.runs, inside, strict=True))]
            )
            hidden = np.concatenate([np.empty(0, np.uint16), *(_hidden(run, part) for run, part in zip(work.runs, inside, strict=True))])
            if len(work.runs) > 1:
                order = np.argsort(hashes)
                hashes, places, hidden = hashes[order], places[order], hidden[order]
            common = _common(work, [slice(cuts[number], cuts[number + 1]) for cuts in background_cuts])
            earlier = before[before_cut[number] : before_cut[number + 1]]
            common = np.unique(np.concatenate([common, earlier, work.commons[commons_cut[number] : commons_cut[number + 1]]]))
            out_hashes, out_places, gone = (np.empty(len(hashes), np.uint64) for _ in range(3))
            count, new, dropped = _grouped(hashes, places, hidden, _NOWHERE, KEPT, common, short, out_hashes, out_places, gone)
            files["hashes"].write(out_hashes[:count].tobytes())
            files["places"].write(out_places[:count].tobytes())
            kept = np.union1d(gone[:dropped], earlier)
            files["dropped"].write(kept.tobytes())
            distinct, written = distinct + new, written + count
    mapped = {name: np.memmap(path, np.uint64, "r") if path.stat().st_size else np.empty(0, np.uint64) for name, path in paths.items()}
    _write_filters(writer, mapped["hashes"], distinct)
    for name in ("hashes", "places", "dropped"):
        writer.section(name, _blocks(mapped[name]))
    return {"fingerprints": distinct, "places": written, "dropped": len(mapped["dropped"])}


def _blocks(array: Array, size: int = 1 << 20) -> Iterator[Array]:
    for at in range(0, len(array), size):
        yield np.asarray(array[at : at + size])


def _write_filters(writer: _Writer, hashes: Array, distinct: int) -> None:
    bits = max(1, (distinct // 4).bit_length() - 1)
    bloom, prefix = np.zeros(max(1, distinct * _BITS // 64), np.uint64), np.zeros((1 << bits) + 1, np.uint64)
    for block in _blocks(hashes):
        _filled(block, bloom)
        _prefixed(block, np.uint64(64 - bits), prefix)
    writer.section("bloom", [bloom])
    writer.section("prefix", [np.cumsum(prefix, dtype=np.uint64)])


def _renumbered(run: Run, inside: slice, numbers: Array) -> Array:
    places = np.asarray(run.places[inside]) & _PLACE
    rows = numbers[(places >> _16).astype(np.int64)]
    moved = rows.astype(np.uint64) << _16 | places & _POSITION
    moved[rows < 0] = _NOWHERE
    return moved


def _hidden(run: Run, inside: slice) -> Array:
    size = inside.stop - inside.start
    return np.zeros(size, np.uint16) if run.hidden is None else np.asarray(run.hidden[inside])


def _common(work: Work, inside: Sequence[slice]) -> Array:
    """Fingerprints of this range that the background has often enough."""
    if not work.background:
        return np.empty(0, np.uint64)
    hashes = np.concatenate([run[0][part] for run, part in zip(work.background, inside, strict=True)])
    numbers = np.concatenate([run[1][part] for run, part in zip(work.background, inside, strict=True)])
    order = np.lexsort((numbers, hashes))
    out = np.empty(len(hashes), np.uint64)
    count = _frequent(hashes[order], numbers[order], work.notes["common"], out)
    return out[:count]
