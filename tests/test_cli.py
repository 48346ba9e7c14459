"""The command as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import shard
from .test_run import API, BAD, HUMAN, MAIL, SECRET


def decontam(*arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "decontam", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, input=stdin, check=False, env={**os.environ, "COLUMNS": "120"})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    shard(tmp_path / "data/a.jsonl.gz", [HUMAN, API, MAIL])
    (tmp_path / "data/notes.txt").write_text("not a shard")
    return tmp_path / "data"


def test_a_run_ends_with_a_table_and_where_things_are(data: Path, tmp_path: Path) -> None:
    done = decontam("run", data, "--out", tmp_path / "out", "--workers", 1)

    assert (0, "") == (
        done.returncode,
        done.stderr.replace(f"skipped {data}/notes.txt: not .jsonl, .ndjson, .json (maybe with .gz, .zst, .bz2) or .parquet\n", ""),
    )
    assert "openai.chat-completion-id" in done.stdout
    assert f"3 records: kept 1, redacted 1, quarantined 1 -> {tmp_path}/out/" in done.stdout


def test_a_log_for_machines(data: Path, tmp_path: Path) -> None:
    done = decontam("run", data, "--out", tmp_path / "out", "--workers", 0, "--log-format", "json")
    events = [json.loads(line) for line in done.stderr.splitlines()]

    assert ["skipped", "shard", "done"] == [event["event"] for event in events]
    assert "" == done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run"], "Usage"),
        (["run", "{data}"], "--out DIR"),
        (["run", "no/such", "--out", "{out}"], "no such file or folder"),
        (["run", "{data}", "--out", "{data}/out"], "lies inside the input"),
        (["run", "{data}", "--out", "{out}", "--text-key", "body"], "use --text-key text"),
        (["run", "{data}", "--out", "{out}", "--config", "strct"], "did you mean 'strict'"),
        (["run", "{data}", "--out", "{out}", "--kept", "some"], "'some' is not one of"),
        (["scan", "no/such"], "no such file"),
        (["scna"], "did you mean 'scan'"),
        (["rules", "show", "openai.chat-completion-i"], "did you mean"),
        (["rules", "test", "no.yaml"], "No such file"),
        (["config", "check", "no.yaml"], "No such file"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(arguments: list[str], says: str, data: Path, tmp_path: Path) -> None:
    done = decontam(*(argument.format(data=data, out=tmp_path / "out") for argument in arguments))

    assert 2 == done.returncode
    assert says in done.stderr or (says == "Usage" and says in done.stdout)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_failed_shard_is_exit_code_1(data: Path, tmp_path: Path) -> None:
    shard(data / "b.jsonl", [HUMAN, *BAD])
    done = decontam("run", data, "--out", tmp_path / "out", "--workers", 2)

    assert 1 == done.returncode
    assert "failed: b.jsonl: 6 of 7 records could not be read" in done.stderr
    assert 0 == decontam("run", data, "--out", tmp_path / "o2", "--workers", 1, "--max-error-rate", 1).returncode


def test_inputs_may_come_from_a_list(data: Path, tmp_path: Path) -> None:
    done = decontam("run", "--files-from", "-", "--dry-run", "--workers", 0, stdin=f"# list\n{data}/a.jsonl.gz\n")

    assert 0 == done.returncode
    assert "nothing was written" in done.stdout


def test_books_that_do_not_balance_are_exit_code_3(data: Path, tmp_path: Path) -> None:
    """A tally on disk that was tampered with: the run that takes it over notices."""
    decontam("run", data, "--out", tmp_path / "out", "--workers", 0)
    path = tmp_path / "out/tallies/a.jsonl.gz.json"
    path.write_text(path.read_text().replace('"records": 3', '"records": 4'))
    done = decontam("run", data, "--out", tmp_path / "out", "--workers", 0)

    assert 3 == done.returncode
    assert "do not balance" in done.stderr


def test_scan_explains_a_shard(data: Path) -> None:
    done = decontam("scan", data, "--exit-code")

    assert 1 == done.returncode
    assert "why: Ids of chat completions" in done.stdout
    assert "⟦odalys.brennwald@gartenfreunde-nord.de⟧" in done.stdout
    assert "3 records, 2 with findings" in done.stdout


def test_scan_json_is_one_line_for_each_record_in_order(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.jsonl", [MAIL, b"", BAD[0], HUMAN, SECRET])
    done = decontam("scan", path, "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]

    assert ["mail", "a.jsonl:2", "h", "secret"] == [row["id"] for row in rows]
    assert ["redact", None, "keep", "redact"] == [row["action"] for row in rows]
    assert "malformed" == rows[1]["error"]["reason"]
    finding = rows[0]["findings"][0]
    assert MAIL["text"][finding["start"] : finding["end"]] == "odalys.brennwald@gartenfreunde-nord.de"
    assert {"field", "stage", "rule", "kind", "provider", "start", "end", "strength", "score", "detail"} <= finding.keys()
    assert {"schema": 1, "scores": {}} == {key: rows[0][key] for key in ("schema", "scores")}


@pytest.mark.parametrize("stdin", [MAIL["text"], json.dumps(MAIL) + "\n"])
def test_scan_reads_text_or_json_lines_from_stdin(stdin: str) -> None:
    done = decontam("scan", "--json", stdin=stdin)

    assert ["EMAIL"] == [finding["kind"] for finding in json.loads(done.stdout)["findings"]]


def test_scan_reads_a_text_file_as_one_text(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(f"# Title\n\n{MAIL['text']}\n")

    assert "redact" == json.loads(decontam("scan", tmp_path / "a.md", "--json").stdout)["action"]


def test_rules_can_be_listed_shown_and_tested(tmp_path: Path) -> None:
    listed = [json.loads(line) for line in decontam("rules", "list", "--json").stdout.splitlines()]
    shown = decontam("rules", "show", "openai.chat-completion-id").stdout
    (tmp_path / "p.yaml").write_text(
        "stage: pii\nabout: x\nrules:\n- {id: own.badge, kind: BADGE, strength: strong, why: w, source: s, pattern: 'BDG-[0-9]{4}', "
        "catches: ['BDG-⟦%{digit*4}⟧'], spares: [BDG-1]}\n"
    )
    tested = decontam("rules", "test", tmp_path / "p.yaml")

    assert len(listed) > 200
    assert {"rule", "revision", "kind", "provider", "strength", "why", "source"} <= listed[0].keys()
    assert "catches" in shown
    assert 1 == tested.returncode
    assert tested.stdout.startswith("pii/own.badge: ")


def test_coverage_counts_rules_and_those_seen_in_a_recording() -> None:
    rows = [json.loads(line) for line in decontam("rules", "coverage", "--json").stdout.splitlines()]
    table = decontam("rules", "coverage").stdout

    openai = next(row for row in rows if (row["provider"], row["kind"]) == ("openai", "API_ID"))
    assert openai["rules"] >= openai["seen"] > 0
    assert all(0 <= row["seen"] <= row["rules"] for row in rows)
    assert f"{openai['rules']}/{openai['seen']}" in table


def test_diff_says_what_an_upgrade_changes(tmp_path: Path) -> None:
    rule = "{id: own.%s, kind: BADGE, strength: %s, why: %s, source: s, pattern: 'B-[0-9]{4}', catches: ['⟦B-1234⟧'], spares: [B-1]}"
    old = [("a", "weak", "w"), ("b", "weak", "w"), ("c", "weak", "w")]
    new = [("a", "strong", "w"), ("b", "weak", "x"), ("d", "weak", "w")]
    for name, rules in (("old", old), ("new", new)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.yaml").write_text("stage: pii\nabout: x\nrules:\n" + "".join(f"- {rule % given}\n" for given in rules))
    done = decontam("rules", "diff", tmp_path / "old", tmp_path / "new", "--json")
    changes = {row["rule"]: (row["change"], row["fields"]) for row in map(json.loads, done.stdout.splitlines())}

    assert {
        "pii/own.a": ("changed", {"strength": ["weak", "strong"]}),
        "pii/own.c": ("removed", {}),
        "pii/own.d": ("added", {}),
    } == changes
    assert "1 added, 1 removed, 1 changed" == done.stderr.strip()


def test_configs_can_be_shown_described_and_checked() -> None:
    import yaml

    assert "quarantine" == yaml.safe_load(decontam("config", "show", "strict").stdout)["policy"]["actions"][0]["action"]
    assert "properties" in json.loads(decontam("config", "schema").stdout)
    assert "ready" in decontam("config", "check", "audit").stdout


def test_every_command_has_help() -> None:
    for command in ("run", "scan", "rules", "config", "samples"):
        done = decontam(command, "--help")

        assert 0 == done.returncode
        assert len(done.stdout) > 100
