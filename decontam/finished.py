"""Finished: the output of a run that has ended, as those find it who ask later."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from decontam import manifest, tables
from decontam.codecs import describe
from decontam.config import Config, check
from decontam.errors import ConfigError, InputError
from decontam.folders import Folder

_TABLE = ".parquet"


class Finished(NamedTuple):
    """Where a run wrote, and its manifest."""

    folder: Folder
    about: dict[str, Any]

    @property
    def config(self) -> Config:
        """The config that the run had. Raises InputError where this version of the code does not know it."""
        try:
            return check(self.about["config"], f"{self.folder.root}: the config of that run")
        except ConfigError as error:
            raise InputError(f"{error}; use the version of decontam that ran, {self.about.get('decontam')}") from None

    def shards(self, kind: str) -> list[str]:
        """The names of the shards that have a table of a kind, `findings` or `quarantine`."""
        names = (name for name in self.folder.names(kind) if name.endswith(_TABLE) and not name.startswith(".parts/"))
        return sorted(name.removesuffix(_TABLE) for name in names)

    def removed(self, shard: str) -> list[int]:
        """The rows of a shard that no kept shard holds, in order. Raises OSError."""
        taken = {"quarantine", "drop"}
        rows = {row for found in tables.read(self.folder, f"findings/{shard}.parquet") for row in found_rows(found, taken)}
        return sorted(rows | {error["row"] for error in self.errors(shard)})

    def errors(self, shard: str) -> Iterator[dict[str, Any]]:
        """What is told of the records of a shard that could not be screened."""
        rest = b""
        for block in self.folder.blocks(f"errors/{shard}.jsonl"):
            *lines, rest = (rest + block).split(b"\n")
            yield from map(orjson.loads, lines)


def found_rows(rows: Iterable[Mapping[str, Any]], actions: Collection[str]) -> Iterator[int]:
    """The numbers of rows of findings of which one of some actions came."""
    return (row["row"] for row in rows if row["action"] in actions)


def folder_of(out: str, about: dict[str, Any]) -> Folder:
    """The folder of a run, quarantine where its manifest says that it lies."""
    place = about.get("config", {}).get("output", {}).get("quarantine")
    return Folder(out, {"quarantine": place} if place else None)


def opened(out: str) -> Finished:
    """The output of a run. Raises InputError where there is none, or where its manifest cannot be read."""
    try:
        content = Folder(out).read(manifest.NAME)
    except OSError as error:
        raise InputError(f"{out}: {describe(error)}") from None
    if content is None:
        raise InputError(f"{out}: no {manifest.NAME}; name the --out folder or URL of a run")
    try:
        about = orjson.loads(content)
        return Finished(folder_of(out, about), about)
    except (orjson.JSONDecodeError, TypeError, AttributeError):
        raise InputError(f"{out}/{manifest.NAME}: not the manifest of a run; it was changed or cut off") from None
