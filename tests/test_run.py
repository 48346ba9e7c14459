from __future__ import annotations

import gzip
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from decontam.config import load_config
from decontam.errors import InputError
from decontam.files import Source
from decontam.prove import fill_in

from .conftest import shard

CHAT_ID = fill_in("chatcmpl-%{alnum*29}", "test_run")
KEY = fill_in("%{'AKIA' base32*16}", "test_run")
HUMAN = {"id": "h", "text": "Plain words, “quoted” and naïve — 我们。"}
API = {"id": "api", "text": f'{{"id": "{CHAT_ID}", "object": "chat.completion"}}'}
MAIL = {"id": "mail", "text": "write to odalys.brennwald@gartenfreunde-nord.de, please"}
SECRET = {"id": "secret", "text": f"aws_access_key_id = {KEY}\n"}
BOTH = {"id": "both", "text": f"{API['text']} and {KEY}"}
BAD = [b"{no json", b"[1]", b'{"other": 1}', b'{"text": 5}', b'{"text": "\xff"}', b'{"text": null}']


def lines_of(path: Path) -> list[bytes]:
    with Source(str(path)) as source:
        return b"".join(iter(source.read, b"")).split(b"\n")


def tree(root: Path) -> dict[str, bytes]:
    """Every file of a run but its times: name -> content. Of its proof, what does not tell of times."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name == "proof/proof.json":
            found[name] = json.loads(path.read_bytes())["leaves"]["content"].encode()
        elif path.is_file() and name not in {".lock", "proof/leaves.parquet"}:
            found[name] = path.read_bytes()
            if name.endswith(".json") and not name.startswith("kept"):
                values = json.loads(found[name])
                for key in ("seconds", "began", "ended", "command", "resumed"):
                    values.pop(key, None)
                found[name] = json.dumps(values, sort_keys=True).encode()
            if name == "metrics.prom":
                found[name] = b"\n".join(line for line in found[name].splitlines() if b"seconds" not in line)
    return found


def test_kept_lines_leave_byte_for_byte(screen_files: Callable, tmp_path: Path) -> None:
    odd = [
        b'{ "text" : "spaces  and \\u00e9 \\/ \\ud83d\\ude00" , "n": 1.0, "big": 123456789012345678901234567890 }',
        b'{"text": "dup", "text": "last one counts elsewhere", "x": NaN}',
        b'{"text": "lone \\ud800 surrogate"}',
        b"",
        b"   ",
        b'{"text": "crlf"}\r',
    ]
    path = shard(tmp_path / "in/a.jsonl", odd)
    screen_files(path)

    assert path.read_bytes() == (tmp_path / "out/kept/a.jsonl").read_bytes()


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
def test_the_end_of_a_file_stays_as_it_was(end: bytes, screen_files: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "one"}\n{"text": "two"}' + end)
    screen_files(tmp_path / "a.jsonl")

    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "out/kept/a.jsonl").read_bytes()


def test_a_last_line_that_goes_leaves_a_whole_file_behind(screen_files: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(orjson.dumps(HUMAN) + b"\n" + orjson.dumps(API))
    screen_files(tmp_path / "a.jsonl")

    assert orjson.dumps(HUMAN) + b"\n" == (tmp_path / "out/kept/a.jsonl").read_bytes()


def test_redaction_touches_its_span_and_nothing_else(screen_files: Callable, tmp_path: Path) -> None:
    line = b'{"n": 1.50,  "text": "\\u00e9 odalys.brennwald@gartenfreunde-nord.de \\ud83d\\ude00", "x": NaN}'
    screen_files(shard(tmp_path / "in/a.jsonl", [line]))

    assert [b'{"n": 1.50,  "text": "\\u00e9 <EMAIL> \\ud83d\\ude00", "x": NaN}', b""] == lines_of(tmp_path / "out/kept/a.jsonl")


def test_every_text_of_a_repeated_key_is_screened(screen_files: Callable, tmp_path: Path) -> None:
    line = b'{"text": "odalys.brennwald@gartenfreunde-nord.de", "text": "emre.faltin@nordlicht-verein.de"}'
    screen_files(shard(tmp_path / "in/a.jsonl", [line]))

    assert [b'{"text": "<EMAIL>", "text": "<EMAIL>"}', b""] == lines_of(tmp_path / "out/kept/a.jsonl")


def test_a_quarantined_record_can_be_given_back_byte_for_byte(screen_files: Callable, tmp_path: Path) -> None:
    line = json.dumps(API, indent=None, separators=(", ", ":  ")).encode()
    screen_files(shard(tmp_path / "in/a.jsonl", [HUMAN, line, HUMAN]))
    (row,) = pq.read_table(tmp_path / "out/quarantine/a.jsonl.parquet").to_pylist()

    assert (line, True, "api", 1, "a.jsonl") == (row["record"], row["exact"], row["id"], row["row"], row["source"])
    assert line == (tmp_path / "in/a.jsonl").read_bytes()[row["offset"] :][: len(line)]
    assert "signatures" in {finding["stage"] for finding in row["findings"]}
    assert [json.dumps(HUMAN, ensure_ascii=False).encode()] * 2 + [b""] == lines_of(tmp_path / "out/kept/a.jsonl")


@pytest.mark.parametrize(("quarantine", "kept"), [({}, "masked"), ({"secrets": "keep"}, "exact"), ({"original": "drop"}, None)])
def test_credentials_do_not_live_on_in_quarantine(quarantine: dict, kept: str | None, screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [BOTH]), config=load_config(None, {"quarantine": quarantine}))
    (row,) = pq.read_table(tmp_path / "out/quarantine/a.jsonl.parquet").to_pylist()

    assert (kept == "exact") == row["exact"]
    assert (kept is None) == (row["record"] is None)
    if kept == "masked":
        assert {"id": "both", "text": f"{API['text']} and <SECRET>"} == json.loads(row["record"])


def test_what_cannot_be_read_is_in_errors_with_its_bytes_and_costs_no_neighbour(screen_files: Callable, tmp_path: Path) -> None:
    config = load_config(None, {"input": {"max_error_rate": 1}})
    path = shard(tmp_path / "in/a.jsonl", [HUMAN, *(line for bad in BAD for line in (bad, HUMAN))])
    report = screen_files(path, config=config)
    errors = [orjson.loads(line) for line in lines_of(tmp_path / "out/errors/a.jsonl.jsonl") if line]

    assert {"malformed": 1, "not_object": 1, "missing_text": 1, "not_text": 2, "bad_utf8": 1} == report["tally"]["errors"]
    assert {"kept": 7, "errored": 6} == report["tally"]["outcomes"]
    assert 8 == len(lines_of(tmp_path / "out/kept/a.jsonl"))
    for error, bad in zip(errors, BAD, strict=True):
        assert bad == path.read_bytes()[error["offset"] :][: len(bad)]
        assert error["message"]
        assert ("raw_base64" in error) == (b"\xff" in bad)


@pytest.mark.parametrize("length", [900_000, 2_500_000])
def test_a_record_that_is_too_large_goes_to_errors_whole(length: int, screen_files: Callable, tmp_path: Path) -> None:
    """Shorter than a block of reading and longer; at the end of the file, too, without a newline."""
    large = b'{"text": "' + b"x" * length + b'"}'
    path = shard(tmp_path / "in/a.jsonl", [HUMAN, large, HUMAN])
    path.write_bytes(path.read_bytes() + large)
    config = load_config(None, {"input": {"max_error_rate": 1, "max_record_bytes": 800_000}})
    report = screen_files(path, config=config)
    errors = [orjson.loads(line) for line in lines_of(tmp_path / "out/errors/a.jsonl.jsonl") if line]

    assert {"too_large": 2} == report["tally"]["errors"]
    assert [1, 3] == [error["row"] for error in errors]
    for error in errors:
        raw = (tmp_path / "out" / error["raw_file"]).read_bytes() if "raw_file" in error else error["raw"].encode()
        assert large == raw
    assert 3 == len(lines_of(tmp_path / "out/kept/a.jsonl"))


def test_a_shard_with_too_many_errors_is_named(screen_files: Callable, tmp_path: Path) -> None:
    report = screen_files(shard(tmp_path / "in/a.jsonl", [HUMAN] * 5 + BAD))

    assert "6 of 11 records could not be read" in report["problems"]["a.jsonl"]


def test_a_broken_shard_fails_alone_and_publishes_nothing(screen_files: Callable, tmp_path: Path) -> None:
    shard(tmp_path / "in/good.jsonl.gz", [HUMAN, API])
    data = gzip.compress(b"".join(json.dumps({"text": os.urandom(50).hex()}).encode() + b"\n" for _ in range(5000)))
    (tmp_path / "in/bad.jsonl.gz").write_bytes(data[:-1000])
    report = screen_files(tmp_path / "in")

    assert "truncated" in report["problems"]["bad.jsonl.gz"]
    assert {"done": 1, "failed": 1} == report["shards"]
    assert not [path for path in (tmp_path / "out").rglob("*bad*")]
    assert (tmp_path / "out/kept/good.jsonl.gz").exists()


MIXED = [HUMAN, API, MAIL, HUMAN, SECRET, BOTH, *BAD[:2], HUMAN]
TOLERANT = {"input": {"max_error_rate": 1}}


def corpus(root: Path) -> Path:
    for number, name in enumerate(["a.jsonl", "b.jsonl.gz", "deep/c.jsonl.zst", "d.ndjson.bz2", "e.json"]):
        shard(root / name, MIXED[number:] + MIXED)
    shard(root / "clean.jsonl", [HUMAN] * 4)
    (root / "empty.jsonl.gz").touch()
    return root


@pytest.mark.parametrize("workers", [1, 2])
def test_how_many_workers_there_are_changes_nothing(workers: int, screen_files: Callable, tmp_path: Path) -> None:
    source, config = corpus(tmp_path / "in"), load_config(None, TOLERANT)
    screen_files(source, config=config, out=tmp_path / "here")
    screen_files(source, config=config, out=tmp_path / "there", workers=workers)

    assert tree(tmp_path / "here") == tree(tmp_path / "there")


def test_how_the_corpus_is_sharded_changes_no_count(screen_files: Callable, tmp_path: Path) -> None:
    one = shard(tmp_path / "one/all.jsonl", MIXED * 2)
    for number, record in enumerate(MIXED * 2):
        shard(tmp_path / f"many/{number}.jsonl.gz", [record])
    config = load_config(None, TOLERANT)
    tallies = [screen_files(path, out=None, config=config)["tally"] for path in (one, tmp_path / "many")]

    assert tallies[0] == tallies[1]


def test_books_manifest_report_and_metrics_tell_one_story(screen_files: Callable, tmp_path: Path) -> None:
    source = corpus(tmp_path / "in")
    report = screen_files(source, config=load_config(None, TOLERANT), command=("decontam", "run"))
    manifest = json.loads((tmp_path / "out/manifest.json").read_bytes())
    metrics = (tmp_path / "out/metrics.prom").read_text()

    assert report["tally"]["records"] == sum(report["tally"]["outcomes"].values()) == sum(i["rows"] for i in manifest["inputs"])
    assert "done" == manifest["state"]
    assert ["decontam", "run"] == manifest["command"]
    assert manifest["rules"]
    for given in manifest["inputs"]:
        path = source / given["name"]
        with Source(str(path)) as file:
            b"".join(iter(file.read, b""))
            assert (file.sha256(), path.stat().st_size) == (given["sha256"], given["size"])
    outputs = {output["name"]: output for output in manifest["outputs"]}
    for name, output in outputs.items():
        with Source(str(tmp_path / "out" / name)) as file:
            raw = (tmp_path / "out" / name).read_bytes()
            assert len(raw) == output["size"]
            b"".join(iter(file.read, b""))
            assert file.sha256() == output["sha256"]
    written = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()}
    others = ("tallies", "manifest", "report", "metrics", "proof", ".lock")
    assert outputs.keys() == {name for name in written if not name.startswith(others)}
    assert f'decontam_records{{outcome="quarantined"}} {report["tally"]["outcomes"]["quarantined"]}.0' in metrics
    assert "decontam_balanced 1.0" in metrics


def test_findings_hold_every_record_with_a_finding_and_no_text(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", MIXED), config=load_config(None, TOLERANT))
    rows = pq.read_table(tmp_path / "out/findings/a.jsonl.parquet").to_pylist()

    assert ["api", "mail", "secret", "both"] == [row["id"] for row in rows]
    assert ["quarantine", "redact", "redact", "quarantine"] == [row["action"] for row in rows]
    assert [1, 2, 4, 5] == [row["row"] for row in rows]


def test_what_holds_text_is_for_its_owner_alone(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", MIXED), config=load_config(None, TOLERANT))
    for name in ("quarantine", "errors"):
        assert 0o700 == stat.S_IMODE((tmp_path / "out" / name).stat().st_mode)


@pytest.mark.parametrize("mode", ["changed", "none"])
def test_kept_modes(mode: str, screen_files: Callable, tmp_path: Path) -> None:
    source = corpus(tmp_path / "in")
    screen_files(source, config=load_config(None, TOLERANT), out=tmp_path / "all")
    screen_files(source, config=load_config(None, {**TOLERANT, "output": {"kept": mode}}))
    kept = {path.name for path in (tmp_path / "out/kept").rglob("*") if path.is_file()}
    if mode == "none":
        assert set() == kept
        rows = pq.read_table(tmp_path / "out/dropped/a.jsonl.parquet").to_pylist()
        wanted = ["quarantined", "redacted", "redacted", "quarantined", "errored", "errored"]
        assert [(row, why) for row, why in zip([1, 2, 4, 5, 6, 7], wanted, strict=True)] == [tuple(r.values()) for r in rows][:6]
        assert not (tmp_path / "out/dropped/clean.jsonl.parquet").exists()
    else:
        for path in (tmp_path / "all/kept").rglob("*.*"):
            assert lines_of(path) == lines_of(tmp_path / "out/kept" / path.relative_to(tmp_path / "all/kept"))
        assert (source / "clean.jsonl").stat().st_ino == (tmp_path / "out/kept/clean.jsonl").stat().st_ino


def test_a_finished_shard_is_not_screened_again_and_a_changed_one_is(screen_files: Callable, tmp_path: Path) -> None:
    source = corpus(tmp_path / "in")
    config = load_config(None, TOLERANT)
    first = screen_files(source, config=config)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/tallies").rglob("*.json")}
    shard(source / "a.jsonl", MIXED)
    (tmp_path / "out/tallies/clean.jsonl.json").unlink()
    second = screen_files(source, config=config)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/tallies").rglob("*.json")}

    assert (0, 5) == (first["resumed"], second["resumed"])
    redone = {path.name for path in after if after[path] != before.get(path)}
    assert {"a.jsonl.json", "clean.jsonl.json"} == redone
    assert second["tally"]["records"] == first["tally"]["records"] - len(MIXED)


def test_what_a_shard_no_longer_says_does_not_stay(screen_files: Callable, tmp_path: Path) -> None:
    path = shard(tmp_path / "in/a.jsonl", MIXED)
    shard(tmp_path / "in/a.jsonl.gz", MIXED)
    config = load_config(None, TOLERANT)
    screen_files(tmp_path / "in", config=config)
    shard(path, [HUMAN])
    os.utime(path, (1, 1))
    screen_files(tmp_path / "in", config=config)
    left = {name for name in tree(tmp_path / "out") if "a.jsonl" in name and ".gz" not in name}

    assert {"kept/a.jsonl", "tallies/a.jsonl.json"} == left
    assert "quarantine/a.jsonl.gz.parquet" in tree(tmp_path / "out")


def test_redoing_a_shard_leaves_those_alone_whose_names_begin_like_its_outputs(screen_files: Callable, tmp_path: Path) -> None:
    names = ["a.jsonl", "a.jsonl.jsonl", "a.jsonl.json", "a.jsonl.json.json"]
    for name in names:
        shard(tmp_path / "in" / name, MIXED)
    config = load_config(None, TOLERANT)
    screen_files(tmp_path / "in", config=config)
    before = tree(tmp_path / "out")
    (tmp_path / "out/tallies/a.jsonl.json").unlink()
    screen_files(tmp_path / "in", config=config)

    assert before == tree(tmp_path / "out")


def test_shards_that_are_no_longer_named_do_not_mix_with_the_others(screen_files: Callable, tmp_path: Path) -> None:
    shard(tmp_path / "in/a.jsonl", [HUMAN])
    shard(tmp_path / "in/b.jsonl", [HUMAN])
    screen_files(tmp_path / "in")
    with pytest.raises(InputError, match=r"'b\.jsonl', which is not among the inputs"):
        screen_files(tmp_path / "in/a.jsonl")


def test_other_options_do_not_mix_with_an_earlier_run(screen_files: Callable, tmp_path: Path) -> None:
    path = shard(tmp_path / "in/a.jsonl", [API])
    screen_files(path)
    with pytest.raises(InputError, match="--overwrite"):
        screen_files(path, config=load_config("audit"))
    screen_files(path, config=load_config("audit"), overwrite=True)

    assert not (tmp_path / "out/quarantine").exists()
    assert (tmp_path / "out/findings/a.jsonl.parquet").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_somebody_else_is_not_written_to(overwrite: bool, screen_files: Callable, tmp_path: Path) -> None:
    (tmp_path / "out/kept").mkdir(parents=True)
    (tmp_path / "out/kept/thesis.tex").touch()
    with pytest.raises(InputError, match="is not from decontam"):
        screen_files(shard(tmp_path / "in/a.jsonl", [HUMAN]), overwrite=overwrite)

    assert (tmp_path / "out/kept/thesis.tex").exists()


def test_two_runs_do_not_share_an_output_folder(screen_files: Callable, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out/.lock"), pytest.raises(InputError, match="held by another run"):
        screen_files(shard(tmp_path / "in/a.jsonl", [HUMAN]))


def test_limit_takes_the_first_records_of_each_shard(screen_files: Callable, tmp_path: Path) -> None:
    report = screen_files(shard(tmp_path / "in/a.jsonl", [HUMAN, b"", API, HUMAN]), limit=2)

    assert 2 == report["tally"]["records"]
    assert json.dumps(HUMAN, ensure_ascii=False).encode() + b"\n\n" == (tmp_path / "out/kept/a.jsonl").read_bytes()


def test_a_dry_run_writes_nothing(screen_files: Callable, tmp_path: Path) -> None:
    path = shard(tmp_path / "in/a.jsonl", [HUMAN, API])
    report = screen_files(path, out=None)

    assert {"kept": 1, "quarantined": 1} == report["tally"]["outcomes"]
    assert [tmp_path / "in"] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("records", "says"),
    [
        (
            [{"content": "words " * 9, "id": "a"}] * 98 + [{"id": "b"}] * 2,
            "no 'text' in any of 100 records; found 'content' (string, 98 of 100): use --text-key content",
        ),
        ([{"text": 1}], "no 'text' in the only record"),
        ([{"messages": [{"content": "x"}]}], "use --text-key 'messages[*].content'"),
        ([{"n": 1}], "nothing in them is a string"),
        ([[1, 2]], "one JSON array"),
        ([b"plain words"], "no JSON object in the only record"),
    ],
)
def test_a_wrong_key_is_seen_before_anything_is_written(records: list, says: str, screen_files: Callable, tmp_path: Path) -> None:
    with pytest.raises(InputError) as problem:
        screen_files(shard(tmp_path / "in/a.jsonl.gz", records))

    assert says in str(problem.value)
    assert not (tmp_path / "out").exists()


def test_output_may_be_a_url(screen_files: Callable, tmp_path: Path) -> None:
    import fsspec

    path = shard(tmp_path / "in/a.jsonl.zst", MIXED)
    config = load_config(None, TOLERANT)
    screen_files(path, config=config)
    screen_files(path, config=config, out="memory://run/out")
    fs = fsspec.filesystem("memory")
    remote = {name.removeprefix("/run/out/"): fs.cat(name) for name in fs.find("/run/out")}
    local = {str(p.relative_to(tmp_path / "out")): p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}

    assert local.keys() - {".lock"} == remote.keys()
    assert local["kept/a.jsonl.zst"] == remote["kept/a.jsonl.zst"]
    assert local["quarantine/a.jsonl.zst.parquet"] == remote["quarantine/a.jsonl.zst.parquet"]
