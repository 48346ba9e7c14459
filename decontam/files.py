"""Files: bytes in and bytes out, on disks and in object stores, compressed or not, each with its SHA-256.

Reading goes on across the members of a gzip file, the frames of a zstd file and the streams of a bzip2 file, and a
file that stops in the middle of one is an error, never a short read. Writing is whole-file-or-nothing: on disks a
temporary name, fsync, rename; in object stores the completed upload is what publishes.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import IO, Any, Protocol

import fsspec
from isal import igzip

from decontam.errors import ShardError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK = 1 << 20
CODECS = (".gz", ".zst", ".bz2")
_PART = ".decontam-part"
_GZIP_LEVEL = 1  # of isa-l's 0 to 3: 366 MB/s against 32 for zlib's level 6


def codec_of(name: str) -> str:
    """`.gz`, `.zst`, `.bz2`, or nothing.

    >>> codec_of("a/b.jsonl.zst"), codec_of("b.jsonl")
    ('.zst', '')
    """
    suffix = PurePath(name).suffix.lower()
    return suffix if suffix in CODECS else ""


def is_remote(path: str) -> bool:
    """Whether a path is a URL for fsspec rather than a path of this machine.

    >>> is_remote("s3://bucket/a.jsonl"), is_remote("a.jsonl")
    (True, False)
    """
    return "://" in path


class Reader(Protocol):
    """What bytes are read from."""

    def read(self, size: int = -1, /) -> bytes: ...


class Writer(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> int: ...

    def close(self) -> None: ...


class Digesting(io.RawIOBase):
    """A binary file that counts and hashes what passes through it, in either direction."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._count(data)
        return len(data)

    def read(self, size: int | None = -1) -> bytes:
        data = self._file.read(-1 if size is None else size)
        self._count(data)
        return data

    def write(self, data: Any) -> int:
        self._file.write(data)
        self._count(data)
        return len(data)

    def _count(self, data: Any) -> None:
        self._hash.update(data)
        self.size += len(data)

    def sha256(self) -> str:
        """Of all bytes so far, in hexadecimal."""
        return self._hash.hexdigest()


def open_bytes(path: str) -> IO[bytes]:
    """The raw bytes of a file or URL. Raises OSError."""
    return fsspec.open(path, "rb").open() if is_remote(path) else Path(path).open("rb")


def decompressing(raw: Any, codec: str) -> Reader:
    """What a compressed file holds; the file as it is where `codec` is empty."""
    if codec == ".gz":
        return igzip.IGzipFile(fileobj=raw, mode="rb")
    if codec == ".zst":
        return zstd.ZstdFile(raw, "rb")
    if codec == ".bz2":
        return io.BufferedReader(_Bzip2(raw), BLOCK)
    return raw


def compressing(raw: Any, codec: str, zstd_level: int) -> Writer:
    """A file to write to, so that `raw` receives it compressed; closing it leaves `raw` open."""
    if codec == ".gz":
        return igzip.IGzipFile(filename="", fileobj=raw, mode="wb", compresslevel=_GZIP_LEVEL, mtime=0)
    if codec == ".zst":
        return zstd.ZstdFile(raw, "wb", level=zstd_level)
    if codec == ".bz2":
        return bz2.BZ2File(raw, "wb")
    return io.BufferedWriter(_Unclosing(raw), BLOCK)


class _Unclosing(io.RawIOBase):
    def __init__(self, file: Writer) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._file.write(data)


class _Bzip2(io.RawIOBase):
    """bz2.BZ2File takes a damaged second stream for padding and stops without a word; this does not."""

    def __init__(self, raw: Reader) -> None:
        self._raw = raw
        self._stream = bz2.BZ2Decompressor()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._stream.eof:
                rest = self._stream.unused_data or self._raw.read(BLOCK)
                if not rest:
                    return 0
                self._stream = bz2.BZ2Decompressor()
            elif self._stream.needs_input:
                rest = self._raw.read(BLOCK)
                if not rest:
                    raise EOFError
            else:
                rest = b""
            data = self._stream.decompress(rest, len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)


_BROKEN = (OSError, EOFError, ValueError, zstd.ZstdError)  # what the codecs raise for broken input


class Source:
    """The decompressed content of a file or URL, to be read once from front to back.

    Raises ShardError where the file cannot be opened, is truncated or is corrupt, as soon as that shows.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._file = open_bytes(path)
        except _BROKEN as error:
            raise ShardError(f"{path}: {describe(error)}") from error
        self._raw = Digesting(self._file)
        empty = not is_remote(path) and os.fstat(self._file.fileno()).st_size == 0
        self._content = self._raw if empty else decompressing(self._raw, codec_of(path))

    def read(self, size: int = BLOCK) -> bytes:
        """Up to `size` bytes; none at the end of a file that is whole."""
        try:
            data = self._content.read(size)
            while not data and self._raw.read(BLOCK):  # padding behind the last member belongs to the digest
                pass
        except _BROKEN as error:
            raise ShardError(f"{self.path}: {describe(error)}, near byte {self._raw.size:,} of the file") from error
        return data

    @property
    def size(self) -> int:
        """Bytes of the file itself read so far."""
        return self._raw.size

    def sha256(self) -> str:
        """Of the file itself, once it was read to the end."""
        return self._raw.sha256()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def describe(error: BaseException) -> str:
    """An error of the operating system or a codec in words, without the path that the caller names anyway."""
    if isinstance(error, EOFError):
        return "truncated: the compressed stream stops in the middle"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return str(error) or type(error).__name__


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
        with suppress(NotImplementedError, FileExistsError):
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
