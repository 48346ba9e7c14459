"""Run: many shards, in worker processes; balanced books, a manifest, and a rerun that does only what is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from decontam import manifest, preflight, proof, shares, signing
from decontam.claims import begins, belongs, forget, goes_on, held, joins, judged
from decontam.codecs import describe
from decontam.config import Config, chain_of, fingerprint, rules_of
from decontam.errors import InputError
from decontam.finishing import as_listed, balanced, close, done_before, publish, result_of
from decontam.folders import Folder, folder_of
from decontam.inputs import Shard, Skipped
from decontam.layout import layout_of
from decontam.places import unwritten
from decontam.report import report
from decontam.rules import Rule
from decontam.shares import Share, number_of
from decontam.since import fitting, parent_of
from decontam.tally import Tally
from decontam.workers import Outcome, Progress, Setup, Watch, screen, screen_here


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
    share: Share | None = None
    """The part of the shards that is screened; `shards` are those of all parts."""


def _finished(folder: Folder, shard: Shard, digest: str) -> dict[str, Any] | None:
    """The result of a shard that an earlier run finished and that has not changed since."""
    result = result_of(folder, shard.name, digest)
    return result if result is not None and as_listed(result, shard) else None


def _complete(folder: Folder, shards: Sequence[Shard], digest: str) -> bool:
    """Whether OUT holds this very run, done and proven: then nothing is left to do but for shards that have changed since."""
    content = folder.read(manifest.NAME)
    about = json.loads(content) if content else {}
    same = about.get("state") == "done" and about.get("fingerprint") == digest and about.get("shards") == [shard.name for shard in shards]
    return same and proof.stands(folder, proof.read(folder))


def _begin(job: Job, folder: Folder, opened: dict[str, Any], left: Sequence[Shard]) -> bool:
    """Make sure of every place that is written to, and mark OUT as ours. Whether an earlier run goes on, with the shards `left`."""
    folder.prove_writable()
    try:
        resumed = goes_on(folder, job.shards, opened["fingerprint"], job.overwrite)
        _unjudged(folder, left, resumed)
        folder.remove("proof")
        folder.remove(shares.FOLDER)
        publish(folder, manifest.NAME, opened)
    except OSError as error:
        raise InputError(f"--out {folder.root}: {unwritten(error)}") from None
    return resumed


def _unjudged(folder: Folder, left: Sequence[Shard], resumed: bool) -> None:
    """Raises InputError where people have judged records of a shard that would be screened again."""
    again = [shard.name for shard in left if resumed and folder.exists(f"tallies/{shard.name}.json")]
    if again and (where := judged(folder)):
        raise InputError(f"{again[0]} would be screened again, but {where} judges its records; choose another --out")


def _digest(job: Job, rules: tuple[Rule, ...], parent: str | None) -> str:
    """The fingerprint of a run: a digest of all that decides what it writes."""
    return ":".join(
        [fingerprint(job.config, rules), *([] if job.limit is None else [str(job.limit)]), *([] if parent is None else [parent])]
    )


def _parent(job: Job) -> str | None:
    """The run digest of the run whose kept shards are screened. Raises InputError where they cannot be."""
    if job.since is None:
        return None
    earlier, parent = parent_of(job.since)
    fitting(earlier, job.config)
    return parent


def _opened(job: Job, rules: tuple[Rule, ...], digest: str, began: str, parent: str | None) -> dict[str, Any]:
    opened = manifest.opened(job.command, job.config, rules, digest, began, (shard.name for shard in job.shards))
    return {**opened, "parent": parent and {"out": job.since, "run": parent}}


def run(job: Job, watch: Watch = lambda progress: None) -> dict[str, Any]:
    """Screen all shards of a job and return the report; of a part of it, its shards alone, and the report is theirs.

    Raises InputError before anything is written where the job cannot run, BooksError where the counts do not add up.
    A shard that fails is named under `problems`; the others go on.
    """
    if job.share and (job.overwrite or job.sign_key):
        other = "would take away what the other parts have done; remove OUT first" if job.overwrite else "is for decontam finish"
        raise InputError(f"--part {job.share}: {'--overwrite' if job.overwrite else '--sign-key'} {other}")
    began, started = manifest.now(), perf_counter()
    rules = rules_of(job.config)
    chain_of(job.config)  # what it needs is there, before anything is written
    parent = _parent(job)
    digest = _digest(job, rules, parent)
    mine = job.share.taken(job.shards) if job.share else job.shards
    preflight.check(mine, layout_of(job.config))
    if job.out is None:
        outcome = _screen(job, mine, digest, watch)
        return balanced(report(outcome.results, outcome.failed, perf_counter() - started))
    folder = folder_of(job.out, job.config)
    opened = _opened(job, rules, digest, began, parent)
    signer = signing.Signer.of(job.sign_key) if job.sign_key else None
    with held(folder, job.share) as others_may_begin:
        try:
            finished = {} if job.overwrite else {shard.name: result for shard in mine if (result := _finished(folder, shard, digest))}
            complete = len(finished) == len(mine) and _complete(folder, job.shards, digest)
        except OSError as error:
            raise InputError(f"--out {folder.root}: {unwritten(error)}") from None
        if complete:
            if job.share is None:
                folder.sweep(lambda name: belongs(name, finished.keys()))
            _watch_before(finished, watch)
            return {**done_before(folder, list(finished.values()), signer), **({"part": str(job.share)} if job.share else {})}
        left = tuple(shard for shard in mine if shard.name not in finished)
        if job.share is not None:
            return _part(job, job.share, folder, opened, finished, left, watch, others_may_begin)
        resumed = _begin(job, folder, opened, left)
        _watch_before(finished, watch)
        if resumed:
            forget(folder, {shard.name for shard in left})
        outcome = _screen(job, left, digest, watch)
        folder.sweep(lambda name: belongs(name, {shard.name for shard in left}))
        if not outcome.failed:
            folder.remove("parts")
            folder.prune("quarantine/.parts")
        results, told = _told(finished, outcome, started)
        close(folder, opened, results, outcome.failed, job.skipped, told, signer)
    return balanced(told)


def prepare(job: Job, parts: int) -> tuple[Folder, list[int]]:
    """Mark OUT as that of a run in so many parts, before any of them begins; OUT, and the numbers of the parts that have work left.

    Raises InputError where the job cannot run.
    """
    rules = rules_of(job.config)
    parent = _parent(job)
    chain_of(job.config)
    preflight.check(job.shards, layout_of(job.config))
    digest = _digest(job, rules, parent)
    folder = folder_of(job.out or "", job.config)
    opened = _opened(job, rules, digest, manifest.now(), parent)
    with held(folder):
        folder.prove_writable()
        _join(job, parts, folder, opened, {shard.name for shard in job.shards})
        left = {number_of(shard.name, parts) for shard in job.shards if _finished(folder, shard, digest) is None}
    return folder, sorted(left)


def _join(job: Job, parts: int, folder: Folder, opened: dict[str, Any], mine: AbstractSet[str]) -> bool:
    """Join the others in OUT, or be the first, for the shards `mine`. Whether others were there."""
    try:
        joined = joins(folder, parts, opened, mine)
        if not joined or folder.exists(proof.NAME):
            folder.remove("proof")
            publish(folder, manifest.NAME, {**opened, "parts": parts, "skipped": [skip._asdict() for skip in job.skipped]})
    except OSError as error:
        raise InputError(f"--out {folder.root}: {unwritten(error)}") from None
    return joined


def _part(job: Job, share: Share, folder: Folder, opened: dict[str, Any], finished: Mapping[str, dict[str, Any]], left: Sequence[Shard],
          watch: Watch, others_may_begin: Callable[[], None]) -> dict[str, Any]:  # fmt: skip
    """Screen the shards of a part and say so; what is told of the whole run is for who finishes it."""
    started, said = perf_counter(), shares.begun(share, job.command)
    mine = {shard.name for shard in left} | finished.keys()
    folder.prove_writable()
    try:
        again = folder.exists(share.name) or bool(finished)
        _unjudged(folder, left, again)
        again &= _join(job, share.of, folder, opened, mine)
        publish(folder, share.name, said)
        others_may_begin()
        folder.sweep(lambda name: name == share.name or begins(name, mine), shared=True)
    except OSError as error:
        raise InputError(f"--out {folder.root}: {unwritten(error)}") from None
    _watch_before(finished, watch)
    if again:
        forget(folder, {shard.name for shard in left})
    outcome = _screen(job, left, opened["fingerprint"], watch)
    folder.sweep(lambda name: begins(name, {shard.name for shard in left}), shared=True)
    _, told = _told(finished, outcome, started)
    told["part"] = str(share)
    try:
        publish(folder, share.name, shares.ended(said, outcome.failed))
    except OSError as error:
        told["problems"][share.name] = f"cannot be written to {folder.root}: {describe(error)}; run the same command again"
    return balanced(told)


def _told(finished: Mapping[str, dict[str, Any]], outcome: Outcome, started: float) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All results by the names of their shards, and the report of them."""
    results = sorted([*finished.values(), *outcome.results], key=lambda result: str(result["input"]["name"]))
    return results, {**report(results, outcome.failed, perf_counter() - started), "resumed": len(finished)}


def _watch_before(finished: Mapping[str, dict[str, Any]], watch: Watch) -> None:
    for name, result in finished.items():
        watch(Progress(name, Tally.from_dict(result["tally"]), result["input"]["size"], done=True))


def _screen(job: Job, shards: Sequence[Shard], digest: str, watch: Watch) -> Outcome:
    setup = Setup(job.config, job.out, digest, job.limit, job.since)
    if not shards:
        return Outcome()
    return screen(setup, shards, job.workers, watch) if job.workers else screen_here(setup, shards, watch)
