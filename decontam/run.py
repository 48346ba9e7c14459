"""Run: many shards, in worker processes; balanced books, a manifest, and a rerun that does only what is left."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson
from filelock import FileLock, Timeout

from decontam import manifest, preflight, proof, signing
from decontam.codecs import describe
from decontam.config import Config, chain_of, fingerprint, rules_of
from decontam.errors import BooksError, InputError
from decontam.folders import Folder, folder_of
from decontam.inputs import Shard, Skipped
from decontam.layout import layout_of
from decontam.places import unwritten
from decontam.report import metrics, report
from decontam.since import fitting, parent_of
from decontam.tally import Tally
from decontam.workers import Outcome, Progress, Setup, Watch, screen, screen_here

# What a shard's name gets in each folder of the output. Names of shards may end like that themselves.
_ENDS = {
    "kept": ("",),
    "quarantine": (".parquet",),
    "findings": (".parquet",),
    "dropped": (".parquet",),
    "errors": (".jsonl", ".jsonl.row"),
    "sites": (".parquet",),
    "tallies": (".json",),
}
_OURS = {*_ENDS, "parts", "proof", manifest.NAME, "report.json", "report.html", "metrics.prom"}
_REVIEW = "review"  # the work of people; it is never removed here


@dataclass(frozen=True)
class Job:
    """Everything about a run that its workers need; plain values, so it can be sent to them.

    `out` None screens without writing. `limit` is in records of each shard.
    """

    config: Config
    shards: tuple[Shard, ...]
    skipped: tuple[Skipped, ...] = ()
    out: str | None = None
    workers: int = 0
    """0 runs in this process."""
    limit: int | None = None
    overwrite: bool = False
    command: tuple[str, ...] = ()
    sign_key: str | None = None
    """A file with an Ed25519 key in PEM; the run digest is signed with it."""
    since: str | None = None
    """The output of an earlier run; `shards` are what it kept."""


def _goes_on(folder: Folder, shards: Sequence[Shard], digest: str, overwrite: bool) -> bool:
    """Whether OUT holds the beginning of this very run. Raises InputError where it holds anything else."""
    named = {shard.name for shard in shards}
    content = folder.read(manifest.NAME)
    folder.sweep(lambda name: name == manifest.NAME)
    if content is None:
        strange = [] if folder.remote or not os.path.isdir(folder.root) else sorted(set(os.listdir(folder.root)) - {".lock"})
        if strange:
            raise InputError(f"--out {folder.root} holds {strange[0]!r} and is not from decontam; choose an empty folder")
        _free(folder, named)
        return False
    before = json.loads(content)
    if overwrite:
        if folder.names(_REVIEW):
            raise InputError(
                f"--overwrite would part {folder.path(_REVIEW)} from what it judges; move that folder away, or choose another --out"
            )
        place = before["config"]["output"].get("quarantine")
        earlier = Folder(folder.root, {"quarantine": place} if place else None)
        if earlier.path("quarantine/") != folder.path("quarantine/"):
            _free(folder, named)
        _forget(earlier, named | set(before.get("shards", ())))
        # The manifest last: without it, whoever comes after a kill takes the rest for somebody else's.
        for name in sorted(_OURS, key=lambda name: (name == manifest.NAME, name)):
            folder.remove(name)
        return False
    if before.get("fingerprint") != digest:
        raise InputError(
            f"--out {folder.root} holds a run with other options, rules or version; use --overwrite to replace it, or another folder"
        )
    known = {f"{name}.json" for name in named}
    # What a writer that was killed has left there is no tally.
    if strangers := sorted(name for name in folder.names("tallies") if name.endswith(".json") and name not in known):
        shard = strangers[0].removesuffix(".json")
        raise InputError(
            f"--out {folder.root} holds the shard {shard!r}, which is not among the inputs; "
            "name all inputs again, use --overwrite to start over, or another folder"
        )
    _free(folder, named - set(before.get("shards", named)))
    folder.sweep(lambda name: _belongs(name, named))
    return True


def _belongs(name: str, shards: AbstractSet[str]) -> bool:
    """Whether a file of the output is what a run writes for one of these shards."""
    kind, _, inside = name.partition("/")
    for end in _ENDS.get(kind, ()):
        shard, _, rest = inside.rpartition(end) if end else (inside, "", "")
        if shard in shards and (not rest or end.endswith(".row")):
            return True
    return False


def _free(folder: Folder, shards: AbstractSet[str]) -> None:
    """Raises InputError where the place for quarantine, which others may use too, has tables by the names of ours."""
    if taken := sorted(name for name in folder.names("quarantine") if _belongs(f"quarantine/{name}", shards)):
        where = folder.path(f"quarantine/{taken[0]}")
        raise InputError(f"{where} is there already and not from this run; choose another folder for --quarantine")


def _forget(folder: Folder, shards: AbstractSet[str]) -> None:
    """Remove what an earlier run wrote for shards that are done again: this time they may have less to say."""
    for name in folder.names():
        if _belongs(name, shards):
            folder.remove(name)


def _finished(folder: Folder, shard: Shard, digest: str) -> dict[str, Any] | None:
    """The result of a shard that an earlier run finished and that has not changed since."""
    before = folder.read(f"tallies/{shard.name}.json")
    if before is None:
        return None
    try:
        result: dict[str, Any] = orjson.loads(before)
    except orjson.JSONDecodeError:
        return None
    given = result.get("input", {})
    same = result.get("fingerprint") == digest and given.get("stamp") == shard.stamp and given.get("size") == shard.size
    result["stored"] = {"sha256": hashlib.sha256(before).hexdigest(), "size": len(before)}
    return result if same and not result.get("problem") else None


def held(folder: Folder) -> AbstractContextManager[Any]:
    """Hold OUT against other runs. Object stores have no locks; there, nothing is held."""
    if folder.remote:
        return nullcontext()
    Path(folder.root).mkdir(parents=True, exist_ok=True)
    lock = FileLock(Path(folder.root, ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"--out {folder.root} is held by another run; wait for it or choose another folder") from None
    return lock


def _complete(folder: Folder, shards: Sequence[Shard], digest: str) -> bool:
    """Whether OUT holds this very run, done and proven: then nothing is left to do but for shards that have changed since."""
    content = folder.read(manifest.NAME)
    about = json.loads(content) if content else {}
    same = about.get("state") == "done" and about.get("fingerprint") == digest and about.get("shards") == [shard.name for shard in shards]
    return same and proof.stands(folder, proof.read(folder))


def _begin(job: Job, folder: Folder, digest: str, opened: dict[str, Any], left: Sequence[Shard]) -> bool:
    """Make sure of every place that is written to, and mark OUT as ours. Whether an earlier run goes on, with the shards `left`."""
    folder.prove_writable()
    try:
        resumed = _goes_on(folder, job.shards, digest, job.overwrite)
        again = [shard.name for shard in left if resumed and folder.exists(f"tallies/{shard.name}.json")]
        if again and folder.names(_REVIEW):
            raise InputError(f"{again[0]} would be screened again, but {folder.path(_REVIEW)} judges its records; choose another --out")
        folder.remove("proof")
        _publish(folder, manifest.NAME, opened)
    except OSError as error:
        raise InputError(f"--out {folder.root}: {unwritten(error)}") from None
    return resumed


def run(job: Job, watch: Watch = lambda progress: None) -> dict[str, Any]:
    """Screen all shards of a job and return the report.

    Raises InputError before anything is written where the job cannot run, BooksError where the counts do not add up.
    A shard that fails is named under `problems`; the others go on.
    """
    began, started = manifest.now(), perf_counter()
    rules = rules_of(job.config)
    digest = fingerprint(job.config, rules) if job.limit is None else f"{fingerprint(job.config, rules)}:{job.limit}"
    chain_of(job.config)  # what it needs is there, before anything is written
    parent = None
    if job.since is not None:
        earlier, parent = parent_of(job.since)
        fitting(earlier, job.config)
        digest += f":{parent}"
    preflight.check(job.shards, layout_of(job.config))
    if job.out is None:
        outcome = _screen(job, job.shards, digest, watch)
        return _balanced(report(outcome.results, outcome.failed, perf_counter() - started))
    folder = folder_of(job.out, job.config)
    opened = manifest.opened(job.command, job.config, rules, digest, began, (shard.name for shard in job.shards))
    opened["parent"] = parent and {"out": job.since, "run": parent}
    signer = signing.Signer.of(job.sign_key) if job.sign_key else None
    with held(folder):
        try:
            finished = {} if job.overwrite else {shard.name: result for shard in job.shards if (result := _finished(folder, shard, digest))}
            complete = len(finished) == len(job.shards) and _complete(folder, job.shards, digest)
        except OSError as error:
            raise InputError(f"--out {folder.root}: {unwritten(error)}") from None
        if complete:
            folder.sweep(lambda name: _belongs(name, finished.keys()))
            return _done_before(folder, finished, watch, signer)
        left = tuple(shard for shard in job.shards if shard.name not in finished)
        resumed = _begin(job, folder, digest, opened, left)
        for shard in job.shards:
            if shard.name in finished:
                watch(Progress(shard.name, Tally.from_dict(finished[shard.name]["tally"]), shard.size, done=True))
        if resumed:
            _forget(folder, {shard.name for shard in left})
        outcome = _screen(job, left, digest, watch)
        folder.sweep(lambda name: _belongs(name, {shard.name for shard in left}))
        if not outcome.failed:
            folder.remove("parts")
            folder.prune("quarantine/.parts")
        results = sorted([*finished.values(), *outcome.results], key=lambda result: str(result["input"]["name"]))
        told = report(results, outcome.failed, perf_counter() - started)
        told["resumed"] = len(finished)
        state = "failed" if told["problems"] else "done"
        closed = manifest.closed(opened, results, outcome.failed, job.skipped, state, manifest.now(), folder.elsewhere)
        try:
            _publish(folder, "report.json", told)
            _publish(folder, "metrics.prom", metrics(told))
            _publish(folder, manifest.NAME, closed)
            told["proof"] = _proven(folder, results, signer)
        except OSError as error:
            # What went wrong with the shards is worth more than what went wrong with the report of it.
            told["problems"]["report.json"] = f"cannot be written to {folder.root}: {describe(error)}; run the same command again"
    return _balanced(told)


def _proven(folder: Folder, results: Sequence[dict[str, Any]], signer: signing.Signer | None) -> str:
    """Write the proof of a run that has ended, signed if that is asked for; the run digest."""
    run = proof.write(folder, results)
    if signer is not None:
        signing.sign(folder, signer, run)
    return run


def _done_before(folder: Folder, finished: Mapping[str, dict[str, Any]], watch: Watch, signer: signing.Signer | None) -> dict[str, Any]:
    """The report of a run that is whole already. Nothing of it is written again, so that its digest and signatures hold."""
    for name, result in finished.items():
        watch(Progress(name, Tally.from_dict(result["tally"]), result["input"]["size"], done=True))
    told = report(finished.values(), {}, 0.0)
    run = (proof.read(folder) or {})["run"]
    if signer is not None:
        signing.sign(folder, signer, run)
    return _balanced({**told, "resumed": len(finished), "proof": run})


def _screen(job: Job, shards: Sequence[Shard], digest: str, watch: Watch) -> Outcome:
    setup = Setup(job.config, job.out, digest, job.limit, job.since)
    if not shards:
        return Outcome()
    return screen(setup, shards, job.workers, watch) if job.workers else screen_here(setup, shards, watch)


def _publish(folder: Folder, name: str, content: bytes | dict[str, Any]) -> None:
    with folder.publishing(name) as file:
        file.write(content if isinstance(content, bytes) else orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _balanced(told: dict[str, Any]) -> dict[str, Any]:
    if not told["balanced"]:
        tally = told["tally"]
        raise BooksError(f"{tally['records']:,} records were read, but {sum(tally['outcomes'].values()):,} are accounted for")
    return told
