"""What a shard becomes: the kept shard, errors, quarantine, findings; each appears whole or not at all."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import orjson

from decontam import tables
from decontam.blocks import Block
from decontam.codecs import BLOCK
from decontam.files import Digesting
from decontam.folders import Folder
from decontam.inputs import Shard
from decontam.layout import Place, Unreadable
from decontam.shards import Content, RecordWriter
from decontam.sites import Pages
from decontam.types import PROVENANCE, Record, Verdict

_SPILL = 16 << 20  # bytes of a record above which it gets a file of its own in errors

Again = Callable[[], AbstractContextManager[Content]]
"""Opens a shard once more, to read what has gone by."""


@dataclass(frozen=True)
class Names:
    """What the outputs of a shard are called, or those of a part of it."""

    kept: str
    dropped: str
    errors: str
    findings: str
    quarantine: str
    sites: str


def names_of(shard: str) -> Names:
    """Where the outputs of a shard end up."""
    return Names(
        f"kept/{shard}",
        f"dropped/{shard}.parquet",
        f"errors/{shard}.jsonl",
        f"findings/{shard}.parquet",
        f"quarantine/{shard}.parquet",
        f"sites/{shard}.parquet",
    )


def part_names(shard: str, number: int) -> Names:
    """Where those of one part wait for the others. `kept` is what has changed."""
    part = f"parts/{shard}/{number}"
    secluded = f"quarantine/.parts/{shard}/{number}.parquet"
    return Names(f"{part}.changes", "", f"{part}.errors", f"{part}.findings", secluded, f"{part}.sites")


def about(name: str, digest: Digesting | None, rows: int, blocks: Sequence[Block] = ()) -> dict[str, dict[str, Any]]:
    """Name, size, digest, rows and blocks of a file that was published; nothing for one that was not."""
    if digest is None:
        return {}
    told = {"size": digest.size, "sha256": digest.sha256(), "rows": rows}
    return {name: {**told, "blocks": [list(block) for block in blocks]} if blocks else told}


class Keeping(Protocol):
    """What is told, record by record, what to keep."""

    def keep(self, raw: Any) -> None:
        """A record that stays as it is."""

    def change(self, row: int, outcome: str, raw: Any = None) -> None:
        """A record that is taken out, or replaced by another one."""


class Kept:
    """The kept shard: every record (`all`), only if one changed (`changed`), or the rows to drop instead (`none`).

    A shard whose bytes cannot be made again by writing it is written only if a record changed; else it is copied.
    """

    def __init__(self, stack: ExitStack, folder: Folder, shard: Shard, content: Content, again: Again, mode: str, zstd_level: int) -> None:
        self._stack, self._folder, self._shard, self._level = stack, folder, shard, zstd_level
        self._content, self._again = content, again
        self._none = mode == "none"
        self._lazy = not self._none and (mode == "changed" or content.lazy)
        self._writer: RecordWriter | None = None
        self.digest: Digesting | None = None
        self.rows = 0
        self.name = f"kept/{shard.name}"
        self._rows = stack.enter_context(tables.Table(folder, f"dropped/{shard.name}.parquet", tables.dropped_schema))
        self._passed = 0  # records that went by unchanged, while nothing is written
        self._blank: list[Any] = []  # blank lines ahead of the first line that is written
        self._gone = False  # the last record was taken out

    def keep(self, raw: Any) -> None:
        self._gone = False
        if self._none:
            return
        if self._writer is None:
            if self._lazy:
                self._passed += 1
                return
            if raw == b"":
                self._blank.append(raw)
                return
        self._writing().write(raw)

    def change(self, row: int, outcome: str, raw: Any = None) -> None:
        self._gone = raw is None
        if self._none:
            self._rows.add({"row": row, "outcome": outcome})
            return
        if raw is not None or self._lazy:
            writer = self._writing()
            if raw is not None:
                writer.write(raw)

    def _writing(self) -> RecordWriter:
        if self._writer is None:
            # Parquet begins to write at once; what cannot be written again must show before that.
            self.digest = self._stack.enter_context(self._folder.publishing(self.name))
            self._writer = self._content.writer(self.digest, self.name, self._level)
            for raw in self._blank or self._gone_by():
                self._writer.write(raw)
        return self._writer

    def _gone_by(self) -> Iterator[Any]:
        """Nothing had changed so far; what went by is read again."""
        if self._passed:
            with self._again() as content:
                yield from (place.raw for place in islice(content.places(lambda position: True), self._passed))

    def wants(self, changed: bool) -> bool:
        """Whether the records that stay as they are need to be told, where some others have `changed` or none."""
        return not self._none and (changed or not self._lazy)

    def finish(self, rows: int, cut: bool) -> None:
        """`rows` were kept in all. `cut`: the shard was not read to its end."""
        self.rows = rows
        if cut and self._lazy and self._passed:
            self._writing()
        if self._writer is not None:
            if self._content.format == "jsonl" and (self._gone or cut):
                self._writer.write(b"")  # the last line that stays ends with a newline, as it did
            self._writer.close()

    def outputs(self, source: Content) -> dict[str, dict[str, Any]]:
        """What was written, once everything is published; `source` is the shard, read to its end."""
        if self._lazy and self._writer is None and self.rows:
            self._folder.link_or_copy(self._shard.path, self.name)
            return {self.name: {"sha256": source.sha256(), "size": source.size, "rows": self.rows}}
        blocks = self._writer.blocks() if self._writer is not None else ()
        return {**about(self.name, self.digest, self.rows, blocks), **table_output(self._rows)}


class Changes:
    """What becomes of the records of a part that do not stay as they are, to be told to Kept at the end."""

    def __init__(self, stack: ExitStack, folder: Folder, name: str, content: Content) -> None:
        self._table = stack.enter_context(tables.Table(folder, name, tables.changes_schema, private=True))
        self._content = content

    def keep(self, raw: Any) -> None:
        pass

    def change(self, row: int, outcome: str, raw: Any = None) -> None:
        held = None if raw is None else self._content.held(raw)
        self._table.add({"row": row, "outcome": outcome, "record": held})


def table_output(table: tables.Table) -> dict[str, dict[str, Any]]:
    """What there is to say of a table."""
    return about(table.name, table.digest, table.rows, table.blocks)


class ErrorLog:
    """The records that could not be screened, with their raw bytes; made by the first of them.

    `final` is what the log will be called in the end.
    """

    def __init__(self, stack: ExitStack, folder: Folder, name: str, final: str) -> None:
        self._stack, self._folder = stack, folder
        self.name, self._final = name, final
        self._spilled: dict[str, dict[str, Any]] = {}
        self.digest: Digesting | None = None
        self.rows = 0

    def add(self, source: str, place: Place, problem: Unreadable, content: Content) -> None:
        entry = {"source": source, "row": place.row, "offset": place.offset, "reason": problem.reason, "message": problem.message}
        held = content.held(place.raw)
        if not isinstance(held, bytes) or len(held) > _SPILL:
            entry["raw_file"] = self._spill(place.row, held)
        elif content.format == "jsonl":
            with suppress(UnicodeDecodeError):
                entry["raw"] = held.decode()
        else:
            entry["format"] = content.format
        if "raw" not in entry and "raw_file" not in entry:
            entry["raw_base64"] = base64.b64encode(held).decode()  # type: ignore[arg-type]
        self.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE), 1)

    def write(self, entries: bytes, rows: int) -> None:
        """Add entries that were written before."""
        if self.digest is None:
            self.digest = self._stack.enter_context(self._folder.publishing(self.name, private=True))
        self.digest.write(entries)
        self.rows += rows

    def _spill(self, row: int, held: Any) -> str:
        """A record too long for memory gets a file of its own."""
        name = f"{self.name}.row{row}"
        with self._folder.publishing(name, private=True) as file:
            if isinstance(held, bytes):
                file.write(held)
            else:
                while block := held.read(BLOCK):
                    file.write(block)
        self._spilled |= about(name, file, 1)
        return f"{self._final}.row{row}"

    def take(self, name: str) -> None:
        """Move a file that a part has spilled to where it stays."""
        final = self._final + name[name.rindex(".row") :]
        with self._folder.publishing(final, private=True) as file:
            for block in self._folder.blocks(name):
                file.write(block)
        self._spilled |= about(final, file, 1)

    def outputs(self) -> dict[str, dict[str, Any]]:
        return {**about(self.name, self.digest, self.rows), **self._spilled}

    @property
    def spilled(self) -> list[str]:
        """Names of the files that hold what was too long for memory."""
        return sorted(self._spilled)


def _row(place: Place, record: Record, verdict: Verdict) -> dict[str, Any]:
    texts = [text for _, text, role in record.fields if role != PROVENANCE]
    return tables.findings_row(record.id, place.row, verdict, texts, place.size)


class Outputs:
    """Where the records of a shard, or of a part of it, go."""

    def __init__(self, stack: ExitStack, folder: Folder, shard: str, names: Names, content: Content, kept: Keeping) -> None:
        self._shard, self._content, self.kept = shard, content, kept
        self.errors = ErrorLog(stack, folder, names.errors, names_of(shard).errors)
        self.findings = stack.enter_context(tables.Table(folder, names.findings, tables.findings_schema))
        self.quarantine = stack.enter_context(tables.Table(folder, names.quarantine, tables.quarantine_schema, private=True))
        self._sites = stack.enter_context(tables.Table(folder, names.sites, tables.sites_schema))
        self.pages = Pages()

    def error(self, place: Place, problem: Unreadable) -> None:
        """A record that could not be screened."""
        self.errors.add(self._shard, place, problem, self._content)
        self.kept.change(place.row, "errored")

    def found(self, place: Place, record: Record, verdict: Verdict) -> None:
        """A record with findings."""
        self.findings.add(_row(place, record, verdict))

    def seclude(self, place: Place, record: Record, verdict: Verdict, raw: Any) -> None:
        """A record to quarantine, with what is to be held of it."""
        held = None if raw is None else self._content.held(raw)
        row = {
            **_row(place, record, verdict),
            "source": self._shard,
            "offset": place.offset,
            "record": held,
            "exact": raw is place.raw,
            "format": self._content.format,
        }
        self.quarantine.add(row)

    def finish(self) -> None:
        """Everything has been told."""
        for row in self.pages.rows():
            self._sites.add(row)

    def outputs(self) -> dict[str, dict[str, Any]]:
        """What was written but for what is kept, once everything is published."""
        return {**self.errors.outputs(), **table_output(self.findings), **table_output(self.quarantine), **table_output(self._sites)}
