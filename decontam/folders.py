"""Folders: where a run writes, on a disk or in an object store; every file appears whole or not at all.

On disks a temporary name, fsync, rename; in object stores the completed upload is what publishes.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO, Any

import fsspec

from decontam.files import BLOCK, Digesting, describe, is_remote, naming, open_bytes

_PART = ".decontam-part"
_TALLIES = "tallies/"  # what commits a shard
_SYNCS = 16  # files that wait for the disk at once
_numbers = count()


class Folder:
    """Where a run writes: a folder of this machine or a URL. Names are relative, with `/`."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/") or "/"
        self.remote = is_remote(root)
        self._waiting: list[tuple[Path, str]] | None = None
        self._fs: Any = None
        self._base = self.root
        if self.remote:
            self._fs, self._base = fsspec.core.url_to_fs(self.root)

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def exists(self, name: str = "") -> bool:
        return bool(self._fs.exists(f"{self._base}/{name}")) if self._fs else Path(self.root, name).exists()

    def read(self, name: str) -> bytes | None:
        """The content of a file, or None where there is none."""
        try:
            with open_bytes(self.path(name)) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def names(self, below: str = "") -> list[str]:
        """Every file in the folder, or below one of its folders, by its name relative to that."""
        if self._fs:
            root = f"{self._base}/{below}".rstrip("/")
            return [path.removeprefix(root.lstrip("/") if not path.startswith("/") else root).lstrip("/") for path in self._fs.find(root)]
        start = Path(self.root, below)
        return [path.relative_to(start).as_posix() for path in start.rglob("*") if path.is_file()]

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all it holds, if it is there."""
        if self._fs:
            if self._fs.exists(f"{self._base}/{name}"):
                self._fs.rm(f"{self._base}/{name}", recursive=True)
        else:
            path = Path(self.root, name)
            if path.is_dir():
                for inner in path.iterdir():
                    self.remove(f"{name}/{inner.name}")
                path.rmdir()
            else:
                path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what writers that were killed left behind. Object stores drop unfinished uploads by themselves."""
        if not self.remote:
            for path in Path(self.root).rglob(f".*{_PART}"):
                path.unlink(missing_ok=True)

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

        `private` files and their folders are for their owner alone (0600, 0700).
        """
        if self._fs:
            with self._uploading(name) as digest:
                yield digest
            return
        final = Path(self.root, name)
        final.parent.mkdir(parents=True, exist_ok=True)
        if private:
            _close_to_others(final.parent, Path(self.root))
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
    def _uploading(self, name: str) -> Iterator[Digesting]:
        path = f"{self._base}/{name}"
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        file = self._fs.open(path, "wb")
        try:
            digest = Digesting(file)
            yield digest
        except BaseException:
            # Only a finished upload publishes: what was begun is given up, not closed.
            with suppress(Exception):
                file.discard()
            raise
        file.close()

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


def _beside(final: Path) -> Path:
    """A name for a file that is being written. It does not grow with the final one, which may be as long as names can be."""
    return final.with_name(f".{os.getpid()}-{next(_numbers)}{_PART}")


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
    where = error.filename or f"to the temporary folder {tempfile.gettempdir()} (TMPDIR sets another)"
    return f"cannot write {where}: {describe(error)}; make room or give access, and run the same command again"


def _close_to_others(folder: Path, root: Path) -> None:
    while folder != root and root in folder.parents:
        folder.chmod(0o700)
        folder = folder.parent
