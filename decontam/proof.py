"""Proof: one digest for all that a run read, wrote and was.

What is hashed, so that anybody can do it again (all digests are SHA-256, in hexadecimal; canonical JSON has sorted keys, no
spaces, and UTF-8 as it is):

* A leaf stands for a file of a shard: `input`, `kept`, `dropped`, `errors`, `findings`, `quarantine`, `tally`. Its hash is that of
  the byte 00 and the canonical JSON of its kind, shard, name, sha256, size, rows and blocks; `path`, where it lies, is not hashed. The
  `sha256` of a file is that of its bytes as stored; that of an input screened with a limit is null, since it was not read to its end.
  `blocks` (see `decontam.blocks`) place a change and prove nothing by themselves.
* Leaves are ordered by shard, then kind in the order above, then name. Their root is the Merkle tree hash of RFC 6962: a node is the hash
  of the byte 01 and the hashes of its two sides; the left side holds the largest power of two of leaves that is less than all.
* The statement (`proof/proof.json`) holds the number of leaves, their `root`, and `content`: the root without tallies and inputs, which is
  the same for whoever does the run again with the same code. Also the digests of `proof/leaves.parquet`, `manifest.json`, `report.json` and
  `metrics.prom` as stored; those of the canonical JSON of config, rules, packs, models, indexes and code of the manifest; and `parent`, the
  run digest of the run whose kept shards were the input of this one, or null.
* The run digest, `run`, is that of the canonical JSON of the statement without `run`.

Whoever may write to the output can make all of it anew; what cannot be made anew is a run digest that was noted elsewhere, and a signature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from decontam import manifest, tables
from decontam.errors import InputError
from decontam.files import is_remote
from decontam.folders import Folder

SCHEMA = 1
NAME = "proof/proof.json"
LEAVES = "proof/leaves.parquet"
KINDS = ("input", "kept", "dropped", "errors", "findings", "quarantine", "sites", "tally")
FILES = (manifest.NAME, "report.json", "metrics.prom")
PARTS = ("config", "rules", "packs", "models", "indexes", "code")
"""Parts of the manifest that have digests of their own in the statement."""

_HASHED = ("kind", "shard", "name", "sha256", "size", "rows", "blocks")


def canonical(value: Any) -> bytes:
    """
    >>> canonical({"b": 1, "a": ["é", None]}).decode()
    '{"a":["é",null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def digest_of(value: Any) -> str:
    """The SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def leaves_of(result: Mapping[str, Any], elsewhere: Callable[[str], str | None] = lambda name: None) -> Iterator[dict[str, Any]]:
    """The leaves of one shard, in order, from its result. `elsewhere` knows the paths of outputs that do not lie below OUT."""
    given = result["input"]
    shard = given["name"]
    path = given["path"] if is_remote(given["path"]) else str(Path(given["path"]).absolute())
    tally = {**result["stored"], "rows": given["rows"]}
    found = [_leaf("input", shard, shard, {**given, "path": path}), _leaf("tally", shard, f"tallies/{shard}.json", tally)]
    for name, output in result["outputs"].items():
        found.append(_leaf(name.partition("/")[0], shard, name, {**output, "path": elsewhere(name)}))
    return iter(sorted(found, key=order))


def _leaf(kind: str, shard: str, name: str, about: Mapping[str, Any]) -> dict[str, Any]:
    blocks = [dict(zip(("rows", "size", "digest"), block, strict=True)) for block in about.get("blocks", ())]
    told = {key: about.get(key) for key in ("path", "sha256", "size", "rows")}
    return {"kind": kind, "shard": shard, "name": name, **told, "blocks": blocks}


def order(leaf: Mapping[str, Any]) -> tuple[str, int, str]:
    """By shard, kind and name."""
    return leaf["shard"], KINDS.index(leaf["kind"]), leaf["name"]


def leaf_hash(leaf: Mapping[str, Any]) -> bytes:
    """The hash of a leaf, 32 bytes."""
    return hashlib.sha256(b"\0" + canonical({key: leaf[key] for key in _HASHED})).digest()


class Root:
    """The root of leaves that come one after the other; it holds no more than one hash for each level of the tree.

    >>> root = Root()
    >>> root.digest() == hashlib.sha256(b"").hexdigest()
    True
    """

    def __init__(self) -> None:
        self.count = 0
        self._sides: list[bytes] = []  # roots of full trees, the largest first

    def add(self, hashed: bytes) -> None:
        self._sides.append(hashed)
        self.count += 1
        trees = self.count
        while trees % 2 == 0:
            right, left = self._sides.pop(), self._sides.pop()
            self._sides.append(_node(left, right))
            trees //= 2

    def digest(self) -> str:
        if not self._sides:
            return hashlib.sha256(b"").hexdigest()
        *others, root = self._sides
        for left in reversed(others):
            root = _node(left, root)
        return root.hex()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Roots:
    """The roots of the leaves of a run: of all of them, and of what does not tell of times and places."""

    def __init__(self) -> None:
        self._all, self._content = Root(), Root()

    def add(self, leaf: Mapping[str, Any]) -> None:
        hashed = leaf_hash(leaf)
        self._all.add(hashed)
        if leaf["kind"] not in {"input", "tally"}:
            self._content.add(hashed)

    def told(self) -> dict[str, Any]:
        return {"count": self._all.count, "root": self._all.digest(), "content": self._content.digest()}


def statement(leaves: Mapping[str, Any], files: Mapping[str, str], about: Mapping[str, Any]) -> dict[str, Any]:
    """The statement of a run from its roots, the digests of its files, and its manifest."""
    told = {
        "schema": SCHEMA,
        "leaves": dict(leaves),
        "files": dict(files),
        **{part: digest_of(about.get(part)) for part in PARTS},
        "parent": (about.get("parent") or {}).get("run"),
    }
    return {**told, "run": run_digest(told)}


def run_digest(told: Mapping[str, Any]) -> str:
    """What a statement comes to."""
    return digest_of({key: value for key, value in told.items() if key != "run"})


def write(folder: Folder, results: Iterable[Mapping[str, Any]]) -> str:
    """Write the proof of a run whose manifest and report are there; `results` of its shards, by name. The run digest. Raises OSError."""
    roots = Roots()
    with tables.Table(folder, LEAVES, tables.leaves_schema) as table:
        for result in results:
            for leaf in leaves_of(result, folder.elsewhere):
                roots.add(leaf)
                table.add(leaf)
    files = {name: hashlib.sha256(folder.read(name) or b"").hexdigest() for name in FILES}
    files[LEAVES] = table.digest.sha256() if table.digest else ""
    told = statement(roots.told(), files, json.loads(folder.read(manifest.NAME) or b"{}"))
    with folder.publishing(NAME) as file:
        file.write(orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return str(told["run"])


def read(folder: Folder) -> dict[str, Any] | None:
    """The statement of a run; None where there is none. Raises InputError where it is none."""
    content = folder.read(NAME)
    if content is None:
        return None
    try:
        told = orjson.loads(content)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("run"), str):
        raise InputError(f"{folder.path(NAME)}: not the proof of a run; it was changed or cut off")
    return told


def stands(folder: Folder, told: Mapping[str, Any] | None) -> bool:
    """Whether a statement is about the manifest that is there."""
    if told is None or run_digest(told) != told["run"]:
        return False
    files = told.get("files") or {}
    return all(files.get(name) == hashlib.sha256(folder.read(name) or b"").hexdigest() for name in FILES)
