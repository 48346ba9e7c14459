"""The kinds of broken and odd files, as data: what is on the disk, what it holds, and what must come of it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import random
import socket
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from .conftest import COMPRESS

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LONGEST = 100_000  # bytes of a record in the zoo
_RANDOM = random.Random("zoo")
GOOD = [b'{"id": "g%d", "text": "Plain words, number %d."}' % (n, n) for n in range(40)]
TEXT = b"\n".join(GOOD) + b"\n"
LONG = b"".join(b'{"text": "%s"}\n' % _RANDOM.randbytes(40).hex().encode() for _ in range(4000))  # compresses badly: streams of some size
TOO_MANY = r"of [\d,]+ records could not be read .*see errors/"


class Kind(NamedTuple):
    """`data` is what is on the disk, or what makes it; `content` what it holds, None where it cannot be read to its end.

    `errors` are (reason, row) of the lines that must be in errors, None for whatever they are; `says` is a pattern that the
    output of the run must hold; `code` 0: all is well, 1: the shard is named as failed, 2: refused before anything was written.
    """

    name: str
    file: str
    data: bytes | Callable[[Path], None]
    content: bytes | None
    errors: tuple[tuple[str, int], ...] | None = ()
    says: str = ""
    code: int = 0

    def build(self, folder: Path) -> None:
        if isinstance(self.data, bytes):
            Path(folder, self.file).write_bytes(self.data)
        else:
            self.data(Path(folder, self.file))


def _reads(name: str, file: str, data: bytes, content: bytes) -> Kind:
    return Kind(name, file, data, content)


def _fails(name: str, file: str, data: bytes | Callable[[Path], None], says: str) -> Kind:
    return Kind(name, file, data, None, says=f"failed: {file}: .*{file}: .*{says}", code=1)


def _record(name: str, line: bytes, reason: str | None) -> Kind:
    """One odd line in the middle of good ones."""
    content = b"\n".join([*GOOD[:20], line, *GOOD[20:]]) + b"\n"
    return Kind(f"record: {name}", "odd.jsonl", content, content, ((reason, 20),) if reason else ())


def _all_wrong(name: str, data: bytes, reason: str, content: bytes | None = None, file: str = "odd.jsonl") -> Kind:
    """A file of which no line is a record."""
    content = data if content is None else content
    rows = [row for row, line in enumerate(content.split(b"\n")) if line.strip()]
    return Kind(name, file, data, content, tuple((reason, row) for row in rows), TOO_MANY, 1)


def _flipped(data: bytes, at: float) -> bytes:
    place = int(len(data) * at)
    return data[:place] + bytes(byte ^ 0x55 for byte in data[place : place + 8]) + data[place + 8 :]


def _skippable(payload: bytes) -> bytes:
    return struct.pack("<II", 0x184D2A50, len(payload)) + payload


def _checked(data: bytes, **more: int) -> bytes:
    """A zstd frame with a checksum."""
    given = {getattr(zstd.CompressionParameter, name): value for name, value in more.items()}
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1, **given})


def _with_dictionary() -> bytes:
    samples = [b'{"id": "%d", "text": "Plain words, number %d."}' % (n, n * 7) for n in range(2000)]
    return zstd.compress(TEXT, zstd_dict=zstd.train_dict(samples, 2000))


def _long_window() -> bytes:
    """A frame that asks for a window of 2 GiB, as zstd --long=31 writes it; it is valid and holds little."""
    block = struct.pack("<I", len(TEXT) << 3 | 1)[:3] + TEXT
    return struct.pack("<IBB", 0xFD2FB528, 0, (31 - 10) << 3) + block


def _tar(data: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        entry = tarfile.TarInfo("inside.jsonl")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def _zip(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("inside.jsonl", data)
    return file.getvalue()


def _parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"text": [f"Plain words, number {n}." for n in range(500)]}), file)
    return file.getvalue()


def _bound_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path may be 107 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("nothing to screen")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _linked_folder(path: Path) -> None:
    (path.parent.parent / "elsewhere").mkdir()
    (path.parent.parent / "elsewhere/x.jsonl").write_bytes(TEXT)
    path.symlink_to(path.parent.parent / "elsewhere")


def _linked(path: Path) -> None:
    (path.parent.parent / "real").write_bytes(TEXT)
    path.symlink_to(path.parent.parent / "real")


def _gzip_headers(data: bytes) -> bytes:
    """A member with a name, a comment, extra bytes and a checksum of its header: everything that RFC 1952 allows."""
    head = b"\x1f\x8b\x08\x1e\0\0\0\0\0\xff" + struct.pack("<H", 4) + b"xtra" + b"name.jsonl\0" + b"comment\0"
    head += struct.pack("<H", zlib.crc32(head) & 0xFFFF)
    body = zlib.compressobj(wbits=-15)
    return head + body.compress(data) + body.flush() + struct.pack("<II", zlib.crc32(data), len(data))


def _codecs() -> list[Kind]:
    kinds = []
    whole = {".gz": gzip.compress(LONG, mtime=0), ".zst": _checked(LONG), ".bz2": bz2.compress(LONG)}
    parts = {".gz": gzip.compress(TEXT, mtime=0), ".zst": _checked(TEXT), ".bz2": bz2.compress(TEXT)}
    places = {
        ".gz": {"in its magic": 1, "in its header": 5, "behind its header": 10, "in its checksum": -6, "before its checksum": -8},
        ".zst": {"in its magic": 2, "in its header": 5, "in its checksum": -2, "before its checksum": -4},
        ".bz2": {"in its magic": 2, "behind its header": 4, "in a block's header": 12, "in its checksum": -3},
    }
    for codec, data in whole.items():
        name = f"odd.jsonl{codec}"
        part, kind = parts[codec], codec[1:]
        cuts = {**places[codec], "in the middle": len(data) // 2, "at its last byte": -1}
        kinds += [_fails(f"{kind} cut {where}", name, data[:at], r"truncated.*near byte [\d,]+ of") for where, at in cuts.items()]
        kinds += [
            _reads(f"{kind} of zero bytes", name, b"", b""),
            _reads(f"{kind} of nothing, well formed", name, COMPRESS[codec](b""), b""),
            _reads(f"{kind} with empty streams between others", name, part + COMPRESS[codec](b"") * 2 + part, TEXT * 2),
            _reads(f"{kind} cut in streams within a line", name, COMPRESS[codec](TEXT[:70]) + COMPRESS[codec](TEXT[70:]), TEXT),
            _fails(f"{kind} with a second stream that is cut", name, part + data[:-9], r"truncated.*near byte [\d,]+ of"),
            _fails(f"{kind} with a second stream that is damaged", name, part + _flipped(data, 0.5), r"near byte [\d,]+ of"),
            _fails(f"{kind} with a damaged head", name, _flipped(data, 0), r"near byte [\d,]+ of"),
            _fails(f"{kind} damaged in the middle", name, _flipped(data, 0.5), r"near byte [\d,]+ of"),
            _fails(f"{kind} with noise in its middle", name, data[:9000] + _NOISE[:500] + data[9500:], r"near byte [\d,]+ of"),
            _fails(f"{kind} damaged in its checksum", name, data[:-6] + bytes(b ^ 1 for b in data[-6:]), r"near byte [\d,]+ of"),
            _fails(f"{kind} with words behind it", name, part + b"and some words that are no stream", r"near byte [\d,]+ of"),
            _fails(f"plain text named {codec}", name, TEXT, r"near byte [\d,]+ of"),
            _fails(f"a tar named {codec}", name, _tar(TEXT), r"near byte [\d,]+ of"),
            _fails(f"a zip named {codec}", name, _zip(TEXT), "holds a zip archive .*near byte 0"),
            Kind(
                f"{kind} of one endless line",
                name,
                COMPRESS[codec](TEXT + b'{"text": "' + b"0" * 20_000_000 + b'"}\n' + TEXT),
                TEXT + b'{"text": "' + b"0" * 20_000_000 + b'"}\n' + TEXT,
                (("too_large", 40),),
            ),
        ]
        mixed = b"\n".join([*GOOD, b"{", *GOOD[:30], b"\xff", *GOOD[:30], b"[]"])
        streams = [mixed[at : at + 701] for at in range(0, len(mixed), 701)]
        errors = ("malformed", 40), ("bad_utf8", 71), ("not_object", 102)
        kinds.append(Kind(f"{kind} with errors in many streams", name, b"".join(map(COMPRESS[codec], streams)), mixed, errors))
        wrong = next(other for other in whole if other != codec)
        kinds.append(_fails(f"{wrong[1:]} named {codec}", name, parts[wrong], "holds .* by its first bytes.*near byte 0"))
        kinds.append(Kind(f"{kind} named as if it were plain", "odd.jsonl", part, part, None, TOO_MANY, 1))
    return kinds


_TARRED = _tar(TEXT)
_NOISE = _RANDOM.randbytes(100_000)
_UTF16_MARKED = TEXT.decode().encode("utf-16")
_PARQUET = _parquet()
_UTF16 = TEXT.decode().encode("utf-16-be")
_LATIN = [b'{"text": "caf\xe9 number %d"}' % n if n % 20 == 3 else line for n, line in enumerate(GOOD)]
_PRETTY = json.dumps([{"id": n, "text": "Plain words."} for n in range(3)], indent=2).encode()
_ARRAY = b"[\n" + b",\n".join(GOOD) + b"\n]\n"
_ARRAY_ERRORS = tuple(("malformed", row) for row in range(42) if row != 40)
_LARGEST = b'{"text": "' + b"x" * (LONGEST - 12) + b'"}'
_ENDLESS = b'{"text": "' + b"x" * LONGEST + b'"}'

FILES = [
    _reads("zero bytes", "odd.jsonl", b"", b""),
    _reads("newlines only", "odd.jsonl", b"\n" * 1000, b"\n" * 1000),
    _reads("spaces only", "odd.jsonl", b"  \t \r\n" * 10, b"  \t \r\n" * 10),
    _all_wrong("a byte order mark only", b"\xef\xbb\xbf", "malformed"),
    _reads("a byte order mark, then records", "odd.jsonl", b"\xef\xbb\xbf" + TEXT, b"\xef\xbb\xbf" + TEXT),
    _reads("CRLF line ends", "odd.jsonl", TEXT.replace(b"\n", b"\r\n"), TEXT.replace(b"\n", b"\r\n")),
    _reads("both line ends", "odd.jsonl", TEXT + b"\r\n" + GOOD[0] + b"\r\n", TEXT + b"\r\n" + GOOD[0] + b"\r\n"),
    _all_wrong("CR line ends", TEXT.replace(b"\n", b"\r"), "malformed"),
    _reads("no newline at its end", "odd.jsonl", TEXT + GOOD[0], TEXT + GOOD[0]),
    Kind("a last line that was cut", "odd.jsonl", TEXT + GOOD[0][:-9], TEXT + GOOD[0][:-9], (("malformed", 40),)),
    Kind("a tail of NULs, as after a crash", "odd.jsonl", TEXT + bytes(4096), TEXT + bytes(4096), (("malformed", 40),)),
    Kind("UTF-16", "odd.jsonl", _UTF16_MARKED, _UTF16_MARKED, None, TOO_MANY, 1),
    Kind("UTF-16 without a byte order mark", "odd.jsonl", _UTF16, _UTF16, None, TOO_MANY, 1),
    Kind("Latin-1", "odd.jsonl", b"\n".join(_LATIN), b"\n".join(_LATIN), (("bad_utf8", 3), ("bad_utf8", 23)), ),
    _all_wrong("one JSON array", b"[" + b", ".join(GOOD) + b"]", "not_object"),
    Kind("one JSON array over many lines", "odd.jsonl", _ARRAY, _ARRAY, _ARRAY_ERRORS, TOO_MANY, 1),
    _all_wrong("pretty-printed JSON", _PRETTY, "malformed"),
    _all_wrong("CSV", b"id,text\n" + b"".join(b'%d,"Plain words, ""quoted"""\n' % n for n in range(50)), "malformed"),
    _all_wrong("JSON strings", b'"Plain words."\n' * 10, "not_object"),
    _all_wrong("another key", b'{"content": "Plain words."}\n' * 10, "missing_text"),
    Kind("Parquet named .jsonl", "odd.jsonl", _PARQUET, _PARQUET, None, TOO_MANY, 1),
    Kind("a zip that is not packed, named .jsonl", "odd.jsonl", _zip(TEXT), _zip(TEXT), None),
    Kind("a tar in a gzip", "odd.jsonl.gz", gzip.compress(_TARRED), _TARRED, (("malformed", 0), ("malformed", 40)), "", 0),
    Kind("random bytes", "odd.jsonl", _NOISE, _NOISE, None, TOO_MANY, 1),
    Kind("a line that is too large", "odd.jsonl", TEXT + _ENDLESS + b"\n" + TEXT, TEXT + _ENDLESS + b"\n" + TEXT, (("too_large", 40),)),
    Kind("a line that is too large, alone", "odd.jsonl", _ENDLESS * 30, _ENDLESS * 30, (("too_large", 0),), TOO_MANY, 1),
    _reads("a line that is as large as it may be", "odd.jsonl", _LARGEST, _LARGEST),
    _reads("gzip with every optional header", "odd.jsonl.gz", _gzip_headers(TEXT), TEXT),
    _reads("gzip with zeros behind it", "odd.jsonl.gz", gzip.compress(TEXT) + bytes(512), TEXT),
    _reads("zstd with skippable frames", "odd.jsonl.zst", (_skippable(b"note") + zstd.compress(TEXT) + _skippable(b"")) * 2, TEXT * 2),
    _reads("zstd of a skippable frame only", "odd.jsonl.zst", _skippable(b"note"), b""),
    _fails("zstd with a skippable frame, cut", "odd.jsonl.zst", zstd.compress(TEXT) + _skippable(b"note")[:-2], "truncated.*near byte"),
    _fails("zstd that needs a dictionary", "odd.jsonl.zst", _with_dictionary(), "needs the zstd dictionary.*near byte"),
    _fails("zstd with a window of 2 GiB", "odd.jsonl.zst", _long_window(), "window.*near byte"),
    _fails("zstd with zeros behind it", "odd.jsonl.zst", zstd.compress(TEXT) + bytes(512), "near byte"),
    _fails("bzip2 with zeros behind it", "odd.jsonl.bz2", bz2.compress(TEXT) + bytes(512), "near byte"),
    Kind("a folder with a shard's name", "odd.jsonl", _folder, b"", says="skipped .*notes.txt"),
    Kind("a pipe", "odd.jsonl", os.mkfifo, b"", says="skipped .*odd.jsonl: a pipe, not a file"),
    Kind("a socket", "odd.jsonl", _bound_socket, b"", says="skipped .*odd.jsonl: a socket, not a file"),
    Kind("a link to a folder", "odd.jsonl", _linked_folder, b"", says="skipped .*odd.jsonl: a link to a folder"),
    Kind("a link to a file", "odd.jsonl", _linked, TEXT),
    _fails("a link that leads nowhere", "odd.jsonl", lambda path: path.symlink_to("nowhere"), "no such file"),
    _fails("a link to itself", "odd.jsonl", _loop, "symbolic links"),
    Kind("a hidden file", ".odd.jsonl", TEXT, b"", says="skipped .*: hidden"),
    Kind("a file that is no shard", "odd.txt", TEXT, b"", says="skipped .*odd.txt: not .jsonl"),
    Kind("a name that is not UTF-8", os.fsdecode(b"caf\xe9.jsonl"), TEXT, None, (), r"caf\\xe9\.jsonl: its name is not UTF-8; rename", 2),
    _fails("a name of 255 bytes", "n" * 249 + ".jsonl", TEXT, "too long for this disk"),
]  # fmt: skip

_PLAIN_NAMES = r"two words|我们é|-out|per%20cent|it's 'so' $HOME `x`|[a]*?|a\b|a.jsonl.row3|#|a."
NAMES = [*(f"{name}.jsonl" for name in _PLAIN_NAMES.split("|")), "new\nline.jsonl", "\x1b[31mred.jsonl", "UPPER.JSONL"]
NAMES += ["n" * 225 + ".jsonl", "我" * 74 + ".jsonl"]

RECORDS = [
    _record(name, line, reason)
    for name, line, reason in [
        ("a text that is missing", b'{"other": 1}', "missing_text"),
        ("null as text", b'{"text": null}', "not_text"),
        ("a number as text", b'{"text": 5}', "not_text"),
        ("an object as text", b'{"text": {"a": 1}}', "not_text"),
        ("an empty text", b'{"text": ""}', None),
        ("null", b"null", "not_object"),
        ("an empty object", b"{}", "missing_text"),
        ("two objects in a line", b'{"text": "a"}{"text": "b"}', "malformed"),
        ("a comma too many", b'{"text": "a",}', "malformed"),
        ("single quotes", b"{'text': 'a'}", "malformed"),
        ("a comment", b'{"text": "a"} // note', "malformed"),
        ("NaN and infinities", b'{"text": "a", "x": [NaN, Infinity, -Infinity]}', None),
        ("an integer of 20 digits", b'{"text": "a", "x": 12345678901234567890}', None),
        ("an integer of 5000 digits", b'{"text": "a", "x": ' + b"9" * 5000 + b"}", None),
        ("1e999", b'{"text": "a", "x": 1e999}', None),
        ("lone surrogates", b'{"text": "a \\ud800 \\udc00 b", "id": "\\ud800"}', None),
        ("a surrogate in UTF-8", b'{"text": "\xed\xa0\x80"}', "bad_utf8"),
        ("an overlong NUL in UTF-8", b'{"text": "\xc0\x80"}', "bad_utf8"),
        ("a byte that is no UTF-8", b'{"text": "caf\xe9"}', "bad_utf8"),
        ("a character cut in UTF-8", b'{"text": "\xe6\x88"}', "bad_utf8"),
        ("a character beyond Unicode", b'{"text": "\xf4\x90\x80\x80"}', "bad_utf8"),
        ("NULs", bytes(80), "malformed"),
        ("a NUL in a text", b'{"text": "a\0b"}', "malformed"),
        ("an escaped NUL", b'{"text": "a\\u0000b"}', None),
        ("a raw tab in a text", b'{"text": "a\tb"}', "malformed"),
        ("a CR in the middle", b'{"text": "a"}\r{"text": "b"}', "malformed"),
        ("a byte order mark", b'\xef\xbb\xbf{"text": "a"}', None),
        ("two byte order marks", b'\xef\xbb\xbf\xef\xbb\xbf{"text": "a"}', "malformed"),
        ("line separators of Unicode", '{"text": "a\u2028b\u2029c\x85d"}'.encode(), None),
        ("equal keys", b'{"text": "a", "text": "b", "id": 1, "id": 2}', None),
        ("equal keys of two types", b'{"text": "a", "text": 5}', "not_text"),
        ("an empty key", b'{"": "x", "text": "a"}', None),
        ("nesting 40,000 deep", b'{"text": "a", "x": ' + b"[" * 40_000 + b"]" * 40_000 + b"}", "malformed"),
        ("nesting 500 deep", b'{"text": "a", "x": ' + b"[" * 500 + b"]" * 500 + b"}", None),
        ("five thousand keys", json.dumps({"text": "a", **{str(n): n for n in range(5000)}}).encode(), None),
        ("an escape that is none", b'{"text": "\\x41"}', "malformed"),
        ("half an escape", b'{"text": "\\u12"}', "malformed"),
        ("only a backslash", b"\\", "malformed"),
        ("an id of every type", b'{"id": [{"a": null}], "text": "a"}', None),
        ("whitespace of other kinds", b"\x0b\x0c \t\r", None),
        ("a no-break space", b"\xc2\xa0", "malformed"),
    ]
]


def _table(rows: int = 4000, **options: object) -> bytes:
    sink = io.BytesIO()
    texts = [_RANDOM.randbytes(40).hex() for _ in range(rows)]
    pq.write_table(pa.table({"id": [str(row) for row in range(rows)], "text": texts}), sink, **{"row_group_size": 1000, **options})
    return sink.getvalue()


_WHOLE = _table(compression="zstd", use_dictionary=False, write_page_checksum=True)
_MIDDLE = len(_WHOLE) // 2
_UNREADABLE = "not Parquet that can be read"
PARQUET = [
    _fails(f"Parquet: {name}", "odd.parquet", data, says)
    for name, data, says in [
        ("zero bytes", b"", _UNREADABLE),
        ("magic only", b"PAR1", _UNREADABLE),
        ("magic twice, nothing between", b"PAR1" * 2, _UNREADABLE),
        ("JSON lines", TEXT, _UNREADABLE),
        ("gzip", gzip.compress(_WHOLE), _UNREADABLE),
        ("random bytes", _NOISE, _UNREADABLE),
        ("cut in the middle", _WHOLE[:_MIDDLE], _UNREADABLE),
        ("cut by one byte", _WHOLE[:-1], _UNREADABLE),
        ("cut before the footer", _WHOLE[: -8 - struct.unpack("<I", _WHOLE[-8:-4])[0]], _UNREADABLE),
        ("its beginning missing", _WHOLE[_MIDDLE:], _UNREADABLE),
        ("a footer longer than the file", _WHOLE[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1", _UNREADABLE),
        ("a footer of no length", _WHOLE[:-8] + struct.pack("<I", 0) + b"PAR1", _UNREADABLE),
        ("a damaged footer", _WHOLE[:-200] + bytes(100) + _WHOLE[-100:], _UNREADABLE),
        ("an encrypted footer", b"PARE" + _WHOLE[4:-4] + b"PARE", _UNREADABLE),
        ("bytes behind it", _WHOLE + b"\n", _UNREADABLE),
        ("a hole in a page", _WHOLE[:_MIDDLE] + bytes(4000) + _WHOLE[_MIDDLE + 4000 :], rf"row group \d, .*{_UNREADABLE}"),
        ("two files, one behind the other, the second cut", _WHOLE + _WHOLE[:_MIDDLE], _UNREADABLE),
        ("a feather file", b"ARROW1\x00\x00" + _NOISE[:500] + b"ARROW1", _UNREADABLE),
    ]
]

KINDS = [*FILES, *_codecs(), *[_reads(f"name: {name[:30]!r}", name, TEXT, TEXT) for name in NAMES], *RECORDS, *PARQUET]
