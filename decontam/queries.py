"""Queries: DuckDB over the Parquet tables of runs. The one door to it; everybody else writes SQL and gets rows.

DuckDB comes with the extra `review`. It loads no extensions here and reads nothing but the tables that it is given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from decontam.codecs import CODECS
from decontam.errors import InputError
from decontam.files import store_of
from decontam.folders import Folder

_TABLE = ".parquet"
_PATTERN = re.compile(r"[*?[]")
_NUMBERS = re.compile(r"[-_.]*\d[\d_.-]*(?:of[-_.]?\d+)?")

Connection = Any
"""A DuckDB connection; a cursor of one is its own connection to the same tables, for another thread."""


def connected(threads: int | None = None) -> Connection:
    """A database in memory. Raises InputError where DuckDB is not installed."""
    try:
        import duckdb
    except ImportError:
        raise InputError("this needs DuckDB; install decontam[review]") from None
    options: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    if threads:
        options["threads"] = threads
    return duckdb.connect(config=options)


def tables_in(folder: Folder, manifest: Mapping[str, Any], kind: str) -> list[str]:
    """The shards of a run that have a table of a kind (`findings`, `quarantine`), in order. Others may have tables there, too."""
    shards = set(manifest["shards"])
    names = (name.removesuffix(_TABLE) for name in folder.names(kind) if name.endswith(_TABLE))
    return sorted(shards.intersection(names))


def paths_of(connection: Connection, folder: Folder, kind: str, shards: Sequence[str]) -> list[str]:
    """Where the tables of shards are, as DuckDB may be given them: it would take a name with * or [ in it for a pattern."""
    paths = [_PATTERN.sub(r"[\g<0>]", folder.path(f"{kind}/{shard}{_TABLE}")) for shard in shards]
    if paths and "://" in paths[0]:
        fs, _ = store_of(paths[0])
        connection.register_filesystem(fs)
    return paths


def run(connection: Connection, query: str, given: dict[str, Any]) -> Connection:
    """Run a query on tables. Raises InputError where one of them cannot be read."""
    import duckdb

    try:
        return connection.execute(query, given)
    except duckdb.Error as error:
        raise InputError(f"a table cannot be read: {_said(error)}") from None


def columns_of(connection: Connection, paths: Sequence[str]) -> set[str]:
    """The columns of tables; those of an earlier version lack some. Raises InputError where one cannot be read."""
    described = run(connection, "describe select * from read_parquet($paths)", {"paths": list(paths)}).fetchall()
    return {name for name, *_ in described}


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def source_of(shard: str) -> str:
    """The source that a shard belongs to, for those who count by source: its folder, or its name without numbers.

    >>> source_of("CC-MAIN-2026-10/part-00001.jsonl.zst"), source_of("web-00001-of-00010.jsonl.gz"), source_of("0001.parquet")
    ('CC-MAIN-2026-10', 'web', '(all)')
    """
    path = PurePosixPath(shard)
    if path.parent.name:
        return str(path.parent)
    stem = path.name
    for codec in CODECS:
        stem = stem.removesuffix(codec)
    return _NUMBERS.sub("", PurePosixPath(stem).stem).strip("-_. ") or "(all)"
