"""Folders: where a run writes, on a disk or in an object store; every file appears whole or not at all.

On disks a temporary name, fsync, rename; in object stores the completed upload is what publishes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec

from decontam.files import BLOCK, Digesting, is_remote, open_bytes

_PART = ".decontam-part"


class Folder:
    """Where a run writes: a folder of this machine or a URL. Names are relative, with `/`."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/") or "/"
        self.remote = is_remote(root)
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

    def blocks(self, name: str) -> Iterator[bytes]:
        """The content of a file, some at a time; nothing where there is none."""
        if self.exists(name):
            with open_bytes(self.path(name)) as file:
                while block := file.read(BLOCK):
                    yield block

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
        temporary = final.with_name(f".{final.name}.{os.getpid()}{_PART}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                digest = Digesting(file)
                yield digest
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(final)
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
            temporary = final.with_name(f".{final.name}.{os.getpid()}{_PART}")
            with suppress(OSError):
                os.link(os.path.realpath(source), temporary)
                temporary.replace(final)
                return "linked"
            temporary.unlink(missing_ok=True)
        with open_bytes(source) as file, self.publishing(name) as out:
            while block := file.read(BLOCK):
                out.write(block)
        return "copied"


def _close_to_others(folder: Path, root: Path) -> None:
    while folder != root and root in folder.parents:
        folder.chmod(0o700)
        folder = folder.parent
