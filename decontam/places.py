"""Places: one folder on a disk, or one prefix of an object store, where every file appears whole or not at all.

On disks a temporary name, fsync, rename; in object stores the completed upload is what publishes.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO, Any
from zlib import crc32

from decontam.codecs import BLOCK, describe
from decontam.errors import InputError
from decontam.files import Digesting, Far, is_remote, naming, open_bytes, plain_errors, store_of

_PART = ".decontam-part"
_TEMPORARY = re.compile(rf"\.(.+)\.\d+(?:-\d+)?{re.escape(_PART)}")
_LONGEST = 255  # bytes that disks let a name have
_TALLIES = "tallies/"  # what commits a shard
_SYNCS = 16  # files that wait for the disk at once
_numbers = count()


class Place:
    """A folder of this machine or a URL. Names are relative, with `/`.

    Raises InputError where no client for the URL is installed; methods raise OSError.
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/") or "/"
        self.remote = is_remote(root)
        self._waiting: list[tuple[Path, str]] | None = None
        self._fs: Any = None
        self._base = self.root
        if self.remote:
            self._fs, self._base = store_of(self.root)
            # Other processes write here too: what this one saw in an earlier listing is hearsay.
            self._fs.invalidate_cache()

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def exists(self, name: str = "") -> bool:
        if not self._fs:
            return Path(self.root, name).exists()
        with plain_errors():
            return bool(self._fs.exists(f"{self._base}/{name}"))

    def read(self, name: str) -> bytes | None:
        """The content of a file, or None where there is none."""
        try:
            with open_bytes(self.path(name)) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def names(self, below: str = "") -> list[str]:
        """Every file in the place, or below one of its folders, by its name relative to that."""
        if self._fs:
            root = f"{self._base}/{below}".rstrip("/")
            with plain_errors():
                self._fs.invalidate_cache()
                found = self._fs.find(root)
            return [path.removeprefix(root.lstrip("/") if not path.startswith("/") else root).lstrip("/") for path in found]
        start = Path(self.root, below)
        return [path.relative_to(start).as_posix() for path in start.rglob("*") if path.is_file()]

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all it holds, if it is there."""
        if self._fs:
            with plain_errors():
                self._remove_far(f"{self._base}/{name}")
            return
        path = Path(self.root, name)
        if path.is_dir():
            for inner in path.iterdir():
                self.remove(f"{name}/{inner.name}")
            path.rmdir()
        else:
            path.unlink(missing_ok=True)

    def prune(self, name: str) -> None:
        """Remove the empty folders in a folder, and itself if it is empty then. Object stores have none."""
        if not self._fs:
            for folder, _, _ in os.walk(Path(self.root, name), topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()

    def _remove_far(self, path: str) -> None:
        self._fs.invalidate_cache()
        if self._fs.isfile(path):
            self._fs.rm_file(path)  # `rm` would also take what lies below a file's name, and read * and ? as a pattern
        elif glob.has_magic(path):
            for inner in self._fs.find(path):
                self._fs.rm_file(inner)
        elif self._fs.exists(path):
            self._fs.rm(path, recursive=True)

    def sweep(self, ours: Callable[[str], bool] = lambda name: True) -> None:
        """Remove what writers that were killed left behind of files whose names are `ours`.

        In object stores that is unfinished uploads, which nobody sees and somebody pays for.
        """
        if self._fs:
            with suppress(OSError), plain_errors():  # not everybody may list uploads; what is left of them is no file
                self._sweep_uploads(ours)
            return
        for path in Path(self.root).rglob(f".*{_PART}"):
            final = _TEMPORARY.fullmatch(path.name)
            if final and ours(path.with_name(final[1]).relative_to(self.root).as_posix()):
                path.unlink(missing_ok=True)

    def _sweep_uploads(self, ours: Callable[[str], bool]) -> None:
        if not hasattr(self._fs, "list_multipart_uploads"):
            return
        bucket, _, prefix = self._base.partition("/")
        prefix = f"{prefix}/" if prefix else ""
        for upload in self._fs.list_multipart_uploads(bucket):
            key = upload["Key"]
            if key.startswith(prefix) and ours(key.removeprefix(prefix)):
                self._fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload["UploadId"])

    def prove_writable(self, option: str) -> None:
        """Make the place if need be, write a file, remove it. Raises InputError, which names `option`, where that fails."""
        probe = f".probe.{os.getpid()}{crc32(socket.gethostname().encode()):010}{_PART}"
        try:
            if not self._fs and not Path(self.root).exists():
                _make_closed(Path(self.root))
            with self.publishing(probe, private=True) as file:
                file.write(b"\n")
        except OSError as error:
            raise InputError(f"{option} {self.root}: cannot be written: {describe(error)}") from None
        with suppress(OSError):  # who may write may not be allowed to remove
            self.remove(probe)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is published in the block appears at its end, tallies last, or not at all where the block fails.

        So a shard appears whole, and many small files wait for the disk at once rather than one after the other. A block
        within a block fails alone. Object stores publish each file at once. Raises OSError at the end where the disk fails.
        """
        outer, self._waiting = self._waiting, None if self.remote else []
        mine = [] if self._waiting is None else self._waiting
        try:
            yield
            if outer is None:
                self._settle(mine)
            else:
                outer += mine
        except BaseException:
            for temporary, _ in mine:
                temporary.unlink(missing_ok=True)
            raise
        finally:
            self._waiting = outer

    def _publish(self, temporary: Path, name: str) -> None:
        if self._waiting is None:
            _rename(temporary, Path(self.root, name))
            return
        with suppress(FileNotFoundError):  # a name that cannot be should fail here, not when others are published with it
            Path(self.root, name).lstat()
        self._waiting.append((temporary, name))

    def _settle(self, waiting: list[tuple[Path, str]]) -> None:
        """Publish files so that none is seen before it is on the disk, and no tally before what it tells of."""
        with naming(self.root), ThreadPoolExecutor(_SYNCS) as pool:
            list(pool.map(_sync, [temporary for temporary, _ in waiting]))
        tallies = [pair for pair in waiting if pair[1].startswith(_TALLIES)]
        others = [pair for pair in waiting if not pair[1].startswith(_TALLIES)]
        for temporary, name in others:
            _rename(temporary, Path(self.root, name))
        if os.name == "posix":  # elsewhere folders cannot be opened
            for folder in {Path(self.root, name).parent for _, name in others}:
                _sync(folder)
        for temporary, name in tallies:
            _rename(temporary, Path(self.root, name))

    @contextmanager
    def publishing(self, name: str, private: bool = False) -> Iterator[Digesting]:
        """A file that exists under its name only once the block has ended without an error.

        `private` files and the folders made for them are for their owner alone (0600, 0700).
        """
        if self._fs:
            with self._uploading(f"{self._base}/{name}") as digest:
                yield digest
            return
        final = Path(self.root, name)
        if private:
            Path(self.root).mkdir(parents=True, exist_ok=True)
            _make_closed(final.parent)
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(final)
        with naming(str(final)):
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o666)
        try:
            with _closing(os.fdopen(handle, "wb"), final) as file:
                yield Digesting(file, str(final))
                with naming(str(final)):
                    file.flush()
                    if self._waiting is None:
                        os.fsync(file.fileno())
            self._publish(temporary, name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    @contextmanager
    def _uploading(self, path: str) -> Iterator[Digesting]:
        with plain_errors():
            try:
                file = self._fs.open(path, "wb")
            except FileNotFoundError:
                # Object stores have no folders to be made: there, making one may make a bucket of a slip of the pen.
                self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
                file = self._fs.open(path, "wb")
        try:
            yield Digesting(Far(file))
            with plain_errors():
                file.close()
        except BaseException:
            # Only a finished upload publishes: what was begun is given up, and not finished when it is collected.
            with suppress(Exception):
                file.discard()
            with suppress(Exception):
                file.closed = True
            raise

    def link_or_copy(self, source: str, name: str) -> str:
        """Put a file of the inputs under `name` as it is: a hard link where the disk can, a copy elsewhere."""
        if not self.remote and not is_remote(source):
            final = Path(self.root, name)
            final.parent.mkdir(parents=True, exist_ok=True)
            temporary = _beside(final)
            with suppress(OSError):
                os.link(os.path.realpath(source), temporary)
                self._publish(temporary, name)
                return "linked"
            temporary.unlink(missing_ok=True)
        with open_bytes(source) as file, self.publishing(name) as out:
            while block := file.read(BLOCK):
                out.write(block)
        return "copied"


def _make_closed(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone; those that are there stay as they are."""
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def _beside(final: Path) -> Path:
    """A name for a file that is being written: the final one is read in it, unless that is about as long as names can be."""
    # Containers that share a volume all have small process ids.
    behind = f".{os.getpid()}{crc32(socket.gethostname().encode()):010}-{next(_numbers)}{_PART}"
    whole = f".{final.name}{behind}"
    return final.with_name(whole if len(os.fsencode(whole)) <= _LONGEST else behind)


@contextmanager
def _closing(file: IO[bytes], final: Path) -> Iterator[IO[bytes]]:
    """Closing writes what is left, so it may fail as writing does."""
    try:
        yield file
    finally:
        with naming(str(final)):
            file.close()


def _rename(temporary: Path, final: Path) -> None:
    with naming(str(final)):
        temporary.replace(final)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritten(error: OSError) -> str:
    """Why an output could not be written, and what to do. What names no file is the spilling of a line too long for memory."""
    if error.errno == errno.ENAMETOOLONG:
        return f"cannot write {error.filename}: its name is too long for this disk; give the shard a shorter one"
    if error.errno is None:  # an object store says in its own words what it wants
        return f"cannot write its output: {describe(error)}"
    where = error.filename or f"to the temporary folder {tempfile.gettempdir()} (TMPDIR sets another)"
    return f"cannot write {where}: {describe(error)}; make room or give access, and run the same command again"
