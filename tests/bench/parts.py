"""What parts cost: CPU seconds of one run over many small shards, of the same in parts, and of finishing.

python tests/bench/parts.py [SHARDS] [PARTS]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

TEXT = "Plain words, and some more of them. " * 20


def seconds(*arguments: object) -> float:
    """CPU seconds of a command of decontam."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "decontam", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(shards: int = 20_000, parts: int = 4) -> None:
    """Print a line for each."""
    with tempfile.TemporaryDirectory() as folder:
        source, run = Path(folder, "in"), ("run", Path(folder, "in"), "--workers", 0, "--out")
        source.mkdir()
        for number in range(shards):
            (source / f"{number:06}.jsonl").write_text(json.dumps({"id": number, "text": TEXT}) + "\n")
        seconds(*run, Path(folder, "warm"), "--limit", 1)  # compiles what is not in the cache
        print(f"{shards:,} shards in one run: {seconds(*run, Path(folder, 'whole')):.1f} s of CPU")
        each = [seconds(*run, Path(folder, "out"), "--part", f"{number}/{parts}") for number in range(1, parts + 1)]
        print(f"in {parts} parts: {' + '.join(f'{spent:.1f}' for spent in each)} s; finish: {seconds('finish', Path(folder, 'out')):.1f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
