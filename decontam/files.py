"""Files: the bytes of an input, on a disk or in an object store, compressed or not, with their SHA-256; and the codecs.

Reading goes on across the members of a gzip file, the frames of a zstd file and the streams of a bzip2 file, and a
file that stops in the middle of one is an error, never a short read.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO, Any, Protocol

import fsspec
from isal import igzip, igzip_lib

from decontam.errors import DecontamError, InputError, ShardError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK = 1 << 20
CODECS = (".gz", ".zst", ".bz2")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}  # what brings the client of an object store
_HEAD = 4  # bytes that tell what a file is
_HEADS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"PK\x03\x04": "a zip archive",
}
_HOLDS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2"}
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


# What codecs raise for broken input; the stub of isal takes its error for an instance.
_BROKEN: tuple[type[Exception], ...] = (OSError, EOFError, ValueError, zstd.ZstdError, igzip_lib.IsalError)  # type: ignore[assignment]


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
            why = self._mistaken() or f"{describe(error)}, near byte {self._raw.size:,} of the file"
            raise ShardError(f"{self.path}: {why}") from error
        return data

    def _mistaken(self) -> str | None:
        """What the first bytes of a file that cannot be read tell, where that is not what its name says."""
        holds = next((kind for head, kind in _HEADS.items() if self._raw.head.startswith(head)), None)
        named = _HOLDS.get(PurePath(self.path).suffix.lower())
        if holds is None or holds == named:
            return None
        return f"holds {holds} by its first bytes, not what its name says, near byte 0 of the file; rename it, or convert it to JSON lines"

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


# What codecs say, which may quote the bytes of a file, and what it means.
_MEANS = (
    ("not a gzipped file", "damaged, or not gzip: no stream begins"),
    ("dictionary", "needs the zstd dictionary that it was made with; write it again without one"),
    ("too much memory", "needs a zstd window of more than 128 MiB (zstd --long); write it again without --long"),
    ("check", "damaged: its checksum does not match"),
    ("unknown frame descriptor", "damaged, or not zstd: no frame begins"),
    ("invalid data stream", "damaged, or not bzip2"),
)


def describe(error: BaseException) -> str:
    """An error of the operating system or a codec in words, without the path that the caller names anyway."""
    if isinstance(error, EOFError):
        return "truncated: the compressed stream stops in the middle"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    if isinstance(error, PermissionError):
        return f"access denied ({error}); check the credentials and what they allow"
    said = str(error).lower()
    means = next((means for words, means in _MEANS if words in said), None)
    if means is None and isinstance(error, OSError):
        return str(error) or type(error).__name__
    return means or "damaged: it cannot be decompressed"
