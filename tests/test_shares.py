"""`--part I/N` and `decontam finish`: many workers that do not talk to one another come to what one run comes to."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from decontam.audit.verify import verify
from decontam.config import load_config
from decontam.errors import BooksError, InputError
from decontam.finishing import finish
from decontam.inputs import discover
from decontam.run import Job, run
from decontam.shares import Share, number_of, share_from

from .conftest import shard
from .test_cli import decontam
from .test_run import API, HUMAN, MAIL, MIXED, TOLERANT, corpus, tree

PARTS = 3


@pytest.fixture
def part(tmp_path: Path) -> Callable[..., dict]:
    """Run one part over the corpus in this process; its report."""

    def ran(number: int, source: Path = tmp_path / "in", out: Path = tmp_path / "out", of: int = PARTS, **options: object) -> dict:
        options.setdefault("config", load_config(None, TOLERANT))
        shards, skipped = discover([str(source)], str(out))
        return run(Job(shards=shards, skipped=skipped, out=str(out), share=Share(number, of), **options))

    return ran


def as_one(root: Path) -> dict[str, bytes]:
    """A run's files, less what tells that it was done in parts."""
    files = {name: content for name, content in tree(root).items() if not name.startswith("shares/")}
    about = json.loads(files["manifest.json"])
    about.update(parts=None)
    about.pop("workers", None)
    return {**files, "manifest.json": json.dumps(about, sort_keys=True).encode()}


def in_part(number: int, of: int = PARTS) -> list[str]:
    names = ["a.jsonl", "b.jsonl.gz", "clean.jsonl", "d.ndjson.bz2", "deep/c.jsonl.zst", "e.json", "empty.jsonl.gz"]
    return [name for name in names if number_of(name, of) == number]


def test_parts_and_finish_come_to_what_one_run_comes_to(part: Callable, screen_files: Callable, tmp_path: Path) -> None:
    source = corpus(tmp_path / "in")
    (source / "notes.txt").touch()
    whole = screen_files(source, config=load_config(None, TOLERANT), out=tmp_path / "whole")
    told = [part(number) for number in (2, 3, 1)]
    done = finish(str(tmp_path / "out"))

    assert ["2/3", "3/3", "1/3"] == [each["part"] for each in told]
    assert whole["tally"]["records"] == sum(each["tally"]["records"] for each in told)
    assert whole["tally"] == done["tally"]
    assert as_one(tmp_path / "whole") == as_one(tmp_path / "out")
    assert verify(str(tmp_path / "out")).ok
    about = json.loads((tmp_path / "out/manifest.json").read_bytes())
    assert (3, ["1/3", "2/3", "3/3"]) == (about["parts"], [worker["part"] for worker in about["workers"]])


def test_finishing_twice_changes_nothing_and_so_does_a_part_that_is_through(part: Callable, tmp_path: Path) -> None:
    corpus(tmp_path / "in")
    for number in range(1, PARTS + 1):
        part(number)
    first = finish(str(tmp_path / "out"))

    def written() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*") if not path.name.endswith(".lock")}

    before = written()
    again = part(2)
    second = finish(str(tmp_path / "out"))

    assert first["proof"] == second["proof"]
    assert len(in_part(2)) == again["resumed"]
    assert before == written()


def test_a_part_that_is_done_again_after_the_end_takes_the_proof_away_until_the_next(part: Callable, tmp_path: Path) -> None:
    source = corpus(tmp_path / "in")
    for number in range(1, PARTS + 1):
        part(number)
    finish(str(tmp_path / "out"))
    name = in_part(1)[0]
    os.utime(source / name, (1, 1))
    part(1)

    assert not (tmp_path / "out/proof").exists()
    finish(str(tmp_path / "out"))
    assert verify(str(tmp_path / "out")).ok


def test_what_is_missing_is_named_with_what_to_do(part: Callable, tmp_path: Path) -> None:
    corpus(tmp_path / "in")
    part(1)
    out = tmp_path / "out"
    (out / f"shares/3-of-{PARTS}.json").write_text(
        json.dumps({"part": "3/3", "state": "running", "began": "2030-01-01T00:00:00+00:00", "host": "node-7", "failed": {}})
    )
    before = tree(out)
    said = decontam("finish", out)

    assert 2 == said.returncode
    assert "2 of 3 parts are not through" in said.stderr
    assert f"2/3 has never begun ({len(in_part(2))} shards)" in said.stderr
    assert f"3/3 began at 2030-01-01T00:00:00+00:00 on node-7 and has not ended ({len(in_part(3))} shards left)" in said.stderr
    assert f"Run them again, then decontam finish {out}" in said.stderr
    assert before == tree(out)


def test_a_shard_that_fails_is_told_by_its_part_and_in_the_end(part: Callable, screen_files: Callable, tmp_path: Path) -> None:
    source = corpus(tmp_path / "in")
    broken = source / "b.jsonl.gz"
    broken.write_bytes(broken.read_bytes()[:-20])
    told = [part(number) for number in range(1, PARTS + 1)]
    done = decontam("finish", tmp_path / "out")
    screen_files(source, config=load_config(None, TOLERANT), out=tmp_path / "whole")

    assert [number_of("b.jsonl.gz", PARTS)] == [n for n, each in enumerate(told, 1) if each["problems"]]
    assert 1 == done.returncode
    assert "failed: b.jsonl.gz" in done.stderr
    assert as_one(tmp_path / "whole") == as_one(tmp_path / "out")


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ({"config": load_config("strict")}, "other options, rules or version"),
        ({"limit": 1}, "other options, rules or version"),
        ({"of": 4}, "in 3 parts: say --part I/3"),
        ({"overwrite": True}, "would take away what the other parts have done"),
        ({"sign_key": "key.pem"}, "is for decontam finish"),
    ],
)
def test_parts_of_different_runs_do_not_mix(second: dict, says: str, part: Callable, tmp_path: Path) -> None:
    corpus(tmp_path / "in")
    part(1)
    before = tree(tmp_path / "out")

    with pytest.raises(InputError, match=says):
        part(2, **second)
    assert before == tree(tmp_path / "out")


@pytest.mark.parametrize("given", ["3", "0/3", "4/3", "a/b", "1/3/4", "-1/3"])
def test_a_part_is_a_number_of_a_number(given: str) -> None:
    with pytest.raises(InputError, match="say I/N"):
        share_from(given)


def test_parts_with_other_inputs_do_not_mix(part: Callable, tmp_path: Path) -> None:
    source = corpus(tmp_path / "in")
    part(1)
    shard(source / "new.jsonl", [HUMAN])
    with pytest.raises(InputError, match=r"'new\.jsonl' was not there when the other parts began"):
        part(2)
    (source / "new.jsonl").unlink()
    (source / "e.json").unlink()
    with pytest.raises(InputError, match=r"'e\.json' is not among the inputs any more"):
        part(2)


def test_a_run_of_one_piece_is_not_gone_on_with_in_parts_but_the_other_way_round(
    part: Callable, screen_files: Callable, tmp_path: Path
) -> None:
    source = corpus(tmp_path / "in")
    config = load_config(None, TOLERANT)
    part(1)
    screen_files(source, config=config)
    screen_files(source, config=config, out=tmp_path / "whole")

    assert tree(tmp_path / "whole") == tree(tmp_path / "out")
    with pytest.raises(InputError, match="in one piece: leave --part out"):
        part(2, limit=None, source=shard(tmp_path / "other/x.jsonl", [HUMAN]).parent)
    (tmp_path / "out/tallies/a.jsonl.json").unlink()
    with pytest.raises(InputError, match="in one piece: leave --part out"):
        part(number_of("a.jsonl", PARTS))
    with pytest.raises(InputError, match="is not in parts; run its command again"):
        finish(str(tmp_path / "out"))


def test_a_part_that_is_running_is_not_run_twice_nor_over(part: Callable, screen_files: Callable, tmp_path: Path) -> None:
    source = corpus(tmp_path / "in")
    part(1)
    with FileLock(tmp_path / "out" / Share(2, PARTS).lock):
        with pytest.raises(InputError, match="--part 2/3 of .* is running already"):
            part(2)
        with pytest.raises(InputError, match="part 2/3 is running; wait for it"):
            screen_files(source, config=load_config(None, TOLERANT))
        with pytest.raises(InputError, match="part 2/3 is running; wait for it"):
            finish(str(tmp_path / "out"))
        part(3)
    part(2)
    finish(str(tmp_path / "out"))

    assert verify(str(tmp_path / "out")).ok


def test_what_another_part_is_writing_is_left_to_it(part: Callable, tmp_path: Path) -> None:
    corpus(tmp_path / "in")
    part(1)
    others, own = (tmp_path / f"out/kept/.{in_part(number)[0].replace('/', '_')}.71-1.decontam-part" for number in (3, 2))
    for left in (others, own):
        left.touch()
    part(2)

    assert (True, False) == (others.exists(), own.exists())


def test_quarantine_elsewhere_and_dry_runs(part: Callable, tmp_path: Path) -> None:
    corpus(tmp_path / "in")
    config = load_config(None, {**TOLERANT, "output": {"quarantine": str(tmp_path / "vault")}})
    dry = part(1, config=config, out=tmp_path / "out")
    told = [part(number, config=config) for number in (2, 3)]
    finish(str(tmp_path / "out"))

    assert sum(each["tally"]["outcomes"].get("quarantined", 0) for each in (dry, *told)) > 0
    assert (tmp_path / "vault/a.jsonl.parquet").exists()
    assert verify(str(tmp_path / "out")).ok


def test_new_rules_over_an_earlier_run_in_parts(part: Callable, screen_files: Callable, tmp_path: Path) -> None:
    source = corpus(tmp_path / "in")
    before, after = load_config(None, {**TOLERANT, "stages": {"pii": {"enabled": False}}}), load_config(None, TOLERANT)
    screen_files(source, config=before, out=tmp_path / "earlier")
    kept, since = tmp_path / "earlier/kept", str(tmp_path / "earlier")
    for number in range(1, PARTS + 1):
        part(number, source=kept, config=after, since=since)
    finish(str(tmp_path / "out"))
    screen_files(kept, config=after, since=since, out=tmp_path / "whole")

    assert as_one(tmp_path / "whole") == as_one(tmp_path / "out")


def test_an_output_that_is_gone_is_not_passed_over_in_the_books(part: Callable, tmp_path: Path) -> None:
    corpus(tmp_path / "in")
    for number in range(1, PARTS + 1):
        part(number)
    (tmp_path / "out/kept/a.jsonl").unlink()

    with pytest.raises(BooksError, match=r"kept/a\.jsonl is gone, though the tally .* tells of it; remove .*tallies/a\.jsonl\.json"):
        finish(str(tmp_path / "out"))
    assert 3 == decontam("finish", tmp_path / "out").returncode
    (tmp_path / "out/tallies/a.jsonl.json").unlink()
    part(number_of("a.jsonl", PARTS))
    finish(str(tmp_path / "out"))
    assert verify(str(tmp_path / "out")).ok


def test_parts_without_shards_need_not_run(part: Callable, tmp_path: Path) -> None:
    shard(tmp_path / "in/a.jsonl", MIXED)
    mine = number_of("a.jsonl", 9)
    part(mine, of=9)
    part(mine % 9 + 1, of=9)
    finish(str(tmp_path / "out"))

    assert verify(str(tmp_path / "out")).ok


def test_the_kubernetes_job_of_the_documentation_runs_every_part(tmp_path: Path) -> None:
    """Its command, with the index that Kubernetes gives each pod."""
    text = (Path(__file__).parents[1] / "pipelines/README.md").read_text("utf-8")
    job = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL).group(1))["spec"]
    (container,) = job["template"]["spec"]["containers"]
    shard(tmp_path / "in/a.jsonl", MIXED)
    shard(tmp_path / "in/b.jsonl", MIXED)
    (script,) = container["args"]
    for was, now in {"decontam run": f"{sys.executable} -m decontam run --max-error-rate 1", "s3://bucket/data": f"{tmp_path}/in",
                     "s3://bucket/out": f"{tmp_path}/out", "--workers 8": "--workers 0", "/64": "/2"}.items():  # fmt: skip
        script = script.replace(was, now)
    assert ("Indexed", 64) == (job["completionMode"], job["completions"])
    for index in range(2):
        subprocess.run(
            [*container["command"], script], check=True, env={**os.environ, "JOB_COMPLETION_INDEX": str(index)}, capture_output=True
        )
    finish(str(tmp_path / "out"))

    assert verify(str(tmp_path / "out")).ok


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--executor", "slurm"], "there is no sbatch here"),
        (["--executor", "slurm", "--part", "1/2"], "without --part, --dry-run, --overwrite"),
        (["--executor", "slurm", "--executor-option", "partition"], "say KEY=VALUE"),
        (["--executor", "cloud"], "'cloud' is not one of"),
        (["--part", "1/0"], "say I/N"),
    ],
)
def test_what_cannot_be_run_on_a_cluster_is_refused(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    shard(tmp_path / "in/a.jsonl", [HUMAN])
    done = decontam("run", tmp_path / "in", "--out", tmp_path / "out", *arguments)

    assert 2 == done.returncode
    assert says in done.stderr.replace("\n", " ")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_parts_at_the_same_time_killed_and_run_again(screen_files: Callable, tmp_path: Path) -> None:
    """All parts of one run at once; each is killed now and then, and run again by whoever watches it, as a cluster would."""
    draw, source = random.Random("parts"), tmp_path / "in"
    for number in range(24):
        shard(source / f"{number:02}.jsonl{['', '.gz', '.zst'][number % 3]}", [*MIXED, HUMAN, MAIL, API] * 40)
    shard(source / "large.jsonl", [*MIXED[:6], HUMAN, MAIL, API] * 300)
    config = {**TOLERANT, "output": {"checkpoint_bytes": 30_000}}
    (tmp_path / "c.json").write_text(json.dumps(config))
    screen_files(source, config=load_config(None, config), out=tmp_path / "whole")

    def start(number: int) -> subprocess.Popen:
        options = ["--out", tmp_path / "out", "--config", tmp_path / "c.json", "--workers", 1, "--part", f"{number}/{PARTS}"]
        command = [sys.executable, "-m", "decontam", "run", source, *options]
        return subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    running, kills, deadline = {number: start(number) for number in range(1, PARTS + 1)}, 0, time.monotonic() + 300
    while running and time.monotonic() < deadline:
        time.sleep(draw.random() * 2)
        number = draw.choice(sorted(running))
        if kills < 8 and running[number].poll() is None:
            running[number].send_signal(signal.SIGKILL)
            kills += 1
        for number, process in list(running.items()):
            if process.poll() is not None:
                _, said = process.communicate()
                assert process.returncode in {0, -signal.SIGKILL}, said
                del running[number]
                if process.returncode:
                    assert 2 == decontam("finish", tmp_path / "out").returncode
                    running[number] = start(number)
    finish(str(tmp_path / "out"))

    assert kills
    assert as_one(tmp_path / "whole") == as_one(tmp_path / "out")
    assert verify(str(tmp_path / "out")).ok
    assert not list((tmp_path / "out").rglob("*decontam-part*"))
