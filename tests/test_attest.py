"""An attestation says what was done and what is not known; it cites figures and makes none up."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from decontam import finished
from decontam.audit.attest import attest, markdown, measured
from decontam.audit.verify import verify
from decontam.config import load_config
from decontam.errors import InputError
from decontam.quarantine.ledger import log_of
from decontam.quarantine.verdicts import Event, Verdicts
from decontam.rates import wilson

from .conftest import shard
from .test_cli import decontam
from .test_release import take
from .test_run import API, BAD, HUMAN, MAIL, MIXED, SECRET, TOLERANT


@pytest.fixture
def out(screen_files: Callable, tmp_path: Path) -> Path:
    screen_files(shard(tmp_path / "in/a.jsonl", MIXED), config=load_config(None, TOLERANT))
    return tmp_path / "out"


def said(out: Path, **options: object) -> tuple[dict, str]:
    run = finished.opened(str(out))
    with log_of(run, None) as log:
        told = attest(run, log, **options)
    return told, markdown(told)


def test_what_was_found_is_what_the_report_says(out: Path) -> None:
    told, text = said(out)
    tally = json.loads((out / "report.json").read_bytes())["tally"]

    assert (tally["outcomes"], tally["providers"]) == (told["found"]["outcomes"], told["found"]["providers"])
    assert (tally["records"], 1, 1) == (
        told["screened"]["records"],
        told["screened"]["shards"]["done"],
        told["screened"]["shards"]["named"],
    )
    assert f"| quarantined | {tally['outcomes']['quarantined']} |" in text
    assert told["run"]["digest"] in text
    assert json.loads(json.dumps(told)) == told


def test_it_never_says_that_nothing_is_left(out: Path, screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "fine/a.jsonl", [HUMAN] * 3), out=tmp_path / "nothing-found")
    for folder in (out, tmp_path / "nothing-found"):
        told, text = said(folder, providers=("openai", "mistral"), verified=verify(str(folder)))

        assert not re.search(r"\bclean|\bfree of\b|\bsafe\b|\bguarantee", text + json.dumps(told), re.IGNORECASE)
        assert "## What remains unknown\n\n- " in text


def test_figures_are_those_of_the_file_and_missing_ones_are_not_measured(out: Path) -> None:
    of_one = {"by": "provider", "set": "a set", "rules": "other", "found": {"openai": [90, 100]}, "false": {"documents": [1, 1000]}}
    figures = {"by": "b", "at": "2026-01-01", "version": "1", "stages": {"signatures": of_one}}
    told, text = said(out, figures=figures, providers=("mistral",))
    low, high = wilson(90, 100)

    assert f"| openai | 90.0% \\[{low:.1%}, {high:.1%}\\] of 100 |" in text
    assert "OTHER rules than those that ran" in text
    assert "### pii" in text
    assert "Found of what is there: not measured. Wrongly found: not measured." in text
    by = {each["provider"]: each for each in told["providers"]}
    assert (None, None) == (by["mistral"]["measured"], by["mistral"]["missed"])
    assert "| mistral | 0 | not measured | unknown |" in text
    count = by["openai"]["records_with_findings"]
    assert by["openai"]["missed"][0] <= count * (1 / 0.9 - 1) <= by["openai"]["missed"][1]
    assert 0 < by["openai"]["missed"][1]


def test_the_file_of_figures_holds_counts_of_stages_that_there_are() -> None:
    figures = measured()

    assert figures["stages"].keys() <= load_config().stages.keys()
    for stage in figures["stages"].values():
        pairs = [*stage["found"].values(), *stage["false"].values(), *stage.get("false_of_found", {}).values()]
        assert all(0 <= hits <= n for hits, n in pairs)
        assert {"by", "set", "rules"} <= stage.keys()
    assert {"openai", "anthropic"} <= figures["stages"]["signatures"]["found"].keys()


def test_what_is_not_known_is_named(screen_files: Callable, tmp_path: Path) -> None:
    allow = [{"rule": "pii/*", "reason": "ours | <b>", "by": "jane", "expires": "2099-01-01"}]
    options = {"stages": {"secrets": {"enabled": False}}, "policy": {"allow": allow}, "output": {"kept": "none"}}
    shard(tmp_path / "in/a.jsonl", [{**HUMAN, "title": "A title"}, MAIL, SECRET, BAD[0]])
    shard(tmp_path / "in/b.jsonl", [HUMAN, *BAD])
    screen_files(tmp_path / "in", config=load_config(None, {**options, "input": {"max_error_rate": 0.3}}))
    told, text = said(tmp_path / "out")
    unknown = "\n".join(told["unknown"])

    for what in ("not done (failed)", "The stage secrets did not run", "title", "could not be read", "1 allowances", "No shards were kept"):
        assert what in unknown, what
    assert "says jane: ours \\| \\<b\\>" in text
    assert "Did not run." in text


def test_reviews_and_problems_are_told(out: Path) -> None:
    take(out, [("a.jsonl", 1)])
    with Verdicts(out / "review/verdicts.sqlite") as log:
        log.add([Event("a.jsonl", 5, "confirm", "joe", probability=0.5)])
    (out / "kept/a.jsonl").write_bytes(b"{}\n")
    told, text = said(out, verified=verify(str(out)))

    assert {"released": 1, "confirmed": 1} == told["review"]["states"]
    assert ["jane", "joe"] == told["review"]["reviewers"]
    assert "1 PROBLEMS" in text
    assert "1 releases" in text
    assert 1.0 == told["review"]["precision"][0]["rate"]


def test_a_run_that_has_not_ended_attests_nothing(out: Path) -> None:
    (out / "proof/proof.json").unlink()
    with pytest.raises(InputError, match="run the same command again"):
        said(out)


def test_the_command_writes_both_and_verify_holds(out: Path, tmp_path: Path) -> None:
    done = decontam("attest", out, "--provider", "mistral")
    other = decontam("attest", out, "--to", tmp_path / "card", "--verify")
    shown = decontam("attest", out, "--to", "-")
    wrong = decontam("attest", tmp_path / "in")

    assert [0, 0, 0, 2] == [each.returncode for each in (done, other, shown, wrong)], done.stderr
    assert "mistral" in (out / "attestation.md").read_text()
    assert [] == json.loads((tmp_path / "card/attestation.json").read_bytes())["run"]["verified"]["problems"]
    assert shown.stdout.startswith("# Attestation of screening")
    assert verify(str(out)).ok
    assert API["text"] not in shown.stdout
