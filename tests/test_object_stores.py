"""Object stores, against a real S3 server: the same output as on a disk, nothing half, and errors that say what to do."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
import pyarrow.parquet as pq
import pytest
import s3fs

from decontam.cli import main
from decontam.places import Place

from .conftest import shard
from .stores import HOLD, PASS, REFUSE, Store, serving
from .test_parquet import table_of, written
from .test_run import API, BAD, HUMAN, MAIL, MIXED, tree

PART = 5 << 20  # bytes; the smallest part that S3 takes
NAMES = ("a.jsonl", "b.jsonl.gz", "c.jsonl.zst", "d.parquet")
Run = Callable[..., Any]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with serving(tmp_path_factory.mktemp("moto") / "log") as store:
        yield store


@pytest.fixture
def store(server: Store) -> Store:
    server.reset()
    return server


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No keys and settings but ours; small parts; a client that does not try again and again."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))]:
        monkeypatch.delenv(name)
    ours = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1"}
    nobodys = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    for name, value in {**ours, **nobodys, "FSSPEC_S3": json.dumps({"default_block_size": PART})}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def decontam(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., Done]:
    """`decontam run` in this process; what it raises but SystemExit would be a traceback."""

    def ran(store: Store, *arguments: object, **env: str) -> Done:
        for name, value in {"FSSPEC_S3_ENDPOINT_URL": store.url, **env}.items():
            monkeypatch.setenv(name, value)
        conf: dict = {}
        fsspec.config.set_conf_env(conf, dict(os.environ))  # os.environ may be another object by now: whoever imports Beam
        monkeypatch.setitem(fsspec.config.conf, "s3", conf["s3"])
        s3fs.S3FileSystem.clear_instance_cache()
        monkeypatch.setattr(sys, "argv", ["decontam", "run", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return ran


def data(folder: Path, store: Store | None = None) -> Path:
    """A shard of each kind, on the disk and in the store."""
    for name in NAMES:
        if name.endswith(".parquet"):
            path = written(table_of([HUMAN, MAIL, API, {"id": "bad", "text": None}] * 10), folder / name, row_group_size=7)
        else:
            path = shard(folder / name, [*MIXED, HUMAN, MAIL, API, *BAD[:1]] * 10)
        if store:
            store.put(f"data/{name}", path.read_bytes())
    return folder


def large(folder: Path, store: Store) -> Path:
    """A small shard and one whose kept part takes several uploads."""
    long = {"id": "long", "text": " ".join(f"word{number}" for number in range(200))}
    paths = [shard(folder / "a.jsonl", [HUMAN, API]), shard(folder / "big.jsonl", [API, *[long] * (3 * PART // 1600)])]
    for path in paths:
        store.put(f"data/{path.name}", path.read_bytes())
    return folder


def scrubbed(root: Path) -> dict[str, bytes]:
    """A run's files less times and what differs by rights: where the inputs are, and their stamps."""
    files = tree(root)
    for name, content in files.items():
        if name.startswith("tallies/") or name == "manifest.json":
            values = json.loads(content)
            for given in values.get("inputs", [values.get("input")]):
                del given["path"], given["stamp"]
            files[name] = json.dumps(values).encode()
    return files


def test_from_store_to_store_is_as_from_disk_to_disk_and_the_tally_comes_last(decontam: Run, store: Store, tmp_path: Path) -> None:
    local = decontam(store, data(tmp_path / "data", store), "--out", tmp_path / "out", "--workers", 2, "--max-error-rate", 1)
    there = decontam(store, "s3://bucket/data", "--out", "s3://bucket/out", "--workers", 2, "--max-error-rate", 1)

    assert (0, 0) == (local.returncode, there.returncode), there.stderr
    assert scrubbed(tmp_path / "out") == scrubbed(store.fetch("out/", tmp_path / "fetched"))
    for name in NAMES:
        written = [path for path in store.writes if name in path]

        assert {"kept", "quarantine", "findings", "errors", "tallies"} == {path.split("/")[3] for path in written}
        assert written[-1] == f"/bucket/out/tallies/{name}.json"
    assert ("/bucket/out/manifest.json", "/bucket/out/proof/proof.json") == (store.writes[0], store.writes[-1])


@pytest.mark.parametrize("kind", ["kept", "quarantine", "findings", "errors", "tallies"])
def test_an_upload_that_fails_costs_the_shard_its_tally(kind: str, decontam: Run, store: Store, tmp_path: Path) -> None:
    data(tmp_path / "data", store)
    store.rule = lambda method, path: REFUSE if method in {"PUT", "POST"} and f"/out/{kind}/b.jsonl" in path else PASS
    done = decontam(store, "s3://bucket/data", "--out", "s3://bucket/out", "--workers", 0, "--max-error-rate", 1)

    assert 1 == done.returncode
    assert "failed: b.jsonl.gz: s3://bucket/data/b.jsonl.gz: cannot write its output: access denied (Access Denied)" in done.stderr
    assert ["a.jsonl.json", "c.jsonl.zst.json", "d.parquet.json"] == store.names("out/tallies/")


def test_a_part_that_fails_gives_up_the_whole_upload(decontam: Run, store: Store, tmp_path: Path) -> None:
    large(tmp_path / "data", store)
    store.rule = lambda method, path: REFUSE if "/kept/big" in path and "partNumber=2" in path else PASS
    done = decontam(store, "s3://bucket/data", "--out", "s3://bucket/out", "--workers", 1)

    assert 1 == done.returncode
    assert "failed: big.jsonl: s3://bucket/data/big.jsonl: cannot write its output: access denied" in done.stderr
    assert ([], ["a.jsonl"]) == (store.uploads(), store.names("out/kept/"))
    assert ["a.jsonl.json"] == store.names("out/tallies/")


def test_what_goes_wrong_in_the_middle_gives_up_the_upload_at_once(decontam: Run, store: Store) -> None:
    decontam(store)  # sets the endpoint
    for size in (1, 2 * PART):
        with pytest.raises(ZeroDivisionError), Place("s3://bucket/out").publishing("a.jsonl") as file:
            file.write(b"x" * size)
            raise ZeroDivisionError

    assert ([], []) == (store.uploads(), store.names())


def test_a_run_that_is_killed_in_the_middle_of_an_upload_leaves_nothing_half(decontam: Run, store: Store, tmp_path: Path) -> None:
    calm = decontam(store, large(tmp_path / "data", store), "--out", tmp_path / "calm", "--workers", 0)
    store.rule = lambda method, path: HOLD if "/kept/big" in path and "partNumber=2" in path else PASS
    arguments = ["s3://bucket/data", "--out", "s3://bucket/out", "--workers", 0]
    process = subprocess.Popen(
        [sys.executable, "-m", "decontam", "run", *map(str, arguments)], env={**os.environ, "FSSPEC_S3_ENDPOINT_URL": store.url}
    )

    assert 0 == calm.returncode
    assert store.held.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    store.rule = lambda method, path: PASS
    store.released.set()

    assert (["out/kept/big.jsonl"], ["a.jsonl"]) == (store.uploads(), store.names("out/kept/"))
    again = decontam(store, *arguments)

    assert 0 == again.returncode, again.stderr
    assert "1 of 2 shards were finished before" in again.stdout
    assert scrubbed(tmp_path / "calm") == scrubbed(store.fetch("out/", tmp_path / "fetched"))
    assert [] == store.uploads()


def test_others_uploads_are_not_swept(decontam: Run, store: Store, tmp_path: Path) -> None:
    data(tmp_path / "data", store)
    arguments = ["s3://bucket/data", "--out", "s3://bucket/out", "--quarantine", "s3://bucket/q", "--max-error-rate", 1, "--workers", 0]
    keys = ["elsewhere", "out2/kept/a.jsonl", "q/a.jsonl.parquet.bak", "q/zz.jsonl.parquet"]
    decontam(store, *arguments)
    for key in [*keys, "out/kept/a.jsonl", "q/a.jsonl.parquet"]:
        store.s3.create_multipart_upload(Bucket="bucket", Key=key)

    assert 0 == decontam(store, *arguments).returncode
    assert keys == sorted(store.uploads())


def test_a_server_that_dies_is_a_failed_shard(decontam: Run, tmp_path: Path) -> None:
    with serving(tmp_path / "log") as store:
        store.reset()
        large(tmp_path / "data", store)

        def rule(method: str, path: str) -> str:
            if "/kept/big" in path and "partNumber=2" in path:
                store.process.kill()
                store.process.wait()
            return PASS

        store.rule = rule
        done = decontam(store, "s3://bucket/data", "--out", "s3://bucket/out", "--workers", 0)

    assert 1 == done.returncode
    assert "failed: big.jsonl: s3://bucket/data/big.jsonl: " in done.stderr
    assert "failed: report.json: cannot be written to s3://bucket/out: " in done.stderr


def test_a_bucket_that_goes_away_is_a_failed_shard(decontam: Run, store: Store, tmp_path: Path) -> None:
    data(tmp_path / "data")

    def rule(method: str, path: str) -> str:
        if "/kept/b.jsonl" in path and store.names():
            store.s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": name} for name in store.names()]})
            store.s3.delete_bucket(Bucket="bucket")
            store.rule = lambda method, path: PASS
        return PASS

    store.rule = rule
    done = decontam(store, tmp_path / "data", "--out", "s3://bucket/out", "--workers", 0, "--max-error-rate", 1)

    assert 1 == done.returncode
    assert f"failed: b.jsonl.gz: {tmp_path}/data/b.jsonl.gz: cannot write its output: The specified bucket does not exist" in done.stderr
    assert [] == store.s3.list_buckets()["Buckets"]


NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
NOBODY = {"FSSPEC_S3_ENDPOINT_URL": "http://127.0.0.1:9"}  # the port of a service that nobody runs


@pytest.mark.parametrize(
    ("arguments", "env", "says"),
    [
        ("s3://bukket/data --out HERE/out", {}, "s3://bukket/data: cannot be listed: The specified bucket does not exist"),
        ("s3://bukket/*.jsonl --out HERE/out", {}, "s3://bukket/*.jsonl: cannot be listed: The specified bucket does not exist"),
        ("s3://bucket/dada --out HERE/out", {}, "s3://bucket/dada: nothing there"),
        ("HERE/data --out s3://bukket/out", {}, "--out s3://bukket/out: cannot write its output: The specified bucket does not exist"),
        ("HERE/data --out HERE/out --quarantine s3://bukket/q", {}, "--quarantine s3://bukket/q: cannot be written: The specified bucket"),
        ("s3://bucket/data --out HERE/out", NOBODY, "s3://bucket/data: cannot be listed: Could not connect to the endpoint URL"),
        ("HERE/data --out s3://bucket/out", NOBODY, "--out s3://bucket/out: cannot write its output: Could not connect to the endpoint"),
        ("HERE/data --out s3://bucket/out", NO_KEYS, "--out s3://bucket/out: cannot write its output: Unable to locate credentials"),
        ("s3://bucket/data --out s3://bucket/data/out", {}, "--out s3://bucket/data/out lies inside the input s3://bucket/data"),
        ("s3://bucket/data --out HERE/out --quarantine s3://bucket/data", {}, "--quarantine s3://bucket/data lies inside the input"),
        ("HERE/data --out s3://bucket/out --quarantine s3://bucket/out/q", {}, "lie inside each other"),
        ("HERE/data --out s4://bucket/out", {}, "s4://bucket/out: cannot be opened: Protocol not known: s4"),
    ],
)
def test_a_store_that_cannot_be_used_is_one_sentence(
    arguments: str, env: dict, says: str, decontam: Run, store: Store, tmp_path: Path
) -> None:
    data(tmp_path / "data", store)
    done = decontam(store, *arguments.replace("HERE", str(tmp_path)).split(), "--workers", 0, **env)

    assert 2 == done.returncode
    assert done.stderr.startswith("decontam: ")
    assert says in done.stderr
    assert 1 == done.stderr.count("\n")
    assert ["bucket"] == [bucket["Name"] for bucket in store.s3.list_buckets()["Buckets"]]
    assert [f"data/{name}" for name in NAMES] == store.names()
    assert not (tmp_path / "out/kept").exists()


@pytest.mark.parametrize("arguments", ["s3://bucket/data --out HERE/out", "HERE/data --out s3://bucket/out"])
def test_wrong_credentials_are_one_sentence(arguments: str, decontam: Run, store: Store, tmp_path: Path) -> None:
    data(tmp_path / "data", store)
    store.ask_for_credentials(True)
    try:
        done = decontam(store, *arguments.replace("HERE", str(tmp_path)).split(), "--workers", 0)
    finally:
        store.ask_for_credentials(False)

    assert 2 == done.returncode
    assert "access denied (" in done.stderr
    assert "check the credentials" in done.stderr
    assert 1 == done.stderr.count("\n")


def test_without_the_client_it_says_what_to_install(tmp_path: Path) -> None:
    data(tmp_path / "data")
    program = "import sys; sys.modules['s3fs'] = None; from decontam.cli import main; main()"
    for arguments in (["s3://bucket/data", "--out", tmp_path / "out"], [tmp_path / "data", "--out", "s3://bucket/out"]):
        done = subprocess.run([sys.executable, "-c", program, "run", *map(str, arguments)], capture_output=True, text=True, check=False)

        assert 2 == done.returncode
        assert "the client for s3:// is not installed; install decontam[s3]" in done.stderr
        assert 1 == done.stderr.count("\n")


def test_a_changed_object_is_done_again(decontam: Run, store: Store, tmp_path: Path) -> None:
    data(tmp_path / "data", store)
    arguments = ["s3://bucket/data/*", "--out", "s3://bucket/out", "--workers", 0, "--max-error-rate", 1]
    decontam(store, *arguments)
    before = store.s3.get_object(Bucket="bucket", Key="data/a.jsonl")["Body"].read()
    store.put("data/a.jsonl", before.replace(b"Plain words", b"plain WORDS"))
    done = decontam(store, *arguments)

    assert "3 of 4 shards were finished before" in done.stdout
    assert b"plain WORDS" in store.s3.get_object(Bucket="bucket", Key="out/kept/a.jsonl")["Body"].read()


@pytest.mark.parametrize("remote", ["out", "quarantine"])
def test_quarantine_and_the_rest_may_lie_in_different_worlds(remote: str, decontam: Run, store: Store, tmp_path: Path) -> None:
    places = {name: f"s3://bucket/{name}" if name == remote else f"{tmp_path}/{name}" for name in ("out", "quarantine")}
    arguments = [data(tmp_path / "data"), "--out", places["out"], "--quarantine", places["quarantine"], "--max-error-rate", 1]
    done = decontam(store, *arguments, "--workers", 1)
    folders = {name: store.fetch(f"{name}/", tmp_path / "fetched") if name == remote else tmp_path / name for name in places}
    manifest = json.loads((folders["out"] / "manifest.json").read_text())
    outputs = {output["name"]: output.get("path") for output in manifest["outputs"]}

    assert 0 == done.returncode, done.stderr
    assert f"findings, report.json), {places['quarantine']}/ (quarantine)" in done.stdout
    assert [f"{name}.parquet" for name in NAMES] == sorted(path.name for path in folders["quarantine"].iterdir())
    assert pq.read_table(folders["quarantine"] / "a.jsonl.parquet").num_rows
    assert not (folders["out"] / "quarantine").exists()
    assert f"{places['quarantine']}/a.jsonl.parquet" == outputs["quarantine/a.jsonl.parquet"]
    assert outputs["kept/a.jsonl"] is None
    if remote == "out":
        assert (0o700, 0o600) == tuple(stat.S_IMODE((folders["quarantine"] / name).stat().st_mode) for name in (".", "a.jsonl.parquet"))
