"""Inputs: files, folders, globs and URLs -> the shards of a run, each with the name it gets in the output."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

from decontam.codecs import describe
from decontam.errors import InputError, ShardError, printable
from decontam.files import is_remote, plain_errors, store_of
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


_NO_FILES = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device", stat.S_IFDIR: "folder"}
_STAMPS = ("ETag", "etag", "mtime", "LastModified", "updated")


def _why_not(name: str) -> str:
    return "hidden" if os.path.basename(name).startswith((".", "_")) else NO_SHARD


def _no_file(path: Path) -> str | None:
    """What a path leads to where that is no file; None for a file, and for a link that leads nowhere: reading says so."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError:
        return None
    if kind == stat.S_IFDIR and path.is_symlink():
        return "a link to a folder; name that folder as an input to screen it"
    return f"a {_NO_FILES[kind]}, not a file" if kind in _NO_FILES else None


def _state(path: str) -> tuple[int, str]:
    """Size in bytes and stamp of a file or URL as it is now. Raises OSError where it is gone."""
    if is_remote(path):
        with plain_errors():
            fs, inside = store_of(path)
            fs.invalidate_cache()
            return _told(fs.info(inside))
    now = Path(path).stat()
    return now.st_size, str(now.st_mtime_ns)


def _told(info: dict[str, Any]) -> tuple[int, str]:
    return int(info.get("size") or 0), next((str(info[key]) for key in _STAMPS if info.get(key)), "")


def _local(path: Path, name: str) -> Shard:
    try:
        state = _state(str(path))
    except OSError:  # reading says what is wrong with it
        state = 0, ""
    return Shard(str(path), name.replace(os.sep, "/"), *state)


def _sorted_out(files: Iterable[Path], root: Path) -> tuple[list[Shard], list[Skipped]]:
    shards, skipped = [], []
    for file in sorted(files):
        why = _no_file(file) or (None if is_shard(file.name) else _why_not(file.name))
        if why is None:
            shards.append(_local(file, str(file.relative_to(root))))
        else:
            skipped.append(Skipped(printable(str(file)), why))
    return shards, skipped


def _below(folder: Path) -> Iterator[Path]:
    """All files in a folder and its folders, and links to other folders, which are not followed."""

    def unlisted(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be listed ({describe(error)}); give access, or name the files that are to be screened")

    for where, folders, files in os.walk(folder, onerror=unlisted):
        yield from (Path(where, name) for name in files)
        yield from (path for name in folders if (path := Path(where, name)).is_symlink())


def _from_local(given: str) -> tuple[list[Shard], list[Skipped]]:
    path = Path(given)
    if path.is_dir():
        return _sorted_out(_below(path), path)
    if glob.has_magic(given) and not os.path.lexists(path):
        found = (Path(found) for found in glob.glob(given, recursive=True))
        root = Path(os.path.dirname(given[: next(i for i, c in enumerate(given) if c in "*?[")]) or ".")
        return _sorted_out((file for file in found if not file.is_dir()), root)
    if not os.path.lexists(path):
        raise InputError(f"{given}: no such file or folder")
    if why := _no_file(path):
        raise InputError(f"{given}: {why}; write what it holds to a file first")
    if not is_shard(path.name):
        raise InputError(f"{given}: {_why_not(path.name)}; decontam run reads shards, decontam scan any text")
    return [_local(path, path.name)], []


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
            shards.append(Shard(url, name, *_told(info)))
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
            if not _is_unicode(shard.path):
                raise InputError(f"{printable(shard.path)}: its name is not UTF-8; rename it")
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


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


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


def changed(shard: Shard) -> str | None:
    """Why what was read of a shard is not what was listed, in words; None where it is as it was."""
    try:
        now = _state(shard.path)
    except OSError as error:
        return f"gone or out of reach before it was read to its end ({describe(error)})"
    before = shard.size, shard.stamp
    if all(new == old for new, old in zip(now, before, strict=True) if new and old):  # some stores tell only one of them
        return None
    return f"changed while it was read: {shard.size:,} bytes when the run began, {now[0]:,} bytes now"


_Part = TypeVar("_Part")


def unchanged(shard: Shard, parts: Iterable[_Part]) -> Iterator[_Part]:
    """The parts of a shard as they come, until the shard turns out not to be what was listed when the run began.

    Raises ShardError at the end, or where reading fails, if the file has changed since or is gone.
    """
    try:
        yield from parts
    except ShardError as error:
        if why := changed(shard):
            raise ShardError(f"{shard.path}: {why}; nothing of it was published, run the same command again") from error
        raise
    if why := changed(shard):
        raise ShardError(f"{shard.path}: {why}; nothing of it was published, run the same command again")


def listed(lines: Iterable[str]) -> list[str]:
    """Paths from a list, one a line; blank lines and lines that start with # are passed over."""
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
