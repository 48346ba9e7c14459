"""Verify: a run beside its proof. Every file is read again; what changed, is missing, was added or swapped is named, and where.

What was done lawfully since, releases and expiries, is known from the ledger.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from decontam import finished, manifest, proof, signing, tables
from decontam.audit import history
from decontam.audit.files import Leaf, Problem, compared
from decontam.errors import InputError
from decontam.folders import Folder
from decontam.quarantine.verdicts import NAME as VERDICTS
from decontam.tally import Tally

Inputs = Literal["check", "require", "skip"]
_FOLDERS = {
    "kept": "kept",
    "dropped": "dropped",
    "errors": "errors",
    "findings": "findings",
    "quarantine": "quarantine",
    "sites": "sites",
    "tally": "tallies",
}
_AHEAD = 512  # leaves that are looked at together
_OURS = {"proof": {proof.NAME, proof.LEAVES, signing.NAME}}


@dataclass
class Verified:
    """What came of it. `absent` are inputs that are not where they were, which says nothing about the run."""

    run: str | None = None
    state: str | None = None
    files: int = 0
    bytes: int = 0
    absent: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    signatures: list[dict[str, Any]] = field(default_factory=list)
    entries: int = 0
    unsealed: int = 0

    @property
    def ok(self) -> bool:
        return not self.problems

    def told(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {
            "schema": 1,
            "ok": self.ok,
            "run": self.run,
            "state": self.state,
            "files": self.files,
            "bytes": self.bytes,
            "absent_inputs": self.absent,
            "signatures": self.signatures,
            "ledger": {"entries": self.entries, "unsealed_verdicts": self.unsealed},
            "problems": [problem.told() for problem in self.problems],
        }


def verify(out: str, inputs: Inputs = "check", workers: int = 0, digest: str | None = None, public: bytes | None = None,
           verdicts: str | None = None) -> Verified:  # fmt: skip
    """Compare a run with its proof, and with a run `digest` that was noted elsewhere and the `public` key of who signed it.

    Inputs are read where they are still there (`check`), must be there (`require`) or are left alone (`skip`). `verdicts`
    is where the log of verdicts lies, if not in the run. Raises InputError where there is no run.
    """
    folder, about, found = _opened(out)
    done = Verified(problems=found)
    told = _statement(folder, done, digest)
    if told is None:
        return done
    done.run, done.state = told["run"], about.get("state")
    done.problems += _files(folder, told, about)
    log = Path(verdicts) if verdicts else None if folder.remote else Path(folder.path(VERDICTS))
    since = history.read(folder, told["run"], log)
    done.problems += since.problems
    done.entries, done.unsealed = len(since.entries), since.unsealed
    _leaves(folder, told, about, since, inputs, workers or (os.cpu_count() or 1), done)
    _signatures(folder, told["run"], since.digests, public, done)
    return done


def _opened(out: str) -> tuple[Folder, dict[str, Any], list[Problem]]:
    """The folder of a run and its manifest, even where that is gone or broken as long as a proof is there."""
    try:
        run = finished.opened(out)
    except InputError:
        folder = Folder(out)
        if not folder.exists(proof.NAME):
            raise
        there = folder.exists(manifest.NAME)
        why = "cannot be read" if there else "is gone"
        return folder, {}, [Problem("changed" if there else "missing", manifest.NAME, why)]
    return run.folder, run.about, []


def _statement(folder: Folder, done: Verified, digest: str | None) -> dict[str, Any] | None:
    try:
        told = proof.read(folder)
    except InputError:
        done.problems.append(Problem("changed", proof.NAME, "cannot be read"))
        return None
    if told is None:
        done.problems.append(Problem("missing", proof.NAME, "is gone; a run that was finished by this version leaves one"))
        return None
    if proof.run_digest(told) != told["run"] or not isinstance(told.get("leaves"), dict) or not isinstance(told.get("files"), dict):
        done.problems.append(Problem("changed", proof.NAME, "does not come to its own run digest"))
    if digest is not None and digest.lower() != told["run"]:
        done.problems.append(Problem("changed", proof.NAME, f"the run digest is {told['run']}, not {digest}"))
    return told


def _files(folder: Folder, told: dict[str, Any], about: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with the files about the whole run."""
    for name, expected in sorted((told.get("files") or {}).items()):
        content = folder.read(name)
        if content is None and expected:
            if name != manifest.NAME:
                yield Problem("missing", name, "is gone")
        elif hashlib.sha256(content or b"").hexdigest() != expected and (content or expected):
            yield Problem("changed", name, "is not what the run wrote")
    for part in proof.PARTS:
        if about and proof.digest_of(about.get(part)) != told.get(part):
            yield Problem("changed", manifest.NAME, f"tells of other {part} than the proof")


def _leaves(folder: Folder, told: dict[str, Any], about: dict[str, Any], since: history.History, inputs: Inputs, workers: int,
            done: Verified) -> None:  # fmt: skip
    roots = proof.Roots()
    names: dict[str, set[str]] = {kind: set() for kind in _FOLDERS}
    changed: list[Problem] = []
    total = Tally()
    last: Any = None
    with ThreadPoolExecutor(workers) as pool:
        leaves = _read_leaves(folder, done)
        for batch in _together(leaves):
            for leaf in batch:
                roots.add(leaf)
                if last is not None and proof.order(leaf) <= last:
                    done.problems.append(Problem("changed", proof.LEAVES, f"{leaf['name']} is out of order or told of twice"))
                last = proof.order(leaf)
                if leaf["kind"] in names:
                    names[leaf["kind"]].add(leaf["name"])
            expected = [leaf for leaf in batch if not (leaf["kind"] == "input" and (inputs == "skip" or leaf["sha256"] is None))]
            given = {leaf["shard"]: leaf for leaf in batch if leaf["kind"] == "input"}
            looked = pool.map(lambda leaf: _compared(folder, leaf, given.get(leaf["shard"]), since), expected)  # noqa: B023
            for leaf, problem in zip(expected, looked, strict=True):
                if leaf["kind"] == "input" and problem and problem.kind == "missing" and inputs == "check":
                    done.absent.append(leaf["path"] or leaf["name"])
                    continue
                done.files, done.bytes = done.files + 1, done.bytes + (leaf["size"] or 0)
                if problem:
                    changed.append(problem)
            total += _tallies(folder, batch, done)
        for file in since.released.values():
            problem = compared(file, folder.path(file["name"]))
            changed += [problem] if problem else []
            done.files, done.bytes = done.files + 1, done.bytes + file["size"]
    if roots.told() != told.get("leaves"):
        done.problems.append(Problem("changed", proof.LEAVES, "does not come to the root that the proof names"))
    done.problems += _swapped(folder, changed)
    done.problems += _added(folder, names, about, since)
    done.problems += _untold(folder, total, names, about)


def _read_leaves(folder: Folder, done: Verified) -> Iterator[dict[str, Any]]:
    try:
        for rows in tables.read(folder, proof.LEAVES):
            yield from rows
    except Exception as error:  # noqa: BLE001 - whatever a broken table makes of its reader
        done.problems.append(Problem("changed", proof.LEAVES, f"cannot be read ({type(error).__name__})"))


def _together(leaves: Iterable[Leaf]) -> Iterator[list[Leaf]]:
    """Leaves some at a time, those of a shard never apart."""
    batch: list[Leaf] = []
    for leaf in leaves:
        if len(batch) >= _AHEAD and leaf["shard"] != batch[-1]["shard"]:
            yield batch
            batch = []
        batch.append(leaf)
    if batch:
        yield batch


def _compared(folder: Folder, leaf: Leaf, given: Leaf | None, since: history.History) -> Problem | None:
    if leaf["kind"] == "input":
        problem = compared(leaf, leaf["path"] or leaf["name"])
        return problem._replace(name=leaf["path"] or leaf["name"], why=f"input: {problem.why}") if problem else None
    replaced = since.replaced.get(leaf["name"])
    if replaced is None:
        return compared(leaf, folder.path(leaf["name"]), given)
    if replaced["first"] != leaf["sha256"]:
        return Problem("changed", leaf["name"], "what the ledger says was expired is not what the run wrote")
    return compared(replaced, folder.path(leaf["name"]))


def _tallies(folder: Folder, batch: Iterable[Leaf], done: Verified) -> Tally:
    """The counts of the shards of some leaves; each tally is held against the leaves of its shard."""
    total = Tally()
    mine: dict[str, dict[str, Leaf]] = {}
    for leaf in batch:
        mine.setdefault(leaf["shard"], {})[leaf["name"]] = leaf
    for leaf in batch:
        if leaf["kind"] != "tally":
            continue
        try:
            result = orjson.loads(folder.read(leaf["name"]) or b"")
            tally = Tally.from_dict(result["tally"])
            untold = [
                name
                for name, output in result["outputs"].items()
                if name in mine[leaf["shard"]] and output["sha256"] != mine[leaf["shard"]][name]["sha256"]
            ]
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError, OSError):
            continue  # it is missing or changed, and was named
        total += tally
        if untold:
            done.problems.append(Problem("untold", leaf["name"], f"tells of another {untold[0]} than the proof"))
        if not tally.balanced:
            done.problems.append(Problem("untold", leaf["name"], "its books do not balance"))
    return total


def _swapped(folder: Folder, changed: list[Problem]) -> Iterator[Problem]:
    """The problems, saying of a changed file that it holds what another one should hold."""
    wanted = {problem.sha256 for problem in changed if problem.sha256}
    owners: dict[str, str] = {}
    if wanted:
        for leaf in _read_leaves(folder, Verified()):
            if leaf["sha256"] in wanted and leaf["kind"] != "input":
                owners[leaf["sha256"]] = leaf["name"]
    for problem in changed:
        owner = owners.get(problem.sha256 or "")
        yield problem._replace(kind="swapped", why=f"holds what {owner} should hold") if owner and owner != problem.name else problem


def _added(folder: Folder, names: dict[str, set[str]], about: dict[str, Any], since: history.History) -> Iterator[Problem]:
    """Files that nothing tells of, in the folders that are the run's own."""
    for kind, below in _FOLDERS.items():
        if kind == "quarantine" and folder.elsewhere("quarantine/x"):
            continue  # others may keep files there
        for name in sorted({f"{below}/{name}" for name in folder.names(below)} - names[kind]):
            yield Problem("added", name, "is not from this run")
    ours = {**_OURS, "release": set(since.released)}
    for below, known in ours.items():
        for name in sorted({f"{below}/{name}" for name in folder.names(below)} - known):
            yield Problem("added", name, "is not from this run")
    if about.get("state") == "done":
        for name in folder.names("parts"):
            yield Problem("added", f"parts/{name}", "is not from this run")


def _untold(folder: Folder, total: Tally, names: dict[str, set[str]], about: dict[str, Any]) -> Iterator[Problem]:
    """Where manifest and report tell another story than the leaves and the tallies."""
    told = {output["name"] for output in about.get("outputs") or ()}
    mine = set().union(*(found for kind, found in names.items() if kind != "tally"))
    if about and told != mine:
        name = min(told ^ mine)
        yield Problem("untold", manifest.NAME, f"manifest and proof do not tell of the same files; one of them lacks {name}")
    try:
        reported = Tally.from_dict(orjson.loads(folder.read("report.json") or b"")["tally"])
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return
    if reported.to_dict() != total.to_dict():
        yield Problem("untold", "report.json", "its counts are not the sum of the tallies")


def _signatures(folder: Folder, run: str, entries: list[str], public: bytes | None, done: Verified) -> None:
    try:
        made = signing.signatures(folder)
    except InputError:
        done.problems.append(Problem("changed", signing.NAME, "cannot be read"))
        made = []
    trusted = False
    for each in made:
        if each["run"] != run:
            done.problems.append(Problem("changed", signing.NAME, f"the signature of {each['at']} is of another run digest"))
        elif each["ledger"] is not None and each["ledger"] not in entries:
            done.problems.append(Problem("changed", signing.NAME, f"the signature of {each['at']} is of a ledger that is not there"))
        elif public is not None and each["public_key"] == public.hex():
            if signing.holds(each, public):
                trusted = True
            else:
                done.problems.append(Problem("changed", signing.NAME, f"the signature of {each['at']} does not hold"))
        covered = entries.index(each["ledger"]) + 1 if each["ledger"] in entries else 0
        done.signatures.append({"key": each["key"], "at": each["at"], "ledger_entries": covered})
    if public is not None and not trusted:
        done.problems.append(Problem("missing", signing.NAME, f"no signature by the key {signing.key_name(public)} holds"))
