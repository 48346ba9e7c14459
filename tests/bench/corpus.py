"""A corpus for benchmarks: JSON lines of text that any machine has, and of ../shared/data where it is there.

python tests/bench/corpus.py FILE.jsonl.zst [MEGABYTES]
"""

from __future__ import annotations

import os
import random
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import orjson
import zstandard

# Where the labelled sets are; a checkout that lies elsewhere names them.
_BESIDE = next((folder / "shared" / "data" for folder in Path(__file__).parents if (folder / "shared" / "data").is_dir()), "shared/data")
SHARED = Path(os.environ.get("DECONTAM_DATA") or _BESIDE)
_SUFFIXES = {".py", ".md", ".rst", ".txt", ".html", ".c", ".h", ".js", ".css", ".pyi", ".json", ".po", ".tcl"}
_LONGEST = 20_000  # characters of one document; p99 of web text is about that
_PROSE = 2 / 3


def shared_rows(pattern: str) -> Iterator[dict]:
    """Rows of the labelled sets whose path fits, where there are any."""
    for path in sorted(SHARED.glob(pattern)):
        with path.open("rb") as file:
            data = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
        yield from (orjson.loads(line) for line in data.splitlines() if line)


def machine_texts() -> Iterator[str]:
    """Sources and documentation of Python, of installed packages and of the system, in pieces."""
    for root in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), "/usr/share/doc", "/usr/share/perl"):
        for path in sorted(Path(root).rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file():
                text = path.read_text("utf-8", "replace")
                yield from (text[at : at + _LONGEST] for at in range(0, len(text), _LONGEST))


def _up_to(texts: list[str], size: float) -> Iterator[bytes]:
    """Documents as JSON lines until they make `size` bytes; round again where there are too few."""
    written = 0
    while texts and written < size:
        for text in texts:
            line = orjson.dumps({"id": f"doc-{written}", "text": text}, option=orjson.OPT_APPEND_NEWLINE)
            written += len(line)
            yield line
            if written >= size:
                return


def write(path: Path, megabytes: float, seed: int = 7) -> None:
    """`megabytes` of JSON lines, the same for the same machine and seed."""
    draw = random.Random(seed)
    prose = [row["text"][:_LONGEST] for row in shared_rows("synthetic/*.jsonl.zst")]
    machine = list(machine_texts())
    draw.shuffle(prose)
    draw.shuffle(machine)
    size = megabytes * 1e6
    lines = [*_up_to(prose, size * _PROSE), *_up_to(machine, size * (1 - _PROSE if prose else 1))]
    draw.shuffle(lines)
    with path.open("wb") as file, zstandard.ZstdCompressor(level=3).stream_writer(file) as out:
        for line in lines:
            out.write(line)


if __name__ == "__main__":
    write(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 200)
