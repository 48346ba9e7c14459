"""Census: the sites of one run or many, from the tables that their shards left; and the list of those that are to be blocked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from decontam import manifest, tables
from decontam.errors import InputError
from decontam.folders import Folder
from decontam.sites import Reference, Site, judge

_TABLE = ".parquet"


def opened(outs: Iterable[str]) -> tuple[Folder, ...]:
    """The outputs of runs. Raises InputError where one is none, or where two of them have a shard of one name: a page would count twice."""
    folders = []
    for out in outs:
        folder = Folder(out)
        try:
            content = folder.read(manifest.NAME)
        except OSError as error:
            raise InputError(f"{out}: {error.strerror or error}") from None
        if content is None:
            raise InputError(f"{out}: no {manifest.NAME}; name the --out folder or URL of a run")
        if json.loads(content)["state"] == "running":
            raise InputError(f"{out}: the run is not done; finish it first")
        if any(folder.root == other.root for other in folders):
            raise InputError(f"{out} is named twice")
        folders.append(folder)
    return tuple(folders)


def surveyed(folders: Iterable[Folder], reference: Reference, fpr: float) -> Iterator[Site]:
    """Every site, in order of its name, with what all pages of it say together."""
    places = [(folder, f"sites/{name}") for folder in folders for name in sorted(folder.names("sites")) if name.endswith(_TABLE)]
    rows = (row for batch in tables.summed(places) for row in batch)
    for site, its in groupby(rows, lambda row: row["site"]):
        yield judge(site, Counter({(row["language"], row["bin"]): row["pages"] for row in its}), reference, fpr)


def as_row(site: Site) -> dict[str, Any]:
    """A site as plain values, numbers rounded to what they can bear."""
    rounded = {name: round(value, 4) for name, value in site._asdict().items() if isinstance(value, float)}
    return {**site._asdict(), **rounded}
