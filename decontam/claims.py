"""Claims: whose an output folder is. What a run may write over, what of it belongs to which shard, and who holds it meanwhile.

Locks are a courtesy to people: they refuse what would be done twice. Nothing depends on them, since object stores have none and network
disks may lie: files appear whole, a tally commits its shard, and two workers at one shard write the same bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from decontam import manifest, shares
from decontam.errors import InputError
from decontam.folders import Folder
from decontam.inputs import Shard
from decontam.shares import Share

# What a shard's name gets in each folder of the output. Names of shards may end like that themselves.
_ENDS = {
    "tallies": (".json",),
    "kept": ("",),
    "quarantine": (".parquet",),
    "findings": (".parquet",),
    "dropped": (".parquet",),
    "errors": (".jsonl", ".jsonl.row"),
    "sites": (".parquet",),
}
_OURS = {*_ENDS, "parts", "proof", shares.FOLDER, manifest.NAME, "report.json", "report.html", "metrics.prom"}
_REVIEW = "review"  # the work of people; it is never removed here
_LOCK = ".lock"
_LEFT = ".decontam-part"  # how what is being written ends
_BEGINNING = 120  # seconds that a part waits for others to begin
_ENDING = 5  # seconds that it waits for whoever was at it before, if that is being ended


def goes_on(folder: Folder, shards: Sequence[Shard], digest: str, overwrite: bool) -> bool:
    """Whether OUT holds the beginning of this very run. Raises InputError where it holds anything else."""
    named = {shard.name for shard in shards}
    content = folder.read(manifest.NAME)
    folder.sweep(lambda name: name == manifest.NAME)
    if content is None:
        _nobodys(folder)
        _free(folder, named)
        return False
    before = json.loads(content)
    if overwrite:
        _replace(folder, before, named)
        return False
    _same(folder, before, digest)
    known = {f"{name}.json" for name in named}
    # What a writer that was killed has left there is no tally.
    if strangers := sorted(name for name in folder.names("tallies") if name.endswith(".json") and name not in known):
        shard = strangers[0].removesuffix(".json")
        raise InputError(
            f"--out {folder.root} holds the shard {shard!r}, which is not among the inputs; "
            "name all inputs again, use --overwrite to start over, or another folder"
        )
    _free(folder, named - set(before.get("shards", named)))
    folder.sweep(lambda name: belongs(name, named))
    return True


def joins(folder: Folder, parts: int, opened: dict[str, Any], mine: AbstractSet[str]) -> bool:
    """Whether others have begun the run in so many parts, of which this is one; `opened` is its manifest, `mine` the shards of the part.

    Raises InputError where OUT holds another run, or something else.
    """
    content = folder.read(manifest.NAME)
    if content is None:
        _nobodys(folder)
        _free(folder, mine)
        return False
    before = json.loads(content)
    _same(folder, before, opened["fingerprint"])
    if (of := before.get("parts")) != parts:
        how = f"in {of} parts: say --part I/{of}" if of else "in one piece: leave --part out"
        raise InputError(f"--out {folder.root} holds a run {how}, or choose another folder")
    if other := set(opened["shards"]) ^ set(before["shards"]):
        name = min(other)
        what = "was not there when the other parts began" if name in opened["shards"] else "is not among the inputs any more"
        raise InputError(f"--out {folder.root}: {name!r} {what}; give all parts the same inputs, or run without --part to finish here")
    return True


def _nobodys(folder: Folder) -> None:
    """Raises InputError where a folder without a manifest holds anything: then it is somebody else's."""
    ours = {_LOCK, shares.FOLDER}  # a part makes the latter to hold itself
    there = [] if folder.remote or not os.path.isdir(folder.root) else os.listdir(folder.root)
    if strange := sorted(name for name in there if name not in ours and not name.endswith(_LEFT)):
        raise InputError(f"--out {folder.root} holds {strange[0]!r} and is not from decontam; choose an empty folder")


def _same(folder: Folder, before: dict[str, Any], digest: str) -> None:
    if before.get("fingerprint") != digest:
        raise InputError(
            f"--out {folder.root} holds a run with other options, rules or version; use --overwrite to replace it, or another folder"
        )


def _replace(folder: Folder, before: dict[str, Any], named: AbstractSet[str]) -> None:
    """Remove what a run has written. Raises InputError where people have judged it."""
    if folder.names(_REVIEW):
        raise InputError(
            f"--overwrite would part {folder.path(_REVIEW)} from what it judges; move that folder away, or choose another --out"
        )
    place = before["config"]["output"].get("quarantine")
    earlier = Folder(folder.root, {"quarantine": place} if place else None)
    if earlier.path("quarantine/") != folder.path("quarantine/"):
        _free(folder, named)
    forget(earlier, named | set(before.get("shards", ())))
    # The manifest last: without it, whoever comes after a kill takes the rest for somebody else's.
    for name in sorted(_OURS, key=lambda name: (name == manifest.NAME, name)):
        folder.remove(name)


def belongs(name: str, shards: AbstractSet[str]) -> bool:
    """Whether a file of the output is what a run writes for one of these shards."""
    kind, _, inside = name.partition("/")
    for end in _ENDS.get(kind, ()):
        shard, _, rest = inside.rpartition(end) if end else (inside, "", "")
        if shard in shards and (not rest or end.endswith(".row")):
            return True
    return False


def begins(name: str, shards: AbstractSet[str]) -> bool:
    """Whether a file of the output is of one of these shards, finished or not."""
    for below in ("parts/", "quarantine/.parts/"):
        if name.startswith(below) and name.removeprefix(below).rpartition("/")[0] in shards:
            return True
    return belongs(name, shards)


def judged(folder: Folder) -> str | None:
    """Where people have judged the records of a run; None where they have not."""
    return folder.path(_REVIEW) if folder.names(_REVIEW) else None


def _free(folder: Folder, shards: AbstractSet[str]) -> None:
    """Raises InputError where the place for quarantine, which others may use too, has tables by the names of ours."""
    if taken := sorted(name for name in folder.names("quarantine") if belongs(f"quarantine/{name}", shards)):
        where = folder.path(f"quarantine/{taken[0]}")
        raise InputError(f"{where} is there already and not from this run; choose another folder for --quarantine")


def forget(folder: Folder, shards: AbstractSet[str]) -> None:
    """Remove what an earlier run wrote for shards that are done again: this time they may have less to say.

    Tallies go first: no shard may count whose outputs are gone.
    """
    for name in sorted(folder.names(), key=lambda name: not name.startswith("tallies/")):
        if belongs(name, shards):
            folder.remove(name)


def _locked(path: Path, wait: float, says: str) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise InputError(says) from None
    return lock


@contextmanager
def held(folder: Folder, share: Share | None = None) -> Iterator[Callable[[], None]]:
    """Hold OUT against other runs, or of it only a part, once what is handed out here was called: then others may begin theirs.

    Object stores have no locks; there, nothing is held. Raises InputError where another run is at it.
    """
    if folder.remote:
        yield lambda: None
        return
    root = Path(folder.root)
    with ExitStack() as stack:
        if share is not None:
            mine = _locked(root / share.lock, _ENDING, f"--part {share} of {folder.root} is running already; wait for it")
            stack.callback(mine.release)
        busy = f"--out {folder.root} is held by another run; wait for it or choose another folder"
        whole = _locked(root / _LOCK, _BEGINNING if share else 0, busy)
        stack.callback(whole.release)
        for path in [] if share else sorted((root / shares.FOLDER).glob(".*.lock")):
            part = path.name[1:].removesuffix(".lock").replace("-of-", "/")
            _locked(path, 0, f"--out {folder.root}: part {part} is running; wait for it").release()
        yield whole.release
