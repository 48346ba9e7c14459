"""Codecs: gzip, zstd and bzip2, read to their ends or not at all; and what their errors mean.

Reading goes on across the members of a gzip file, the frames of a zstd file and the streams of a bzip2 file, and a
file that stops in the middle of one is an error, never a short read.
"""

from __future__ import annotations

import bz2
import io
import sys
from pathlib import PurePath
from typing import Any, Protocol

from isal import igzip, igzip_lib

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK = 1 << 20
CODECS = (".gz", ".zst", ".bz2")
_HEADS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"PK\x03\x04": "a zip archive",
}
_HOLDS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2"}
_GZIP_LEVEL = 1  # of isa-l's 0 to 3: 366 MB/s against 32 for zlib's level 6


class Reader(Protocol):
    """What bytes are read from."""

    def read(self, size: int = -1, /) -> bytes: ...


class Writer(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> int: ...

    def close(self) -> None: ...


def codec_of(name: str) -> str:
    """`.gz`, `.zst`, `.bz2`, or nothing.

    >>> codec_of("a/b.jsonl.zst"), codec_of("b.jsonl")
    ('.zst', '')
    """
    suffix = PurePath(name).suffix.lower()
    return suffix if suffix in CODECS else ""


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
BROKEN: tuple[type[Exception], ...] = (OSError, EOFError, ValueError, zstd.ZstdError, igzip_lib.IsalError)  # type: ignore[assignment]


def mistaken(path: str, head: bytes) -> str | None:
    """What the first bytes of a file that cannot be read tell, where that is not what its name says."""
    holds = next((kind for start, kind in _HEADS.items() if head.startswith(start)), None)
    if holds is None or holds == _HOLDS.get(PurePath(path).suffix.lower()):
        return None
    return f"holds {holds} by its first bytes, not what its name says, near byte 0 of the file; rename it, or convert it to JSON lines"


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
