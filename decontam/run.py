"""Run: many shards, in worker processes; balanced books, a manifest, and a rerun that does only what is left."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson
from filelock import FileLock, Timeout

from decontam import manifest, preflight
from decontam.config import Config, chain_of, check, fingerprint, rules_of
from decontam.errors import BooksError, DecontamError, InputError
from decontam.files import Folder
from decontam.inputs import Shard, Skipped
from decontam.report import metrics, report
from decontam.screening import Screener
from decontam.shards import Layout
from decontam.tally import Tally

_OURS = {"kept", "quarantine", "findings", "errors", "dropped", "tallies", manifest.NAME, "report.json", "metrics.prom", ".lock"}
_POLL = 0.2  # seconds between two looks at the workers


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


@dataclass(frozen=True)
class Progress:
    """A shard's numbers so far; `done` once nothing more will come for it."""

    shard: str
    tally: Tally
    size: int
    done: bool = False


Watch = Callable[[Progress], None]


def _screener(config: Config, out: str | None, digest: str, limit: int | None) -> Screener:
    return Screener(config, chain_of(config), Folder(out) if out else None, digest, limit)


# One worker process serves one run: what its initializer builds stays here, since nothing compiled can be sent.
_worker: Any = None
_queue: Any = None


def _start_worker(config: dict[str, Any], out: str | None, digest: str, limit: int | None, queue: Any) -> None:
    global _worker, _queue  # noqa: PLW0603 - see above
    _worker = _screener(check(config), out, digest, limit)
    # Rules and databases live as long as the process: the garbage collector need not look at them again and again.
    gc.freeze()
    _queue = queue


def _work(shard: Shard) -> dict[str, Any]:
    result: dict[str, Any] = _worker.screen(shard, _reporting(shard, _queue.put))
    return result


def _reporting(shard: Shard, send: Watch) -> Callable[[Tally, int], None]:
    """Report a shard's progress, a few times a second at the most."""
    last = perf_counter()

    def notify(tally: Tally, size: int) -> None:
        nonlocal last
        if perf_counter() - last > _POLL:
            last = perf_counter()
            send(Progress(shard.name, Tally(tally.records, tally.bytes, tally.outcomes.copy()), size))

    return notify


def _prepare(folder: Folder, digest: str, overwrite: bool) -> None:
    """Make sure that what OUT holds is ours and of this run. Raises InputError."""
    if overwrite:
        for name in _OURS - {".lock"}:
            folder.remove(name)
        return
    before = folder.read(manifest.NAME)
    if before is None:
        strange = [] if folder.remote or not os.path.isdir(folder.root) else sorted(set(os.listdir(folder.root)) - {".lock"})
        if strange:
            raise InputError(f"--out {folder.root} holds {strange[0]!r} and is not from decontam; choose an empty folder")
    elif json.loads(before).get("fingerprint") != digest:
        raise InputError(
            f"--out {folder.root} holds a run with other options, rules or version; use --overwrite to replace it, or another folder"
        )


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
    return result if same and not result.get("problem") else None


def _lock(folder: Folder) -> AbstractContextManager[Any]:
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


def run(job: Job, watch: Watch = lambda progress: None) -> dict[str, Any]:
    """Screen all shards of a job and return the report.

    Raises InputError before anything is written where the job cannot run, BooksError where the counts do not add up.
    A shard that fails is named under `problems`; the others go on.
    """
    began, started = manifest.now(), perf_counter()
    rules = rules_of(job.config)
    digest = fingerprint(job.config, rules) if job.limit is None else f"{fingerprint(job.config, rules)}:{job.limit}"
    preflight.check(job.shards, Layout(job.config.input.text_key, job.config.input.id_key))
    if job.out is None:
        results, failed = _screen_all(job, job.shards, digest, watch)
        return _balanced(report(results, failed, perf_counter() - started))
    folder = Folder(job.out)
    with _lock(folder):
        _prepare(folder, digest, job.overwrite)
        opened = manifest.opened(job.command, job.config, rules, digest, began)
        _publish(folder, manifest.NAME, orjson.dumps(opened, option=orjson.OPT_INDENT_2))
        finished = {shard.name: result for shard in job.shards if (result := _finished(folder, shard, digest))}
        for shard in job.shards:
            if shard.name in finished:
                watch(Progress(shard.name, Tally.from_dict(finished[shard.name]["tally"]), shard.size, done=True))
        left = tuple(shard for shard in job.shards if shard.name not in finished)
        results, failed = _screen_all(job, left, digest, watch)
        results = sorted([*finished.values(), *results], key=lambda result: str(result["input"]["name"]))
        outcome = report(results, failed, perf_counter() - started)
        outcome["resumed"] = len(finished)
        state = "failed" if outcome["problems"] else "done"
        closed = manifest.closed(opened, results, failed, job.skipped, state, manifest.now())
        _publish(folder, "report.json", orjson.dumps(outcome, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        _publish(folder, "metrics.prom", metrics(outcome))
        _publish(folder, manifest.NAME, orjson.dumps(closed, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return _balanced(outcome)


def _publish(folder: Folder, name: str, content: bytes) -> None:
    with folder.publishing(name) as file:
        file.write(content)


def _balanced(outcome: dict[str, Any]) -> dict[str, Any]:
    if not outcome["balanced"]:
        tally = outcome["tally"]
        raise BooksError(f"{tally['records']:,} records were read, but {sum(tally['outcomes'].values()):,} are accounted for")
    return outcome


Results = tuple[list[dict[str, Any]], dict[str, str]]
"""The results of the shards that came through, and for each other one what went wrong."""


def _screen_all(job: Job, shards: Sequence[Shard], digest: str, watch: Watch) -> Results:
    if not shards:
        return [], {}
    if job.workers == 0:
        return _screen_here(job, shards, digest, watch)
    return _screen_in_workers(job, shards, digest, watch)


def _screen_here(job: Job, shards: Sequence[Shard], digest: str, watch: Watch) -> Results:
    screener = _screener(job.config, job.out, digest, job.limit)
    results: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    for shard in shards:
        try:
            result = screener.screen(shard, _reporting(shard, watch))
        except DecontamError as error:
            failed[shard.name] = str(error)
        else:
            results.append(result)
            watch(Progress(shard.name, Tally.from_dict(result["tally"]), shard.size, done=True))
    return results, failed


def _screen_in_workers(job: Job, shards: Sequence[Shard], digest: str, watch: Watch) -> Results:
    context = multiprocessing.get_context("spawn")
    chain_of(job.config)  # fills the cache, so that the workers need not all compile the same
    queue = context.SimpleQueue()
    setup = (job.config.to_dict(), job.out, digest, job.limit, queue)
    results: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    workers = min(job.workers, len(shards))
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=setup) as pool:
        # The largest first, so that no worker is left alone with one at the end.
        by_size = sorted(shards, key=lambda shard: (-shard.size, shard.name))
        running: dict[Future[dict[str, Any]], Shard] = {pool.submit(_work, shard): shard for shard in by_size}
        while running:
            done, _ = wait(running, timeout=_POLL, return_when=FIRST_COMPLETED)
            while not queue.empty():
                watch(queue.get())
            for future in done:
                shard = running.pop(future)
                try:
                    result = future.result()
                except DecontamError as error:
                    failed[shard.name] = str(error)
                except BrokenProcessPool:
                    failed[shard.name] = f"{shard.path}: a worker process died (killed, or out of memory); run again to resume"
                except Exception as error:  # noqa: BLE001 - a mistake of ours must not cost the other shards; its message may hold text
                    failed[shard.name] = f"{shard.path}: unexpected {type(error).__name__}; please report this"
                else:
                    results.append(result)
                    watch(Progress(shard.name, Tally.from_dict(result["tally"]), shard.size, done=True))
    return results, failed
