"""Shards: files of records, of whatever format; one way to read them, and one to write what is kept of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Protocol

from decontam.blocks import Block
from decontam.codecs import CODECS
from decontam.files import Head, Source
from decontam.jsonl import Lines
from decontam.layout import Layout, Place, Unreadable
from decontam.types import Record, Redaction

LINES = (".jsonl", ".ndjson", ".json")
TABLES = (".parquet",)
NO_SHARD = f"not {', '.join(LINES)} (maybe with {', '.join(CODECS)}) or {', '.join(TABLES)}"


def is_shard(name: str) -> bool:
    """
    >>> is_shard("a.jsonl.zst"), is_shard("a.parquet"), is_shard(".hidden.jsonl"), is_shard("a.parquet.gz")
    (True, True, False, False)
    """
    base = os.path.basename(name).lower()
    stem = next((base.removesuffix(codec) for codec in CODECS if base.endswith(codec)), base)
    return (stem.endswith(LINES) or base.endswith(TABLES)) and not base.startswith((".", "_"))


class RecordWriter(Protocol):
    """Writes raw records, of the format that they were read from."""

    def write(self, raw: Any) -> None: ...

    def close(self) -> None: ...

    def blocks(self) -> list[Block]:
        """Those of what was written, once it is closed."""


class Content(Protocol):
    """What a shard holds.

    `lazy`: an untouched shard is copied as bytes, since writing it again would not give the same bytes. `reencoded` says
    what else would differ.
    """

    format: str
    lazy: bool
    reencoded: tuple[str, ...]

    def places(self, wanted: Callable[[int], bool]) -> Iterator[Place]:
        """Every record in order, but perhaps for those whose position is not wanted. Raises ShardError."""

    def read(self, place: Place) -> Record | Unreadable | None:
        """What a place holds; nothing if it is blank."""

    def whole(self, place: Place) -> dict[str, Any] | Unreadable | None:
        """Everything that a place holds, for hosts who want more than texts; nothing if it is blank."""

    def line(self, place: Place) -> bytes | Unreadable:
        """A record as a line of JSON, for those who take nothing else."""

    def value(self, place: Place) -> Any:
        """A record as parsed, None where it cannot be."""

    def unscreened(self, place: Place) -> set[str]:
        """Paths of strings that are not looked at."""

    def redact(self, place: Place, redactions: tuple[Redaction, ...]) -> Any:
        """The raw record with redactions made; None where that cannot be done without changing anything else."""

    def held(self, raw: Any) -> bytes | IO[bytes]:
        """A raw record for safekeeping."""

    def restored(self, held: bytes, place: Place) -> Any:
        """The raw record that was held, to be written in a place."""

    def writer(self, raw: Any, name: str, zstd_level: int) -> RecordWriter:
        """Writes to a shard of this format. Raises ShardError where it could not be written again as it was."""

    @property
    def size(self) -> int:
        """Bytes of the file read so far."""

    def sha256(self) -> str:
        """Of the file, once it was read to the end."""


@contextmanager
def opened(path: str, layout: Layout, name: str, most: int, head: int | None = None) -> Iterator[Content]:
    """The content of a shard. `most` is in bytes of a record. Raises ShardError.

    Of lines, no more than the first `head` bytes are read; the last one may be cut.
    """
    if path.lower().endswith(TABLES):
        from decontam.parquet import rows_of

        with rows_of(path, layout, name, most) as rows:
            yield rows
    else:
        with Source(path) as source:
            yield Lines(source if head is None else Head(source, head), layout, name, most, source)
