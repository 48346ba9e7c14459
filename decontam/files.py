"""Files: the bytes of an input, on a disk or in an object store, compressed or not, with their SHA-256."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import fsspec

from decontam.codecs import BLOCK, BROKEN, Reader, codec_of, decompressing, describe, mistaken
from decontam.errors import DecontamError, InputError, ShardError

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}  # what brings the client of an object store
_HEAD = 4  # bytes that tell what a file is


def is_remote(path: str) -> bool:
    """Whether a path is a URL for fsspec rather than a path of this machine.

    >>> is_remote("s3://bucket/a.jsonl"), is_remote("a.jsonl")
    (True, False)
    """
    return "://" in path


@contextmanager
def naming(path: str | None) -> Iterator[None]:
    """An OSError out of the block is about `path`, whatever it was called while it was written."""
    try:
        yield
    except OSError as error:
        error.filename = path
        raise


class Digesting(io.RawIOBase):
    """A binary file that counts and hashes what passes through it, in either direction.

    Where writing fails, the OSError says that it was `path`.
    """

    def __init__(self, file: Any, path: str | None = None) -> None:
        self._file = file
        self._path = path
        self._hash = hashlib.sha256()
        self.size = 0
        self.head = b""

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
        with naming(self._path):
            self._file.write(data)
        self._count(data)
        return len(data)

    def _count(self, data: Any) -> None:
        if len(self.head) < _HEAD:
            self.head += bytes(data[: _HEAD - len(self.head)])
        self._hash.update(data)
        self.size += len(data)

    def sha256(self) -> str:
        """Of all bytes so far, in hexadecimal."""
        return self._hash.hexdigest()


@contextmanager
def plain_errors() -> Iterator[None]:
    """What the client of an object store raises, as OSError: such clients have errors of their own, of no common kind."""
    try:
        yield
    except (OSError, ImportError, DecontamError):
        raise
    except Exception as error:
        raise OSError(" ".join(str(error).split()) or type(error).__name__) from error


def store_of(url: str) -> tuple[Any, str]:
    """The fsspec file system that a URL names, and the path in it. Raises InputError where it cannot be had."""
    scheme = url.partition("://")[0]
    try:
        with plain_errors():
            fs, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        install = f"install decontam[{_EXTRAS[scheme]}]" if scheme in _EXTRAS else str(error)
        raise InputError(f"{url}: the client for {scheme}:// is not installed; {install}") from None
    except OSError as error:
        raise InputError(f"{url}: cannot be opened: {describe(error)}") from None
    return fs, str(path)


class Far:
    """An open file of an object store whose mishaps are OSErrors, as those of a disk are."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._file, name)
        return _plain(found) if callable(found) else found

    def __enter__(self) -> Far:
        return self

    def __exit__(self, *_: object) -> None:
        _plain(self._file.close)()


def _plain(method: Any) -> Any:
    def called(*given: Any, **named: Any) -> Any:
        with plain_errors():
            return method(*given, **named)

    return called


def open_bytes(path: str) -> IO[bytes]:
    """The raw bytes of a file or URL. Raises OSError, and InputError where no client for the URL is installed."""
    if not is_remote(path):
        return Path(path).open("rb")
    with plain_errors():
        fs, inside = store_of(path)
        far: Any = Far(fs.open(inside, "rb"))
    return far


class Head:
    """The first `most` bytes of what is read."""

    def __init__(self, reader: Reader, most: int) -> None:
        self._reader, self._left = reader, most

    def read(self, size: int = BLOCK, /) -> bytes:
        data = self._reader.read(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        return data


class Source:
    """The decompressed content of a file or URL, to be read once from front to back.

    It is compressed as its name says, or as `codec` does (".gz", "" and so on).
    Raises ShardError where the file cannot be opened, is truncated or is corrupt, as soon as that shows.
    """

    def __init__(self, path: str, codec: str | None = None) -> None:
        self.path = path
        try:
            self._file = open_bytes(path)
        except BROKEN as error:
            raise ShardError(f"{path}: {describe(error)}") from error
        self._raw = Digesting(self._file)
        empty = not is_remote(path) and os.fstat(self._file.fileno()).st_size == 0
        self._content = self._raw if empty else decompressing(self._raw, codec_of(path) if codec is None else codec)

    def read(self, size: int = BLOCK) -> bytes:
        """Up to `size` bytes; none at the end of a file that is whole."""
        try:
            data = self._content.read(size)
            while not data and self._raw.read(BLOCK):  # padding behind the last member belongs to the digest
                pass
        except BROKEN as error:
            why = mistaken(self.path, self._raw.head) or f"{describe(error)}, near byte {self._raw.size:,} of the file"
            raise ShardError(f"{self.path}: {why}") from error
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
