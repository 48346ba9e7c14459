"""Plain text: a file as it is, by lines or by paragraphs, each with its bytes."""

from __future__ import annotations

from collections.abc import Iterator

from decontam.codecs import BLOCK
from decontam.errors import InputError
from decontam.files import Source
from decontam.jsonl import line_blocks
from decontam.logs.containers import codec_within

_BOM = b"\xef\xbb\xbf"


def plain_units(path: str, by: str, most: int) -> Iterator[tuple[str, int, int]]:
    """Texts of a file with the bytes at which they stand: by `line`, by `paragraph` (blank lines end one), or all of the `file`.

    Raises ShardError, and InputError for one of more than `most` bytes, or for bytes that are no UTF-8.
    """
    start, size, held = 0, 0, list[bytes]()
    at = 0
    with Source(path, codec_within(path)) as source:
        for lines in line_blocks(source, BLOCK, most):
            for line in lines:
                if not isinstance(line, bytes):
                    raise InputError(f"{path}: a line of {line.size:,} bytes at byte {at:,}, at most {most:,} are read; split it")
                ends = by == "line" or (by == "paragraph" and not line.strip())
                if ends and held:
                    yield _text(path, held, start)
                    held, size = [], 0
                if line.strip() or held:
                    start = start if held else at
                    held.append(line)
                    size += len(line) + 1
                    if size > most:
                        raise InputError(f"{path}: a text of more than {most:,} bytes at byte {start:,}; read it by paragraph")
                at += len(line) + 1
    if any(line.strip() for line in held):
        yield _text(path, held, start)


def _text(path: str, lines: list[bytes], start: int) -> tuple[str, int, int]:
    while lines and not lines[-1].strip():
        lines.pop()
    data = b"\n".join(lines)
    try:
        text = data.removeprefix(_BOM if not start else b"").decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {start + error.start:,} is not UTF-8; convert it") from None
    return text, start, start + len(data)
