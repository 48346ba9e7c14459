"""Indexes: one file for each set of known texts, which all workers map into memory and none reads as a whole.

A file is a head, sections of plain arrays, and a description in JSON, whose digest the head names and which names the digest
of each section. It holds fingerprints, where they stand, eight salted bits for each word, and who said what when: no text.

    bloom       uint64    a blocked Bloom filter, one word of 64 bits a block: most shingles of most texts end here
    prefix      uint64    where the fingerprints begin whose leading bits are 0, 1, 2, ...; one more for the end
    hashes      uint64    fingerprints, sorted; one for each place
    places      uint64    1 bit: in a short text; 15 bits: in how many texts; 32 bits: the row of one of them; 16 bits: the unit in it
    dropped     uint64    fingerprints of common text, sorted: they do not count, and will not after a merge
    rows        ROW       one for each reference, in the order of their sources
    tags        uint8     eight bits for each unit of each text
    about       uint8     id and time of each reference, as JSON
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from decontam import cache
from decontam.errors import ArtefactError
from decontam.shingles import Array, normaliser
from decontam.tokens import READING

MAGIC = b"decontam.index\r\n"  # a transfer in text mode would break it
VERSION = 1
HEAD = struct.Struct("<16sQQQ32s")  # magic, version, offset and size of the description, its SHA-256
ALIGNED = 64
SUFFIX = ".idx"
ROW = np.dtype(
    [
        ("tags", "<u8"), ("about", "<u8"), ("digest", "<u8"), ("exact", "<u8"), ("start", "<u8"), ("end", "<u8"),
        ("units", "<u4"), ("worth", "<u4"), ("source", "<u4"), ("label", "<u4"), ("first", "<u4"), ("about_size", "<u4"),
        ("copies", "<u4"), ("piece", "<u4"),
    ]
)  # fmt: skip
DTYPES: dict[str, Any] = {
    "bloom": "<u8",
    "prefix": "<u8",
    "hashes": "<u8",
    "places": "<u8",
    "dropped": "<u8",
    "rows": ROW,
    "tags": "<u1",
    "about": "<u1",
}
UNITS = 1 << 16
"""Units in a row; a longer text has several."""

KEPT = 8
"""Places that are kept of a fingerprint that many texts share: those in the last of them, in the order of their sources."""

_AGAIN = "build it again"


class Known(NamedTuple):
    """Who said a known text, and where it stands."""

    id: str
    source: str
    start: int
    end: int
    part: str
    provider: str | None
    model: str | None
    time: str | None
    copies: int


@dataclass(frozen=True, eq=False)
class Index:
    """An open index. Its arrays are views of the file, which is read where it is touched."""

    path: str
    name: str
    digest: str
    """SHA-256 of the description, which names the digests of all else."""
    about: Mapping[str, Any]
    arrays: Mapping[str, Array]

    @property
    def key(self) -> str | None:
        """The id of the key that it was built with."""
        return self.about["key"]

    @cached_property
    def columns(self) -> tuple[Array, Array, Array]:
        """What alignment needs of each row: where its tags begin, how many there are, and its digest."""
        rows = self["rows"]
        return rows["tags"], rows["units"], rows["digest"]

    def __getitem__(self, section: str) -> Array:
        return self.arrays[section]

    def known(self, row: int) -> Known:
        """What there is to say of a row. A text that is there several times is the first of them."""
        given = self["rows"][row]
        id, time = orjson.loads(self["about"][int(given["about"]) : int(given["about"]) + int(given["about_size"])].tobytes())
        part, provider, model = self.about["labels"][int(given["label"])]
        source = self.about["sources"][int(given["source"])]["name"]
        return Known(id, source, int(given["start"]), int(given["end"]), part, provider, model, time, int(given["copies"]))


def name_of(path: str) -> str:
    """The name of an index: that of its file, without the suffix.

    >>> name_of("indexes/logs-2026-10.idx")
    'logs-2026-10'
    """
    return Path(path).name.removesuffix(SUFFIX)


def described(path: str) -> tuple[dict[str, Any], str]:
    """The description of an index and its digest. Raises ArtefactError where the file is no index, or not a whole one of this version."""
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            head = file.read(HEAD.size)
            if len(head) < HEAD.size or not head.startswith(MAGIC):
                what = "is empty or was cut off" if MAGIC.startswith(head[: len(MAGIC)]) else "is not an index of decontam"
                raise ArtefactError(f"{path}: {what}; name a file that `decontam index build` made")
            _, version, at, length, digest = HEAD.unpack(head)
            if version != VERSION:
                raise ArtefactError(f"{path}: is an index of version {version}, this decontam reads version {VERSION}; {_AGAIN}")
            if at + length != size:
                cut = "was cut off" if at + length > size else "has something behind its end"
                raise ArtefactError(f"{path}: {cut}: {size:,} bytes instead of {at + length:,}; copy it again, or {_AGAIN}")
            file.seek(at)
            content = file.read(length)
    except OSError as error:
        raise ArtefactError(f"{path}: {error.strerror}; name an index that `decontam index build` made") from None
    if hashlib.sha256(content).digest() != digest:
        raise ArtefactError(f"{path}: is corrupt: its description is not what it was; copy it again, or {_AGAIN}")
    return orjson.loads(content), digest.hex()


def _fits(path: str, about: Mapping[str, Any]) -> None:
    if about["reading"] != READING:
        raise ArtefactError(f"{path}: was built with reading {about['reading']} of words, this decontam has reading {READING}; {_AGAIN}")
    if about["normaliser"] != normaliser():
        raise ArtefactError(f"{path}: was built with another normaliser ({about['normaliser']}, not {normaliser()}); {_AGAIN}")


def opened(path: str) -> Index:
    """Map an index into memory, which takes milliseconds; whether its content is whole is looked at once for each file (`verified`).

    Raises ArtefactError, which says why, where it cannot be used.
    """
    about, digest = described(path)
    _fits(path, about)
    with Path(path).open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    arrays = {
        name: np.frombuffer(mapped, DTYPES[name], section["size"] // np.dtype(DTYPES[name]).itemsize, section["offset"])
        for name, section in about["sections"].items()
    }
    return Index(path, name_of(path), digest, about, arrays)


def raw(array: Array) -> Any:
    """The bytes of an array, without a copy."""
    return array.view(np.uint8).data if len(array) else b""


def broken(index: Index) -> list[str]:
    """The sections that are not what they were when the index was built. Reads all of it."""
    return [name for name, section in index.about["sections"].items() if hashlib.sha256(raw(index[name])).hexdigest() != section["sha256"]]


@lru_cache(maxsize=64)
def _verified(path: str, digest: str, size: int, changed: int) -> Index:
    index = opened(path)

    def look() -> bytes:
        if bad := broken(index):
            raise ArtefactError(f"{path}: is corrupt: {', '.join(bad)} changed since it was built; copy it again, or {_AGAIN}")
        return b"whole"

    cache.cached(f"index-{cache.key_of(str(Path(path).resolve()), digest, str(size), str(changed))}", look)
    return index


def verified(path: str) -> Index:
    """Open an index whose content is known to be whole: all of it is read when this machine sees the file for the first time.

    Raises ArtefactError.
    """
    _, digest = described(path)
    stat = Path(path).stat()
    return _verified(path, digest, stat.st_size, stat.st_mtime_ns)
