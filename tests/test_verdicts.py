"""The log of verdicts: only ever added to, safe for several writers, and what stands in the end is what was said last."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam.errors import InputError
from decontam.quarantine.verdicts import DONE, VERDICTS, Event, Verdicts, standing, state_of, verdict_of

SAID = st.lists(st.sampled_from((*VERDICTS, *DONE)), max_size=12)


def events(said: list[str]) -> list[Event]:
    return [Event("a.jsonl", 1, verdict, "ada") for verdict in said]


@pytest.mark.parametrize(
    ("said", "stands", "state"),
    [
        ([], None, "held"),
        (["undo"], None, "held"),
        (["note"], None, "held"),
        (["confirm", "note"], "confirm", "confirmed"),
        (["confirm", "undo"], None, "held"),
        (["release", "confirm", "undo"], "release", "held"),
        (["confirm", "note", "undo"], "confirm", "confirmed"),
        (["confirm", "undo", "undo"], None, "held"),
        (["release", "released", "undo"], "released", "released"),
        (["expired", "note"], "expired", "expired"),
        (["unsure"], "unsure", "held"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else str(value),
)
def test_what_stands(said: list[str], stands: str | None, state: str) -> None:
    verdict = verdict_of(events(said))

    assert stands == (verdict and verdict.verdict)
    assert state == state_of(verdict)


@given(SAID, st.sampled_from([verdict for verdict in VERDICTS if verdict != "undo"]))
def test_undo_takes_back_exactly_the_last(said: list[str], last: str) -> None:
    assert standing(events(said)) == standing(events([*said, last, "undo"]))


@given(SAID)
def test_what_was_done_is_never_taken_back(said: list[str]) -> None:
    done = [verdict for verdict in said if verdict in DONE]

    assert done == [event.verdict for event in standing(events([*said, "undo", "undo"])) if event.verdict in DONE]


def test_the_log_keeps_everything_and_says_who_when_and_why(tmp_path: Path) -> None:
    with Verdicts(tmp_path / "review/verdicts.sqlite") as log:
        log.add(
            [Event("a.jsonl", 1, "confirm", "ada", why="an invoice", probability=0.25, origin="serve"), Event("b.jsonl", 1, "unsure", "bo")]
        )
        log.add([Event("a.jsonl", 1, "undo", "ada")])
    with Verdicts(tmp_path / "review/verdicts.sqlite") as log:
        history = log.history("a.jsonl", 1)

        assert ["confirm", "undo"] == [event.verdict for event in history]
        assert ("ada", "an invoice", 0.25, "serve") == (history[0].reviewer, history[0].why, history[0].probability, history[0].origin)
        assert history[0].at.endswith("+00:00")
        assert {("b.jsonl", 1): "unsure"} == {record: event.verdict for record, event in log.current().items()}
        assert [3] == [event.number for event in log.events(after=2)]


def test_only_its_owner_reads_the_log(tmp_path: Path) -> None:
    with Verdicts(tmp_path / "review/verdicts.sqlite") as log:
        log.add([Event("a.jsonl", 1, "confirm", "ada")])

        assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "review").iterdir()}
        assert 0o700 == stat.S_IMODE((tmp_path / "review").stat().st_mode)


@pytest.mark.parametrize(
    "wrong",
    [
        Event("a.jsonl", 1, "keep", "ada"),
        Event("a.jsonl", 1, "confirm", " "),
        Event("a.jsonl", 1, "confirm", "ada", probability=0.0),
        Event("a.jsonl", 1, "confirm", "ada", origin="mail"),
    ],
)
def test_an_event_that_cannot_be_leaves_nothing_of_its_batch(tmp_path: Path, wrong: Event) -> None:
    with Verdicts(tmp_path / "v.sqlite") as log:
        with pytest.raises(ValueError):
            log.add([Event("a.jsonl", 1, "confirm", "ada"), wrong])

        assert [] == log.events()


def test_threads_and_processes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    code = (
        "import sys\nfrom decontam.quarantine.verdicts import *\n"
        "with Verdicts(sys.argv[1]) as log:\n"
        "    for row in range(100): log.add([Event('p', row, 'confirm', sys.argv[2])])"
    )
    others = [subprocess.Popen([sys.executable, "-c", code, str(path), str(number)]) for number in range(3)]
    with Verdicts(path) as log, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda row: log.add([Event("t", row, "release", "ada")]), range(100)))

        assert [0, 0, 0] == [other.wait() for other in others]
        assert 400 == len(log.events())


def test_what_is_no_log_is_said_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "v.sqlite").write_bytes(b"something else" * 100)

    with pytest.raises(InputError, match="v.sqlite.*--verdicts"):
        Verdicts(tmp_path / "v.sqlite")
    assert b"something else" * 100 == (tmp_path / "v.sqlite").read_bytes()


def test_asking_for_what_is_masked_is_logged(tmp_path: Path) -> None:
    with Verdicts(tmp_path / "v.sqlite") as log:
        log.accessed("a.jsonl", 1, "secrets", "ada")

        assert [("a.jsonl", 1, "secrets", "ada")] == [entry[:4] for entry in log.accesses()]
        assert [] == log.events()


def test_it_is_plain_sqlite_for_whoever_reads_it_later(tmp_path: Path) -> None:
    with Verdicts(tmp_path / "v.sqlite") as log:
        log.add([Event("a.jsonl", 1, "confirm", "ada")])
    columns = "number, shard, row, verdict, reviewer, why, probability, origin"
    with closing(sqlite3.connect(tmp_path / "v.sqlite")) as plain:
        assert [(1, "a.jsonl", 1, "confirm", "ada", "", None, "cli")] == plain.execute(f"select {columns} from events").fetchall()
