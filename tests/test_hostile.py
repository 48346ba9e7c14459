"""A zoo of broken and odd files. Each has healthy neighbours, which must come through complete and identical.

`python -m tests.test_hostile` prints the table: kinds tried, records lost, doubled, neighbours lost.
"""

from __future__ import annotations

import gzip
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import orjson
import pytest

from decontam.cli import main
from decontam.config import Config
from decontam.layout import Unreadable, layout_of

from .conftest import shard
from .test_nothing_lost import accounted_for
from .test_run import API, BAD, BOTH, HUMAN, MAIL, tree
from .zoo import KINDS, LONGEST, Kind

HEALTHY = [HUMAN, API, MAIL, HUMAN, BAD[0], BOTH, *[HUMAN] * 200]
NEIGHBOURS = "!first.jsonl.gz", "~last.jsonl"  # one before and one behind the odd file
CONFIG = f"input: {{max_record_bytes: {LONGEST}}}\nquarantine: {{secrets: keep}}\n"


class Seen(NamedTuple):
    """What became of an odd file: how many of its lines are not where they should be, and what else is wrong, in words."""

    lost: int
    doubled: int
    neighbours_lost: int
    complaints: tuple[str, ...]
    said: str


def called(*arguments: object) -> tuple[int, str]:
    """Exit code and words of a command, as the shell would see them."""
    said = io.StringIO()
    with mock.patch.object(sys, "argv", ["decontam", *map(str, arguments)]), redirect_stdout(said), redirect_stderr(said):
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0), said.getvalue()
    return 0, said.getvalue()


def laid_out(folder: Path, *kinds: Kind) -> Path:
    for name in NEIGHBOURS:
        shard(folder / "in" / name, HEALTHY)
    for kind in kinds:
        kind.build(folder / "in")
    (folder / "c.yaml").write_text(CONFIG)
    return folder


def screened(folder: Path, *options: object) -> tuple[int, str]:
    return called("run", folder / "in", "--out", folder / "out", "--config", folder / "c.yaml", *(options or ("--workers", 0)))


def of_neighbours(out: Path) -> dict[str, bytes]:
    """The outputs of the healthy shards, but for the path in their tallies."""
    found = {name: content for name, content in tree(out).items() if any(healthy in name for healthy in NEIGHBOURS)}
    return {name: orjson.dumps(orjson.loads(data)["tally"]) if name.startswith("tallies") else data for name, data in found.items()}


def looked_at(kind: Kind, out: Path, code: int, said: str, calm: dict[str, bytes]) -> Seen:
    """What became of a kind of file, against what must."""
    complaints = []
    here = of_neighbours(out)
    lost = sum(here.get(name) != content for name, content in calm.items()) if kind.code != 2 else 0
    if kind.code != code:
        complaints.append(f"exit code {code}, not {kind.code}")
    if not re.search(kind.says, said):
        complaints.append("does not say " + kind.says)
    if kind.code == 2:
        return Seen(0, 0, lost, (*complaints, *(["wrote something"] if out.exists() else [])), said)
    if kind.content is None:
        names = [str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()]
        published = [name for name in names if f"/{kind.file}" in name]
        complaints += [f"published {name}" for name in published]
        return Seen(0, 0, lost, tuple(complaints), said)
    given = kind.content.split(b"\n")
    found, _ = accounted_for(out, kind.file, given)
    missing = sum(line != back for line, back in zip(given, found, strict=False) if line.strip())
    log = out / f"errors/{kind.file}.jsonl"
    errors = [orjson.loads(line) for line in log.read_bytes().splitlines()] if log.exists() else []
    rows = tuple((error["reason"], error["row"]) for error in errors)
    if kind.errors not in {None, rows}:
        complaints.append(f"errors are {rows[:6]}, not {kind.errors}")
    starts = [0]
    for line in given:
        starts.append(starts[-1] + len(line) + 1)
    complaints += [f"row {e['row']} is at byte {starts[e['row']]}, not {e['offset']}" for e in errors if starts[e["row"]] != e["offset"]]
    complaints += [f"row {e['row']} is from {e['source']}" for e in errors if e["source"] != kind.file or not e["message"]]
    return Seen(missing, len(found) - len(given), lost, tuple(complaints), said)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = laid_out(tmp_path_factory.mktemp("calm"))
    screened(folder)
    return of_neighbours(folder / "out")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_broken_file_is_named_and_costs_its_neighbours_nothing(kind: Kind, calm: dict[str, bytes], tmp_path: Path) -> None:
    folder = laid_out(tmp_path, kind)
    seen = looked_at(kind, folder / "out", *screened(folder), calm)

    assert (0, 0, 0, ()) == seen[:4], seen.said
    assert "Traceback" not in seen.said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"text": "a",}', "not JSON at byte 13 of the line"),
        ('{"text": "我们",}'.encode(), "not JSON at byte 18 of the line"),
        (b'\xef\xbb\xbf{"text": "a",}', "not JSON at byte 16 of the line"),
        (b'{"text": "a"}{}', "not JSON at byte 13 of the line"),
        (b'{"text": "\xe6\x88\x91\xff"}', "byte 13 of the line is not UTF-8"),
        (b'\xef\xbb\xbf{"text": "\xff"}', "byte 13 of the line is not UTF-8"),
        (b"", "not JSON at byte 0 of the line"),
    ],
)
def test_an_error_names_the_byte_of_its_line(line: bytes, says: str, config: Config) -> None:
    found = layout_of(config).read(line, "a.jsonl", 0)

    assert isinstance(found, Unreadable)
    assert says in found.message


@pytest.mark.parametrize("workers", [0, 2])
def test_all_of_them_at_once(workers: int, calm: dict[str, bytes], tmp_path: Path) -> None:
    """Every kind that a run takes, each in a folder of its own, in one run."""
    taken = [kind for kind in KINDS if kind.code != 2]
    folder = laid_out(tmp_path)
    for number, kind in enumerate(taken):
        (folder / f"in/{number}").mkdir()
        kind.build(folder / f"in/{number}")
    code, said = screened(folder, "--workers", workers, "--log-format", "json")
    problems = orjson.loads(said.splitlines()[-1])["problems"]

    assert 1 == code
    assert {f"{number}/{kind.file}" for number, kind in enumerate(taken) if kind.code == 1} == problems.keys()
    assert calm == of_neighbours(folder / "out")
    for number, kind in enumerate(taken):
        here = kind._replace(file=f"{number}/{kind.file}", says="", code=1)
        assert (0, 0, 0, ()) == looked_at(here, folder / "out", code, said, calm)[:4], kind.name


@pytest.mark.parametrize("content", [b"no gzip at all", gzip.compress(b"id,text\n" * 500)], ids=["unreadable", "no record"])
def test_a_bad_first_shard_does_not_hold_up_the_others(content: bytes, screen_files: Callable, tmp_path: Path) -> None:
    """Pre-flight looks at the first shards; one that is all wrong is no reason to refuse the run."""
    shard(tmp_path / "in/b.jsonl", [HUMAN, MAIL])
    (tmp_path / "in/a.jsonl.gz").write_bytes(content)
    report = screen_files(tmp_path / "in")

    assert {"a.jsonl.gz"} == report["problems"].keys()
    assert (tmp_path / "out/kept/b.jsonl").exists()


def test_a_thousand_tiny_shards(screen_files: Callable, tmp_path: Path) -> None:
    """Published in groups: all of them are there, the books balance, and broken ones among them cost nobody else anything."""
    for number in range(1000):
        path = shard(tmp_path / f"in/{number:04}.jsonl", [HUMAN if number % 3 else MAIL])
        if number % 100 == 50:
            path.rename(path.with_suffix(".jsonl.gz"))
    report = screen_files(tmp_path / "in", workers=2)
    kept = {path.name: path for path in (tmp_path / "out/kept").iterdir()}
    tallies = {path.name.removesuffix(".json") for path in (tmp_path / "out/tallies").iterdir()}

    assert {f"{number:04}.jsonl.gz" for number in range(50, 1000, 100)} == report["problems"].keys()
    assert {f"{number:04}.jsonl" for number in range(1000) if number % 100 != 50} == kept.keys() == tallies
    assert 990 == report["tally"]["records"] == report["shards"]["done"]
    assert {False} == {(tmp_path / "in" / name).read_bytes() == path.read_bytes() for name, path in kept.items() if not int(name[:4]) % 3}
    assert {True} == {(tmp_path / "in" / name).read_bytes() == path.read_bytes() for name, path in kept.items() if int(name[:4]) % 3}
    assert not list((tmp_path / "out").rglob("*decontam-part*"))


def report() -> None:
    with tempfile.TemporaryDirectory() as top:
        first = laid_out(Path(top, "calm"))
        screened(first)
        calm, totals = of_neighbours(first / "out"), [0, 0, 0, 0]
        for number, kind in enumerate(KINDS):
            folder = laid_out(Path(top, str(number)), kind)
            code, said = screened(folder)
            seen = looked_at(kind, folder / "out", code, said, calm)
            totals = [total + more for total, more in zip(totals, (*seen[:3], len(seen.complaints)), strict=True)]
            told = next((line for line in said.splitlines() if re.search(kind.says, line)), "") if kind.says else ""
            print(f"{kind.name:44} exit {code}  errors {len(kind.errors or ()):3}  {told.replace(str(folder) + '/', '')[:170]}")
            for complaint in seen.complaints:
                print("    !!", complaint, "\n    ", said.strip()[-500:])
            shutil.rmtree(folder, ignore_errors=True)
    lost, doubled, neighbours, complaints = totals
    print(
        f"{len(KINDS)} kinds of file: records lost {lost}, doubled {doubled}; neighbours lost {neighbours}; other complaints {complaints}"
    )


if __name__ == "__main__":
    report()
