"""What was taken out goes back as it was, once, and the next run knows it; what may not be kept goes."""

from __future__ import annotations

import json
import stat
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from decontam import finished
from decontam.audit.verify import verify
from decontam.config import load_config
from decontam.errors import ConfigError, InputError
from decontam.quarantine import ledger
from decontam.quarantine.expiring import expire
from decontam.quarantine.releasing import Released, judged, release
from decontam.quarantine.verdicts import Event, Verdicts, state_of

from .conftest import shard
from .test_cli import decontam
from .test_run import API, BOTH, HUMAN, KEY, MAIL, SECRET, lines_of

TAKEN = {"policy": {"actions": [{"rule": "pii/*", "action": "quarantine"}]}}
ODD = b'{ "text" : "write to odalys.brennwald@gartenfreunde-nord.de \\u00e9 \\/" , "n": 1.0, "big": 123456789012345678901234567890 }'


def take(out: Path, places: list[tuple[str, int]] | None = None, by: str = "jane") -> Released:
    """Judge records, all of them by default, to be released, and release them."""
    run = finished.opened(str(out))
    with Verdicts(out / "review/verdicts.sqlite") as log:
        if places is None:
            places = [
                (name, row["row"])
                for name in run.shards("quarantine")
                for row in rows_of(out, name)
                if (name, row["row"]) not in log.current()
            ]
        if places:
            judged(run, log, places, "release", by, "a test")
        return release(run, log, by)


def rows_of(out: Path, shard: str) -> list[dict]:
    return pq.read_table(out / f"quarantine/{shard}.parquet").to_pylist()


def released(out: Path, shard: str) -> list[bytes]:
    return [line for path in sorted((out / "release").glob(f"*/{shard}")) for line in lines_of(path) if line]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "deep/a.ndjson.bz2"])
def test_what_is_kept_and_all_that_is_released_is_the_input(name: str, screen_files: Callable, tmp_path: Path) -> None:
    lines = [HUMAN, API, MAIL, ODD, HUMAN, API, b"", {"text": "lone"}, MAIL]
    path = shard(tmp_path / "in" / name, lines)
    screen_files(tmp_path / "in", config=load_config(None, TAKEN))
    done = take(tmp_path / "out")
    kept, back = lines_of(tmp_path / "out/kept" / name), released(tmp_path / "out", name)

    assert (5, 0) == (done.records, len(done.refused))
    assert Counter(lines_of(path)) == Counter(kept) + Counter(back)
    assert ODD in back


def test_rows_of_parquet_go_back_with_their_schema(screen_files: Callable, tmp_path: Path) -> None:
    columns = {
        "text": pa.array([record["text"] for record in (HUMAN, API, MAIL) * 9], pa.large_string()),
        "n": pa.array(range(27), pa.int16()),
        "at": pa.array([datetime(2026, 1, 1)] * 27, pa.timestamp("ns")),
        "tags": pa.array([["a", None], None, []] * 9, pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    }
    table = pa.table(columns).replace_schema_metadata({"made": "by a test"})
    (tmp_path / "in").mkdir()
    pq.write_table(table, tmp_path / "in/a.parquet", row_group_size=10)
    screen_files(tmp_path / "in", config=load_config(None, TAKEN))
    take(tmp_path / "out")
    kept, back = (pq.read_table(tmp_path / "out" / name) for name in ("kept/a.parquet", "release/0001/a.parquet"))

    assert kept.schema.equals(back.schema, check_metadata=True)
    assert pq.read_table(tmp_path / "in/a.parquet").equals(pa.concat_tables([kept, back]).sort_by("n"))


def test_a_record_is_released_once_and_what_is_new_gets_a_file_of_its_own(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [API, HUMAN, API, API]))
    out = tmp_path / "out"
    first, again = take(out, [("a.jsonl", 2)]), take(out, [])
    second = take(out, [("a.jsonl", 0)])

    assert (1, 0, 1) == (first.records, again.records, second.records)
    assert (("release/0001/a.jsonl",), (), ("release/0002/a.jsonl",)) == (first.files, again.files, second.files)
    assert 2 == len(released(out, "a.jsonl"))
    with pytest.raises(InputError, match="was released at"):
        take(out, [("a.jsonl", 0)])
    with Verdicts(out / "review/verdicts.sqlite") as log:
        events = log.history("a.jsonl", 2)
        current = log.current()
    assert ["release", "released"] == [event.verdict for event in events]
    assert ("released", "held") == tuple(state_of(current.get(("a.jsonl", row))) for row in (2, 3))
    assert verify(str(out)).ok


@pytest.mark.parametrize("where", ["before the ledger", "before the log"])
def test_a_release_that_was_killed_is_finished_by_the_next_one(
    where: str, screen_files: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [API, HUMAN, API]))
    out = tmp_path / "out"

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if where == "before the ledger":
            patch.setattr(ledger, "append", killed)
        else:
            real = Verdicts.add
            patch.setattr(
                Verdicts, "add", lambda log, events: [*map(killed, events)] if "released" in str(events := [*events]) else real(log, events)
            )
        with pytest.raises(KeyboardInterrupt):
            take(out)
    if where == "before the ledger":  # as if the kill had come between two renames
        (out / "release/0001").mkdir(parents=True, exist_ok=True)
        (out / "release/0001/a.jsonl").write_bytes(b"half of ")
    take(out, [])

    assert 2 == len(released(out, "a.jsonl")) == len((out / "release/0001/a.jsonl").read_bytes().splitlines())
    assert verify(str(out)).ok
    assert 0 == take(out, []).records


def test_what_is_not_the_record_any_more_is_not_given_back(screen_files: Callable, tmp_path: Path) -> None:
    path = shard(tmp_path / "in/a.jsonl", [BOTH, API])
    screen_files(path)
    done = take(tmp_path / "out")

    assert [("a.jsonl", 0)] == [refused[:2] for refused in done.refused]
    assert "credentials were masked" in done.refused[0].why
    assert [json.dumps(API).encode()] == released(tmp_path / "out", "a.jsonl")
    screen_files(path, config=load_config(None, {"quarantine": {"secrets": "keep"}}), out=tmp_path / "whole")
    assert 2 == take(tmp_path / "whole").records
    screen_files(path, config=load_config(None, {"quarantine": {"original": "drop"}}), out=tmp_path / "none")
    assert (0, 2) == ((done := take(tmp_path / "none")).records, len(done.refused))


def next_run(allow: Path, **more: object) -> dict:
    return {"policy": {"allow": [{"records": str(allow), "reason": "given back", "by": "jane", "expires": "2099-01-01"}], **more}}


def test_the_next_run_keeps_what_was_given_back_wherever_it_stands(screen_files: Callable, tmp_path: Path) -> None:
    path = shard(tmp_path / "in/a.jsonl", [API, MAIL, HUMAN])
    screen_files(path, config=load_config(None, TAKEN))
    take(tmp_path / "out", [("a.jsonl", 0)])
    other = {**API, "id": "another", "more": 1}
    near = {**API, "text": API["text"] + " "}
    report = screen_files(
        shard(tmp_path / "next/b.jsonl.gz", [other, near, MAIL, HUMAN]),
        out=tmp_path / "next-out",
        config=load_config(None, next_run(tmp_path / "out/review/allow.txt", actions=TAKEN["policy"]["actions"])),
    )

    assert {"kept": 2, "quarantined": 2} == report["tally"]["outcomes"]
    assert json.dumps(other).encode() in lines_of(tmp_path / "next-out/kept/b.jsonl.gz")


def test_what_is_found_since_counts_in_a_record_that_was_given_back(screen_files: Callable, tmp_path: Path) -> None:
    """It was judged without its credential; the list knows what was seen."""
    record = {"text": f"{API['text']} and {KEY}"}
    blind = load_config(None, {"stages": {"secrets": {"enabled": False}}})
    path = shard(tmp_path / "in/a.jsonl", [record, HUMAN])
    screen_files(path, config=blind)
    take(tmp_path / "out")
    report = screen_files(path, out=tmp_path / "next", config=load_config(None, next_run(tmp_path / "out/review/allow.txt")))

    assert {"kept": 1, "redacted": 1} == report["tally"]["outcomes"]


def test_a_list_belongs_to_the_key_of_its_run(screen_files: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "a key that is long enough")
    monkeypatch.setenv("THEIRS", "another key, as long as it")
    path = shard(tmp_path / "in/a.jsonl", [API, HUMAN])
    screen_files(path, config=load_config(None, {"policy": {"key": {"env": "OURS"}}}))
    take(tmp_path / "out")
    allow = tmp_path / "out/review/allow.txt"
    ours = load_config(None, next_run(allow, key={"env": "OURS"}))

    assert "secret" not in allow.read_text()
    assert {"kept": 2} == screen_files(path, out=tmp_path / "next", config=ours)["tally"]["outcomes"]
    for key in ({"env": "THEIRS"}, None):
        with pytest.raises(ConfigError, match="was written with the key"):
            screen_files(path, out=tmp_path / "x", config=load_config(None, next_run(allow, key=key)))
    monkeypatch.setenv("OURS", "not what it was any more")
    with pytest.raises(InputError, match="that run had the key"):
        take(tmp_path / "out", [])


def test_a_list_without_a_key_is_for_its_owner_alone(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [API, HUMAN]))
    take(tmp_path / "out")
    allow = tmp_path / "out/review/allow.txt"

    assert 0o600 == stat.S_IMODE(allow.stat().st_mode)
    assert "secret" in allow.read_text().splitlines()[0]
    other = tmp_path / "other.txt"
    other.write_text("something else\n")
    for path in (other, tmp_path / "none.txt"):
        with pytest.raises(ConfigError, match="list that decontam quarantine release wrote"):
            screen_files(shard(tmp_path / "in/a.jsonl", [API]), out=tmp_path / "x", config=load_config(None, next_run(path)))


def test_another_list_is_another_run(screen_files: Callable, tmp_path: Path) -> None:
    path = shard(tmp_path / "in/a.jsonl", [API, HUMAN, MAIL])
    screen_files(path, config=load_config(None, TAKEN))
    take(tmp_path / "out", [("a.jsonl", 0)])
    config = load_config(None, next_run(tmp_path / "out/review/allow.txt"))
    screen_files(path, out=tmp_path / "next", config=config)
    take(tmp_path / "out", [("a.jsonl", 2)])
    with pytest.raises(InputError, match="other options, rules or version"):
        screen_files(path, out=tmp_path / "next", config=config)


RETENTION = {"pii": "30d", "signatures": "hold", "secrets": "1d"}


def expired(out: Path, days: float, retention: dict[str, str] = RETENTION) -> tuple[dict, list]:
    run = finished.opened(str(out))
    with Verdicts(out / "review/verdicts.sqlite") as log:
        ended = datetime.fromisoformat(run.about["ended"])
        done = expire(run, log, retention, "joe", ended + timedelta(days=days))
        return dict(done.rows), [each[:2] for each in done.refused]


def test_what_may_not_be_kept_loses_its_bytes_and_nothing_else(screen_files: Callable, tmp_path: Path) -> None:
    mixed = {"text": f"{MAIL['text']} {API['text']}"}
    path = shard(tmp_path / "in/a.jsonl", [MAIL, API, HUMAN, mixed, MAIL])
    screen_files(path, config=load_config(None, TAKEN))
    out = tmp_path / "out"
    before = rows_of(out, "a.jsonl")

    assert ({}, []) == expired(out, 29.9)
    assert ({"a.jsonl": (0, 4)}, [("a.jsonl", 3)]) == expired(out, 30)
    after = rows_of(out, "a.jsonl")
    gone = [row for row in after if row["record"] is None]
    assert [0, 4] == [row["row"] for row in gone]
    assert [{**row, "record": None, "exact": None} for row in before] == [{**row, "record": None, "exact": None} for row in after]
    assert not [path for path in out.rglob("*") if path.is_file() and b"odalys" in path.read_bytes() and "quarantine" not in str(path)]
    assert ({}, [("a.jsonl", 3)]) == expired(out, 31)
    assert verify(str(out)).ok
    assert 1 == take(out, [("a.jsonl", 1)]).records
    with pytest.raises(InputError, match="was expired at"):
        take(out, [("a.jsonl", 0)])


def test_what_is_to_be_released_does_not_expire_before_that(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [MAIL, MAIL, MAIL]), config=load_config(None, TAKEN))
    out = tmp_path / "out"
    run = finished.opened(str(out))
    with Verdicts(out / "review/verdicts.sqlite") as log:
        judged(run, log, [("a.jsonl", 1)], "release", "jane", "")
        judged(run, log, [("a.jsonl", 2)], "confirm", "jane", "")

    assert ({"a.jsonl": (0, 2)}, [("a.jsonl", 1)]) == expired(out, 40)
    assert 1 == take(out, []).records
    assert ({"a.jsonl": (1,)}, []) == expired(out, 40)
    assert [json.dumps(MAIL).encode()] == released(out, "a.jsonl")
    assert verify(str(out)).ok


def test_an_expiry_that_was_killed_is_finished_by_the_next_one(
    screen_files: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [MAIL, API]), config=load_config(None, TAKEN))
    out = tmp_path / "out"
    data = {}
    with monkeypatch.context() as patch:

        def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(ledger, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            expired(out, 40)
    data = (out / "quarantine/a.jsonl.parquet").read_bytes()
    assert verify(str(out)).ok
    expired(out, 40)
    assert data != (out / "quarantine/a.jsonl.parquet").read_bytes()
    (out / "review/ledger.jsonl").unlink()  # as if the kill had come between the two renames
    with Verdicts(out / "review/verdicts.sqlite") as log:
        log._db.execute("delete from events")
    assert ["changed"] == [problem.kind for problem in verify(str(out)).problems]
    assert ({"a.jsonl": (0,)}, []) == expired(out, 40)
    assert verify(str(out)).ok


@pytest.mark.parametrize("said", ["30", "d", "forever", "-1d", "30 d"])
def test_a_span_that_is_none_is_one_sentence(said: str) -> None:
    with pytest.raises(ConfigError, match="quarantine.retention"):
        load_config(None, {"quarantine": {"retention": {"pii": said}}})


def test_only_what_is_in_quarantine_can_be_judged(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [HUMAN, API]))
    run = finished.opened(str(tmp_path / "out"))
    with Verdicts(tmp_path / "out/review/verdicts.sqlite") as log:
        for place in (("a.jsonl", 0), ("b.jsonl", 1)):
            with pytest.raises(InputError, match="no such record is in quarantine"):
                judged(run, log, [("a.jsonl", 1), place], "release", "jane", "")
        assert [] == log.events()
        log.add([Event("a.jsonl", 0, "release", "jane")])
        assert [("a.jsonl", 0)] == [refused[:2] for refused in release(run, log, "jane").refused]


def test_a_run_in_an_object_store_is_released_from_with_a_log_of_this_machine(screen_files: Callable, tmp_path: Path) -> None:
    import fsspec

    out = "memory://release/out"
    screen_files(shard(tmp_path / "in/a.jsonl", [HUMAN, API]), out=out)
    run = finished.opened(out)
    with pytest.raises(InputError, match="--verdicts FILE"):
        ledger.verdicts_path(run, None)
    with Verdicts(ledger.verdicts_path(run, str(tmp_path / "log.sqlite"))) as log:
        judged(run, log, [("a.jsonl", 1)], "release", "jane", "")
        release(run, log, "jane")

    assert json.dumps(API).encode() + b"\n" == fsspec.filesystem("memory").cat("/release/out/release/0001/a.jsonl")
    assert verify(out, verdicts=str(tmp_path / "log.sqlite")).ok


def test_the_commands(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [HUMAN, API, BOTH, SECRET]))
    out = tmp_path / "out"
    judge = decontam(
        "quarantine",
        "judge",
        out,
        "--rows-from",
        "-",
        "--verdict",
        "release",
        "--reviewer",
        "jane",
        "--why",
        "w",
        stdin="a.jsonl:1\na.jsonl:2\n",
    )
    gone = decontam("quarantine", "release", out, "--by", "jane")
    again = decontam("quarantine", "release", out, "--json")
    why = decontam("why", out, "--row", "a.jsonl:1")
    expire = decontam("quarantine", "expire", out)
    wrong = decontam("quarantine", "judge", out, "--row", "a.jsonl", "--verdict", "release", "--reviewer", "x")

    assert [0, 1, 1, 0, 2, 2] == [done.returncode for done in (judge, gone, again, why, expire, wrong)], gone.stderr
    assert "2 records: release by jane\n" == judge.stdout
    assert "1 records released, 1 refused" in gone.stdout
    assert "a.jsonl:2" in gone.stderr
    assert 0 == json.loads(again.stdout)["released"]
    assert "quarantined, released" in why.stdout
    assert "jane: released: release 1" in why.stdout
    assert "quarantine.retention" in expire.stderr


def test_nothing_of_a_key_or_a_text_is_told(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [HUMAN, API]))
    take(tmp_path / "out")
    told = (tmp_path / "out/review/ledger.jsonl").read_text()

    assert "chatcmpl" not in told
    assert (tmp_path / "out/review/allow.txt").read_text().split()[5] not in told
