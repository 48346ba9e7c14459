"""`decontam find` names what held a value, and never the value."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from decontam.config import load_config
from decontam.errors import InputError
from decontam.find import found, opened
from decontam.inputs import discover
from decontam.keys import Key, KeySource
from decontam.prove import fill_in
from decontam.run import Job, run

from .conftest import shard
from .stores import Store, serving
from .test_run import HUMAN

SECRET = "an invented key, and a long one"
KEY = Key(SECRET.encode())
JANE, JOHN, NOBODY = (f"{name}@gartenfreunde-nord.de" for name in ("jane.brennwald", "john.brennwald", "nobody.brennwald"))
IP = "93.184.215.14"
IDS = [fill_in("%{'11010519900307' digit*4 ? cn_ric}", f"find {number}") for number in range(6)]
MANY = f"身份证号 {'，身份证号 '.join(IDS)}"
RECORDS = [
    {"id": "both", "text": f"write to {JANE} or {JOHN}, server address {IP}"},
    HUMAN,
    {"id": "loud", "text": f"WRITE TO {JANE.upper()}"},
    {"id": "list", "text": f"{MANY} {JOHN}"},
]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over two shards with a key in a file, and a run without one."""
    root = tmp_path_factory.mktemp("find")
    (root / "key").write_text(SECRET)
    (root / "short").write_text("short")
    (root / "other").write_text(SECRET[::-1])
    (root / "c.yaml").write_text("policy: {key: {file: key}, redaction: pseudonym}")
    shard(root / "in/a.jsonl", RECORDS)
    shard(root / "in/b.jsonl.gz", RECORDS[2:3])
    for name, config in (("out", root / "c.yaml"), ("keyless", None)):
        run(Job(config=load_config(config), shards=discover([str(root / "in")])[0], out=str(root / name)))
    return root / "out"


def find(out: object, *arguments: object, values: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "decontam", "find", str(out), "--value-file", "-", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, input=values, check=False)


def rows_of(done: subprocess.CompletedProcess) -> list[tuple]:
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [(row["line"], row["shard"], row["row"], row["id"], row["rule"], row["outcome"]) for row in rows]


def test_every_record_with_a_value_is_named_and_none_without(out: Path) -> None:
    done = find(out, "--config", out.parent / "c.yaml", "--json", values=f"{NOBODY}\n\n{JOHN}\n  {JANE.title()}  \n{IDS[5]}\n")

    assert 0 == done.returncode, done.stderr
    assert [
        (3, "a.jsonl", 0, "both", "pii/email.address", "redacted"),
        (3, "a.jsonl", 3, "list", "pii/email.address", "quarantined"),
        (4, "a.jsonl", 0, "both", "pii/email.address", "redacted"),
        (4, "a.jsonl", 2, "loud", "pii/email.address", "redacted"),
        (4, "b.jsonl.gz", 0, "loud", "pii/email.address", "redacted"),
        (5, "a.jsonl", 3, "list", "pii/cn.resident-id", "quarantined"),
    ] == sorted(rows_of(done))
    assert "3 of 4 values found in 4 records\nnot found: line 1\n" == done.stderr


@pytest.mark.parametrize("json_lines", [(), ("--json",)])
def test_values_are_never_shown(out: Path, json_lines: tuple[str, ...]) -> None:
    done = find(out, "--key-file", out.parent / "key", *json_lines, values=f"{JANE}\n{NOBODY}\n{IP}")

    assert 0 == done.returncode
    assert "a.jsonl" in done.stdout
    assert not [value for value in (JANE, NOBODY, IP, SECRET, "brennwald") if value in done.stdout + done.stderr]


@pytest.mark.parametrize(
    ("values", "more", "code"),
    [(NOBODY, (), 1), ("", (), 1), (JANE, ("--kind", "PHONE"), 1), (JANE, ("--kind", "email"), 0)],
)
def test_the_exit_code_says_whether_anything_was_found(out: Path, values: str, more: tuple[str, ...], code: int) -> None:
    assert code == find(out, "--key-file", out.parent / "key", *more, values=values).returncode


@pytest.mark.parametrize(
    ("where", "arguments", "says"),
    [
        ("out", (), "say where the key is"),
        ("out", ("--key-env", "DECONTAM_NOT_SET"), "is not set"),
        ("out", ("--key-file", "{root}/short"), "holds 5 bytes"),
        ("out", ("--key-file", "{root}/other"), "that run had the key"),
        ("out", ("--key-file", "{root}/key", "--key-env", "A"), "name one place"),
        ("out", ("--config", "default"), "names no policy.key"),
        ("keyless", ("--key-file", "{root}/key"), "no policy.key"),
        ("in", ("--key-file", "{root}/key"), "no manifest.json"),
        ("no/such", ("--key-file", "{root}/key"), "no manifest.json"),
    ],
)
def test_what_cannot_be_answered_is_explained(out: Path, where: str, arguments: tuple[str, ...], says: str) -> None:
    done = find(out.parent / where, *(argument.format(root=out.parent) for argument in arguments), values=JANE)

    assert 2 == done.returncode
    assert says in done.stderr
    assert "" == done.stdout


def test_a_value_file_that_is_not_there_is_explained(out: Path) -> None:
    command = [sys.executable, "-m", "decontam", "find", out, "--value-file", "no/such", "--key-file", out.parent / "key"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)

    assert (2, True) == (done.returncode, "no/such" in done.stderr)


def test_a_run_that_was_cut_off_is_answered_as_far_as_it_got(out: Path, tmp_path: Path) -> None:
    content = json.loads((out / "manifest.json").read_text())
    (tmp_path / "findings").mkdir()
    (tmp_path / "findings/a.jsonl.parquet").write_bytes((out / "findings/a.jsonl.parquet").read_bytes())
    (tmp_path / "manifest.json").write_text(json.dumps({**content, "state": "running"}))
    done = find(tmp_path, "--key-file", out.parent / "key", "--json", values=JANE)

    assert {"a.jsonl"} == {row[1] for row in rows_of(done)}
    assert "not done" in done.stderr


def test_the_output_may_be_in_an_object_store(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path / "log") as store:
        _upload(out, store)
        for name, value in {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "FSSPEC_S3_ENDPOINT_URL": store.url}.items():
            monkeypatch.setenv(name, value)
        done = find("s3://bucket/out", "--key-file", out.parent / "key", "--json", values=JANE)

    assert 0 == done.returncode, done.stderr
    assert 3 == len(rows_of(done))


def _upload(out: Path, store: Store) -> None:
    store.reset()
    for path in out.rglob("*"):
        if path.is_file() and path.name != ".lock":
            store.put(f"out/{path.relative_to(out).as_posix()}", path.read_bytes())


def test_a_pseudonym_is_the_same_in_every_shard(out: Path) -> None:
    import gzip

    lines = (out / "kept/a.jsonl").read_text().splitlines()
    other = json.loads(gzip.decompress((out / "kept/b.jsonl.gz").read_bytes()))["text"]

    assert json.loads(lines[2])["text"] == other
    assert other.split()[-1] in lines[0]


def test_a_changed_key_does_not_go_on_with_a_run(out: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    (tmp_path / "c.yaml").write_text("policy: {key: {file: key}}")
    job = Job(config=load_config(tmp_path / "c.yaml"), shards=discover([str(out.parent / "in")])[0], out=str(tmp_path / "out"))
    run(job)
    (tmp_path / "key").write_text(SECRET[::-1])
    with pytest.raises(InputError, match="other options"):
        run(job)


def test_all_kinds_are_looked_at_unless_one_is_named(out: Path) -> None:
    folder, _ = opened(str(out), KeySource(file=str(out.parent / "key")).read())

    assert {"EMAIL", "IP", "CN_RIC"} == {row["kind"] for row in found(folder, [(1, JANE), (2, IP), (3, IDS[0])], KEY)}
    assert {"IP"} == {row["kind"] for row in found(folder, [(1, JANE), (2, IP)], KEY, "IP")}
