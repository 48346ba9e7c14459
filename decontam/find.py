"""Find: which records held a value, for requests for erasure and access; from the findings of a run, without any text.

It takes the key that the run had: findings know values by their keyed hashes alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from decontam import finished, tables
from decontam.errors import InputError
from decontam.folders import Folder
from decontam.keys import Key
from decontam.redaction import hash_of
from decontam.tally import OUTCOME
from decontam.types import Action

_TABLE = ".parquet"


def opened(out: str, key: Key) -> tuple[Folder, dict[str, Any]]:
    """The output of a run, and its manifest. Raises InputError where it is none, or one that this key knows nothing of."""
    folder, about = finished.opened(out)
    if not about.get("key"):
        raise InputError(f"{out}: that run had no policy.key, so its findings know no values; run it again with one")
    if about["key"] != key.id:
        raise InputError(f"{out}: that run had the key {about['key']}, this is {key.id}; give the key of the run")
    return folder, about


def found(folder: Folder, values: Iterable[tuple[int, str]], key: Key, kind: str | None = None) -> Iterator[dict[str, Any]]:
    """A row for each finding of one of the values, which come with the numbers by which the rows name them.

    `kind` None takes a value for one of any kind. `action` is what the policy did to the record, `outcome` what became of
    it. Raises OSError where a table cannot be read.
    """
    values = list(values)
    known: dict[str, dict[str, list[int]]] = {}  # kind -> what `_hashes` says
    for name in sorted(name for name in folder.names("findings") if name.endswith(_TABLE)):
        for rows in tables.read(folder, f"findings/{name}"):
            for row in rows:
                for finding in row["findings"]:
                    its = finding["kind"]
                    if kind not in {None, its}:
                        continue
                    if its not in known:
                        known[its] = _hashes(its, values, key)
                    for number in known[its].get(json.loads(finding["detail"]).get("value", ""), ()):
                        yield _row(name.removesuffix(_TABLE), row, finding, number)


def _hashes(kind: str, values: list[tuple[int, str]], key: Key) -> dict[str, list[int]]:
    """The numbers of the values by the hashes that they have as values of a kind."""
    numbers: dict[str, list[int]] = {}
    for number, value in values:
        numbers.setdefault(hash_of(kind, value, key), []).append(number)
    return numbers


def _row(shard: str, row: dict[str, Any], finding: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "line": number,
        "shard": shard,
        "row": row["row"],
        "id": row["id"],
        "rule": f"{finding['stage']}/{finding['rule']}",
        "kind": finding["kind"],
        "field": finding["field"],
        "start": finding["start"],
        "end": finding["end"],
        "action": row["action"],
        "outcome": OUTCOME[Action[row["action"].upper()]],
    }
