"""Shards that change while they are read: each is named, nothing of it is published, and the others finish."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import fsspec
import pytest

from decontam.chain import Chain
from decontam.config import Config
from decontam.errors import ShardError
from decontam.folders import Folder
from decontam.inputs import Shard, changed, discover
from decontam.run import Job, run
from decontam.screening import Screener
from decontam.types import Finding
from decontam.view import View

LINES = b"".join(b'{"text": "Plain words, %d, %s"}\n' % (n, os.urandom(30).hex().encode()) for n in range(40_000))  # some blocks of reading
PACKED = {"a.jsonl": LINES, "a.jsonl.gz": gzip.compress(LINES, 1)}


def rewritten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


def replaced(path: Path) -> None:
    (path.parent / "new").write_bytes(path.read_bytes()[:-30] + b"x" * 30)
    (path.parent / "new").replace(path)


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(LINES[:100])


def shrunk(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def as_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES = [rewritten, replaced, grown, shrunk, emptied]
ENDS = [Path.unlink, as_a_folder]


class Meddler:
    """A stage that meddles with the shard when it sees its first record."""

    name = "meddler"

    def __init__(self, meddle: Callable[[], None]) -> None:
        self._meddle = [meddle]

    def inspect(self, view: View) -> Iterable[Finding]:
        if self._meddle:
            self._meddle.pop()()
        return ()


def listed(path: Path, content: bytes) -> Shard:
    """A shard on the disk that was last written long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (1, 1))
    return discover([str(path)])[0][0]


@pytest.mark.parametrize("name", sorted(PACKED))
@pytest.mark.parametrize("change", [*CHANGES, *ENDS], ids=lambda change: change.__name__)
def test_a_change_while_it_is_read(name: str, change: Callable[[Path], None], config: Config, chain: Chain, tmp_path: Path) -> None:
    path = tmp_path / "in" / name
    shard = listed(path, PACKED[name])
    meddling = Chain((*chain.stages, Meddler(lambda: change(path))), chain.policy)
    says = "changed while it was read: .* run the same command again" if change in CHANGES else "changed while|gone or out of reach"
    with pytest.raises(ShardError, match=says) as error:
        Screener(config, meddling, Folder(str(tmp_path / "out")), "x").screen(shard)

    assert str(path) in str(error.value)
    assert [] == [found for found in tmp_path.rglob("out/**/*") if found.is_file()]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_change_between_listing_and_reading_costs_no_neighbour(workers: int, config: Config, tmp_path: Path) -> None:
    small = b'{"text": "Plain words."}\n' * 9
    changes = [*CHANGES, *ENDS]
    for number, _ in enumerate(changes):
        listed(tmp_path / f"in/bad{number}.jsonl", small)
        listed(tmp_path / f"in/good{number}.jsonl", small)
    shards, _ = discover([str(tmp_path / "in")])
    for number, change in enumerate(changes):
        change(tmp_path / f"in/bad{number}.jsonl")
    report = run(Job(config=config, shards=shards, out=str(tmp_path / "out"), workers=workers))

    assert {f"bad{number}.jsonl" for number, _ in enumerate(changes)} == report["problems"].keys()
    assert {f"good{number}.jsonl" for number, _ in enumerate(changes)} == {path.name for path in (tmp_path / "out/kept").iterdir()}
    assert {small} == {path.read_bytes() for path in (tmp_path / "out/kept").iterdir()}
    assert not [path for path in (tmp_path / "out").rglob("*bad*")]
    for path in [tmp_path / f"in/bad{number}.jsonl" for number, _ in enumerate(changes)]:
        if path.is_dir():
            path.rmdir()
        path.write_bytes(small)
    again = run(Job(config=config, shards=discover([str(tmp_path / "in")])[0], out=str(tmp_path / "out"), workers=workers))

    assert {} == again["problems"]
    assert 9 * len(shards) == again["tally"]["records"]


def test_in_an_object_store_too() -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe("/changing/a.jsonl", b'{"text": "a"}\n')
    ((shard,), _) = discover(["memory://changing/a.jsonl"])

    assert changed(shard) is None
    fs.pipe("/changing/a.jsonl", b'{"text": "a"}\n' * 2)
    assert "changed while it was read: 14 bytes when the run began, 28 bytes now" in str(changed(shard))
    fs.rm("/changing/a.jsonl")
    assert "gone" in str(changed(shard))
