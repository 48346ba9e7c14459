"""Workers: shards screened in processes of their own, so that what kills one of them costs no shard but its own.

Nothing here can be left hanging by a process that is killed: workers report on a board of shared numbers without locks,
and end themselves when the process that started them is gone. A shard that was begun when a worker died is tried once
more, alone; if that kills its worker again, it is named and given up.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from multiprocessing.connection import wait as wait_for
from multiprocessing.context import SpawnContext
from typing import Any

from decontam.config import Config, chain_of, check
from decontam.errors import DecontamError
from decontam.files import is_remote
from decontam.folders import folder_of
from decontam.inputs import Shard
from decontam.places import unwritten
from decontam.screening import Notify, Screener
from decontam.since import chain_since
from decontam.tally import OUTCOMES, Tally

_POLL = 0.2  # seconds between two looks at the workers
_COLUMNS = 4 + len(OUTCOMES)  # state, bytes of the file, records, bytes of records, outcomes
_BEGUN, _SCREENED = 1, 2  # states: a worker's death is the fault of what it was at
_SMALL = 1 << 17  # bytes of a shard that is published together with others
_GROUP = 64  # shards


@dataclass(frozen=True)
class Progress:
    """A shard's numbers so far; `done` once nothing more will come for it. `size` is in bytes of the file."""

    shard: str
    tally: Tally
    size: int
    done: bool = False


Watch = Callable[[Progress], None]


@dataclass(frozen=True)
class Setup:
    """What a worker needs to build its screener; plain values."""

    config: Config
    out: str | None
    fingerprint: str
    limit: int | None
    since: str | None = None

    def screener(self) -> Screener:
        folder = folder_of(self.out, self.config) if self.out else None
        chain = chain_since(self.config, self.since) if self.since else chain_of(self.config)
        return Screener(self.config, chain, folder, self.fingerprint, self.limit)


@dataclass
class Outcome:
    """The results of the shards that came through, and for each other one what went wrong."""

    results: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


# One worker process serves one run: what its initializer builds stays here, since nothing compiled can be sent.
_screener: Any = None
_board: Any = None


def _start(setup: tuple[dict[str, Any], str | None, str, int | None, str | None], board: Any) -> None:
    global _screener, _board
    threading.Thread(target=_end_with_parent, daemon=True).start()
    config, out, fingerprint, limit, since = setup
    _screener, _board = Setup(check(config), out, fingerprint, limit, since).screener(), board
    # Rules and databases live as long as the process: the garbage collector need not look at them again and again.
    gc.freeze()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _small(shard: Shard, most: int) -> bool:
    return shard.size <= min(_SMALL, most) and not (is_remote(shard.path) and shard.size == 0)  # some stores do not tell a size


def together(shards: Sequence[Shard], most: int = _SMALL) -> list[list[Shard]]:
    """Shards in the order given, small ones in groups that are published together: the disk is waited for once a group.

    Of more than `most` bytes none is small: what is screened in parts has to publish each of them by itself.
    """
    groups: list[list[Shard]] = []
    for shard in shards:
        if _small(shard, most) and groups and len(groups[-1]) < _GROUP and _small(groups[-1][0], most):
            groups[-1].append(shard)
        else:
            groups.append([shard])
    return groups


def _screen_group(screener: Screener, shards: Sequence[Shard], begin: Callable[[int], Notify]) -> Outcome:
    """Screen shards that are published together. `begin` is told the place of each and returns who hears how it goes on."""
    outcome = Outcome()

    def publishing() -> AbstractContextManager[None]:
        at_once = screener.folder is None or not _small(shards[0], screener.config.output.checkpoint_bytes)
        return nullcontext() if at_once or screener.folder is None else screener.folder.together()

    try:
        with publishing():
            for place, shard in enumerate(shards):
                try:
                    with publishing():
                        outcome.results.append(screener.screen(shard, begin(place)))
                except DecontamError as error:
                    outcome.failed[shard.name] = str(error)
                except Exception as error:  # noqa: BLE001 - a mistake of ours costs its shard alone; its message may hold text
                    outcome.failed[shard.name] = f"{shard.path}: unexpected {type(error).__name__}; please report this"
    except OSError as error:
        unpublished = {shard.name: f"{shard.path}: {unwritten(error)}" for shard in shards}
        return Outcome(failed={**unpublished, **outcome.failed})
    return outcome


def _work(first: int, shards: Sequence[Shard]) -> Outcome:
    def begin(place: int) -> Notify:
        at = (first + place) * _COLUMNS
        if place:
            _board[at - _COLUMNS] = _SCREENED
        _board[at] = _BEGUN

        def notify(tally: Tally, size: int) -> None:
            outcomes = (tally.outcomes[name] for name in OUTCOMES)
            _board[at : at + _COLUMNS] = [_BEGUN, size, tally.records, tally.bytes, *outcomes]

        return notify

    return _screen_group(_screener, shards, begin)


def _progress(board: Any, index: int, shard: Shard) -> Progress:
    _, size, records, read, *outcomes = board[index * _COLUMNS : (index + 1) * _COLUMNS]
    return Progress(shard.name, Tally(records, read, Counter(dict(zip(OUTCOMES, outcomes, strict=True)))), size)


def screen_here(setup: Setup, shards: Sequence[Shard], watch: Watch) -> Outcome:
    """Screen shards one after the other in this process."""
    screener = setup.screener()
    outcome = Outcome()
    for group in together(shards, setup.config.output.checkpoint_bytes):
        _take(_screen_group(screener, group, lambda place: lambda tally, size: None), group, outcome, watch)
    return outcome


def _take(part: Outcome, shards: Sequence[Shard], outcome: Outcome, watch: Watch) -> None:
    """Add what became of some shards to what became of the others."""
    sizes = {shard.name: shard.size for shard in shards}
    outcome.failed.update(part.failed)
    outcome.results += part.results
    for result in part.results:
        name = result["input"]["name"]
        watch(Progress(name, Tally.from_dict(result["tally"]), sizes[name], done=True))


def screen(setup: Setup, shards: Sequence[Shard], workers: int, watch: Watch) -> Outcome:
    """Screen shards in up to `workers` processes; the largest first, so that none is left alone with one at the end."""
    chain_since(setup.config, setup.since) if setup.since else chain_of(
        setup.config
    )  # fills the cache, so that the workers need not all compile the same
    outcome = Outcome()
    left = sorted(shards, key=lambda shard: (-shard.size, shard.name))
    while left:
        begun = _screen_until_a_death(setup, left, workers, watch, outcome)
        # Each suspect alone, so that the next death tells whose it was.
        for suspect in [shard for shard in left if shard.name in begun]:
            for name in _screen_until_a_death(setup, [suspect], 1, watch, outcome):
                outcome.failed[name] = f"{suspect.path}: killed its worker twice (out of memory, or a crash inside a library)"
        finished = {result["input"]["name"] for result in outcome.results} | outcome.failed.keys()
        before, left = left, [shard for shard in left if shard.name not in finished]
        if len(left) == len(before):
            stillborn = "workers die before they begin; is there memory for them? try fewer --workers"
            outcome.failed.update({shard.name: f"{shard.path}: {stillborn}" for shard in left})
            return outcome
    return outcome


def _screen_until_a_death(setup: Setup, shards: Sequence[Shard], workers: int, watch: Watch, outcome: Outcome) -> list[str]:
    """Screen shards until all are through or a worker dies; the names of those that had been begun then."""
    context: SpawnContext = multiprocessing.get_context("spawn")
    board = context.RawArray("q", len(shards) * _COLUMNS)
    values = (setup.config.to_dict(), setup.out, setup.fingerprint, setup.limit, setup.since)
    suspects: list[str] = []
    others, broken = set(multiprocessing.active_children()), False
    with ProcessPoolExecutor(min(workers, len(shards)), context, initializer=_start, initargs=(values, board)) as pool:
        running: dict[Future[Outcome], tuple[int, list[Shard]]] = {}
        try:
            first = 0
            for group in together(shards, setup.config.output.checkpoint_bytes):
                running[pool.submit(_work, first, group)] = first, group
                first += len(group)
        except BrokenProcessPool:
            broken = True  # those that were submitted will say so
        while running:
            done, _ = wait(running, timeout=_POLL, return_when=FIRST_COMPLETED)
            for future in done:
                first, group = running.pop(future)
                try:
                    part = future.result()
                except BrokenProcessPool:
                    broken = True
                    suspects += [shard.name for place, shard in enumerate(group) if board[(first + place) * _COLUMNS] == _BEGUN]
                else:
                    _take(part, group, outcome, watch)
            for first, group in running.values():
                for place, shard in enumerate(group):
                    if board[(first + place) * _COLUMNS]:
                        watch(_progress(board, first + place, shard))
        # A pool that breaks while its workers are still being started waits for the last of them for ever.
        for child in set(multiprocessing.active_children()) - others if broken else ():
            child.kill()
    return suspects
