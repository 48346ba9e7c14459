"""Inputs: files, folders, globs and URLs -> the shards of a run, each with the name it gets in the output."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from decontam.errors import InputError
from decontam.files import describe, is_remote, plain_errors, store_of
from decontam.shards import NO_SHARD, is_shard


class Shard(NamedTuple):
    """One input file: where it is, its name in every output folder, its size in bytes, its state when it was listed."""

    path: str
    name: str
    size: int
    stamp: str
    """Changes when the file does: modification time on disks, e-tag or the like in object stores."""


class Skipped(NamedTuple):
    """A file in a folder that is no shard, and why."""

    path: str
    why: str


def _why_not(name: str) -> str:
    return "hidden" if os.path.basename(name).startswith((".", "_")) else NO_SHARD


def _local(path: Path, name: str) -> Shard:
    stat = path.stat()
    return Shard(str(path), name.replace(os.sep, "/"), stat.st_size, str(stat.st_mtime_ns))


def _from_local(given: str) -> tuple[list[Shard], list[Skipped]]:
    path = Path(given)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        shards = [_local(file, str(file.relative_to(path))) for file in files if is_shard(file.name)]
        return shards, [Skipped(str(file), _why_not(file.name)) for file in files if not is_shard(file.name)]
    if path.is_file():
        if not is_shard(path.name):
            raise InputError(f"{given}: {_why_not(path.name)}; decontam run reads shards, decontam scan any text")
        return [_local(path, path.name)], []
    if glob.has_magic(given):
        files = sorted(Path(found) for found in glob.glob(given, recursive=True) if Path(found).is_file())
        root = Path(os.path.dirname(given[: next(i for i, c in enumerate(given) if c in "*?[")]) or ".")
        shards = [_local(file, str(file.relative_to(root))) for file in files if is_shard(file.name)]
        return shards, [Skipped(str(file), _why_not(file.name)) for file in files if not is_shard(file.name)]
    raise InputError(f"{given}: no such file or folder")


def _found(given: str) -> tuple[Any, str, dict[str, Any]]:
    """The file system of a URL, the folder that names are relative to, and what is there: path -> facts."""
    fs, path = store_of(given)
    fs.invalidate_cache()
    if glob.has_magic(path):
        root = path[: next(i for i, c in enumerate(path) if c in "*?[")].rpartition("/")[0]
        found = fs.glob(path, detail=True)
    elif fs.isdir(path):
        root, found = path.rstrip("/"), fs.find(path, detail=True)
    elif fs.exists(path):
        root, found = path.rpartition("/")[0], {path: fs.info(path)}
    else:
        root, found = path, {}
    if not found:
        fs.find(root)  # a glob keeps quiet about a missing bucket or a closed one; this does not
        raise InputError(f"{given}: nothing there")
    return fs, root, found


def _from_url(given: str) -> tuple[list[Shard], list[Skipped]]:
    try:
        with plain_errors():
            fs, root, found = _found(given)
    except OSError as error:
        raise InputError(f"{given}: cannot be listed: {describe(error)}") from None
    shards, skipped = [], []
    for file, info in sorted(found.items()):
        if info.get("type") != "file":
            continue
        url = fs.unstrip_protocol(file)
        if is_shard(file):
            name = file.removeprefix(root).lstrip("/")
            stamp = next((str(info[key]) for key in ("ETag", "etag", "mtime", "LastModified", "updated") if info.get(key)), "")
            shards.append(Shard(url, name, int(info.get("size") or 0), stamp))
        else:
            skipped.append(Skipped(url, _why_not(file)))
    return shards, skipped


def discover(inputs: Sequence[str], out: str | None = None, quarantine: str | None = None) -> tuple[tuple[Shard, ...], tuple[Skipped, ...]]:
    """The shards that `inputs` name, sorted by name, and the files that were passed over.

    Raises InputError where there are none, where two would get one name, where one is named that is not there, and
    where `out` or `quarantine` lies inside an input folder or the other way round, and where these two do.
    """
    places = [(option, place) for option, place in (("--out", out), ("--quarantine", quarantine)) if place is not None]
    if len(places) == 2:
        _two_places(*(place for _, place in places))
    shards: dict[str, Shard] = {}
    skipped: list[Skipped] = []
    for given in inputs:
        for option, place in places:
            _apart(given, option, place)
        found, passed = (_from_url if is_remote(given) else _from_local)(given)
        skipped += passed
        for shard in found:
            other = shards.setdefault(shard.name, shard)
            if other.path != shard.path:
                raise InputError(
                    f"{other.path} and {shard.path} would both be written as {shard.name!r}; "
                    "run them with different --out, or name the folder above both"
                )
    if not shards:
        looked = ", ".join(inputs) or "nothing"
        hint = f"; {len(skipped)} other files were passed over, such as {skipped[0].path}" if skipped else ""
        raise InputError(f"no shards in {looked}{hint}; a shard is {NO_SHARD.removeprefix('not ')}")
    return tuple(shards[name] for name in sorted(shards)), tuple(skipped)


def _whole(path: str) -> PurePosixPath | Path:
    return PurePosixPath(path) if is_remote(path) else Path(os.path.realpath(path))


def _apart(given: str, option: str, place: str) -> None:
    source, target = _whole(given), _whole(place)
    holds = source.is_dir() if isinstance(source, Path) else not glob.has_magic(given) and not is_shard(given)
    if holds and (target == source or source in target.parents):
        raise InputError(f"{option} {place} lies inside the input {given}; choose a folder outside of it")
    if target in source.parents or target == source:
        raise InputError(f"the input {given} lies inside {option} {place}; choose another folder for {option}")


def _two_places(out: str, quarantine: str) -> None:
    one, other = _whole(out), _whole(quarantine)
    if one == other or one in other.parents or other in one.parents:
        raise InputError(f"--quarantine {quarantine} and --out {out} lie inside each other; choose a folder outside of --out")


def listed(lines: Iterable[str]) -> list[str]:
    """Paths from a list, one a line; blank lines and lines that start with # are passed over."""
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
