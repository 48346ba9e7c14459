"""The gate lets through what a valid, strict, fresh run vouches for, and says of all else what is missing; why answers for one record."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from decontam import finished
from decontam.audit import requirements, why
from decontam.audit.gate import gate, like, weakest
from decontam.audit.requirements import Requirements
from decontam.config import load_config
from decontam.errors import ConfigError, InputError
from decontam.inputs import discover
from decontam.quarantine.ledger import log_of
from decontam.run import Job, run
from decontam.types import Action, Strength

from .conftest import shard
from .test_cli import decontam
from .test_release import take
from .test_run import API, BAD, HUMAN, MAIL, MIXED, SECRET, TOLERANT, corpus

ANY = Requirements()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gate")
    shards, _ = discover([str(corpus(root / "in"))])
    run(Job(config=load_config(None, TOLERANT), shards=shards, out=str(root / "out")))
    return root


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    for name in ("in", "out"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path / "out"


def refusals(*paths: object, required: Requirements = ANY, runs: tuple = (), now: datetime | None = None) -> list[list[str]]:
    return [[refusal.what for refusal in answer.refusals] for answer in gate([*map(str, paths)], required, [*map(str, runs)], now=now)]


def test_what_a_run_kept_may_be_trained_on_wherever_a_copy_of_it_lies(out: Path, tmp_path: Path) -> None:
    shutil.copy(out / "kept/a.jsonl", tmp_path / "copy.jsonl")

    assert [[]] * 6 == refusals(out)
    assert [[]] * 6 == refusals(out / "kept")
    assert [["unscreened"]] == refusals(tmp_path / "copy.jsonl")
    assert [[]] == refusals(tmp_path / "copy.jsonl", runs=(out,))
    assert [[]] == refusals(tmp_path / "copy.jsonl", required=Requirements(runs=(str(out),)))


def test_what_no_run_kept_is_refused(out: Path, tmp_path: Path) -> None:
    strange = shard(tmp_path / "x.jsonl", [HUMAN])
    (out / "kept/a.jsonl").write_bytes((out / "kept/a.jsonl").read_bytes() + b'{"text": "more"}\n')

    assert [["unscreened"]] == refusals(strange, runs=(out,))
    assert [["unscreened"]] == refusals(out / "kept/a.jsonl")
    assert [["kind"]] == refusals(out / "quarantine/b.jsonl.gz.parquet")
    assert {("input",)} == {tuple(said) for said in refusals(tmp_path / "in/b.jsonl.gz", tmp_path / "in/d.ndjson.bz2", runs=(out,))}


def test_an_input_of_which_everything_was_taken_out_is_refused(screen_files: Callable, tmp_path: Path) -> None:
    path = shard(tmp_path / "in/a.jsonl", [API, API])
    screen_files(path)

    assert [["input"]] == refusals(path, runs=(tmp_path / "out",))


def test_where_no_shards_were_kept_inputs_without_rows_to_drop_pass(screen_files: Callable, tmp_path: Path) -> None:
    good, bad = shard(tmp_path / "in/a.jsonl", [HUMAN]), shard(tmp_path / "in/b.jsonl", [HUMAN, API])
    screen_files(tmp_path / "in", config=load_config(None, {"output": {"kept": "none"}}))

    assert [[], ["input"]] == refusals(good, bad, runs=(tmp_path / "out",))
    with pytest.raises(InputError, match="kept no shards"):
        refusals(tmp_path / "out")


def damaged(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda out: (out / name).write_bytes(change((out / name).read_bytes()))


@pytest.mark.parametrize(
    ("does", "what"),
    [
        (damaged("manifest.json", lambda data: data.replace(b'"done"', b'"done" ')), "proof"),
        (damaged("report.json", lambda data: data + b" "), "proof"),
        (damaged("proof/leaves.parquet", lambda data: data[:-9]), "proof"),
        (damaged("proof/proof.json", lambda data: data.replace(b'"root": "', b'"root": "0')), "proof"),
        (damaged("proof/proof.json", lambda data: data[:9]), "proof"),
        (lambda out: take(out) and (out / "review/ledger.jsonl").write_bytes(b"x\n"), "ledger"),
    ],
)
def test_a_run_that_was_changed_vouches_for_nothing(does: Callable, what: str, out: Path) -> None:
    does(out)
    answers = gate([str(out / "kept/a.jsonl")], ANY)

    assert {what, "unscreened"} & {refusal.what for refusal in answers[0].refusals}


LATER = datetime.now(timezone.utc) + timedelta(days=40)
STRICT = {"signatures": {"conclusive": "quarantine", "strong": "tag"}, "secrets": {"strong": "redact"}, "pii": {"strong": "redact"}}


@pytest.mark.parametrize(
    ("required", "what"),
    [
        ({}, []),
        ({"max_age": "60d"}, []),
        ({"max_age": "30d"}, ["age"]),
        ({"max_errored": 0.5}, []),
        ({"max_errored": 0.01}, ["errored"]),
        ({"stages": ["signatures", "pii"]}, []),
        ({"stages": ["of-others"]}, ["stage"]),
        ({"stages": ["known"]}, ["stage"]),  # it was on, and had no index
        ({"actions": STRICT}, []),
        ({"actions": {"signatures": {"strong": "redact"}}}, ["actions"]),
        ({"actions": {"pii": {"weak": "tag"}}}, ["actions"]),
        ({"actions": {"of-others": {"strong": "tag"}}}, ["actions", "actions"]),
        ({"rules": ["pii/email.address", "signatures/openai.*"]}, []),
        ({"rules": ["pii/email.adress"]}, ["rules"]),
        ({"rules": ["pii/email.address@0000"]}, ["rules"]),
        ({"packs": {"builtin/pii/x.yaml": "00"}}, ["packs"]),
        ({"models": {"synthetic": "00"}}, ["models"]),
        ({"indexes": {"logs": "00"}, "code": ["00"]}, ["indexes", "code"]),
        ({"allowances": "forbid"}, []),
    ],
)
def test_each_requirement_is_asked_for(required: dict, what: list[str], out: Path, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(required))

    assert [what] * 6 == refusals(out, required=requirements.read(str(path)), now=LATER)


def test_a_run_that_is_not_done_or_allows_something_vouches_for_nothing_strict(screen_files: Callable, tmp_path: Path) -> None:
    allow = [{"rule": "pii/*", "domains": ["example-corp.com"], "reason": "ours", "by": "jane", "expires": "2099-01-01"}]
    shard(tmp_path / "in/a.jsonl", [HUMAN])
    screen_files(tmp_path / "in", out=tmp_path / "lenient", config=load_config(None, {"policy": {"allow": allow}}))
    shard(tmp_path / "in/b.jsonl", [HUMAN, *BAD])
    screen_files(tmp_path / "in")

    assert ["state"] in refusals(tmp_path / "out")
    assert [["allowances"]] == refusals(tmp_path / "lenient", required=Requirements(allowances="forbid"))


def test_a_gate_like_a_run_lets_that_run_through_and_no_weaker_one(out: Path, screen_files: Callable, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump({**like(str(out)), "max_errored": 1.0}))
    required = requirements.read(str(path))
    screen_files(tmp_path / "in", out=tmp_path / "weak", config=load_config("audit", {**TOLERANT, "output": {"kept": "all"}}))
    screen_files(tmp_path / "in", out=tmp_path / "blind", config=load_config(None, {**TOLERANT, "stages": {"pii": {"enabled": False}}}))

    assert [[]] * 6 == refusals(out, required=required)
    assert all("actions" in said for said in refusals(tmp_path / "weak", required=required))
    assert all("stage" in said for said in refusals(tmp_path / "blind", required=required))


def row(action: str, **fits: str) -> dict:
    return {"rule": "*", "kind": "*", "provider": "*", "source": "*", "strength": "mention", "action": action, **fits}


@pytest.mark.parametrize(
    ("rows", "action"),
    [
        ([], Action.KEEP),
        ([row("redact")], Action.REDACT),
        ([row("redact", rule="pii/a")], Action.KEEP),
        ([row("redact", rule="pii/a"), row("tag", rule="pii/*")], Action.TAG),
        ([row("keep", rule="secrets/*"), row("redact")], Action.REDACT),
        ([row("keep", source="licensed/*"), row("redact")], Action.KEEP),
        ([row("quarantine", kind="EMAIL"), row("redact")], Action.REDACT),
        ([row("redact", strength="conclusive"), row("tag")], Action.TAG),
        ([row("redact"), row("keep")], Action.REDACT),
        ([row("quarantine", score=0.9), row("tag")], Action.TAG),  # type: ignore[arg-type]
    ],
)
def test_the_weakest_row_that_may_decide_is_what_a_policy_promises(rows: list[dict], action: Action) -> None:
    assert action == weakest(rows, ["pii/a", "pii/b"], Strength.STRONG)


def test_released_records_pass_where_that_is_permitted(out: Path) -> None:
    take(out)

    assert {()} == {tuple(said) for said in refusals(out)}
    assert [] != [said for said in refusals(out, required=Requirements(released="forbid")) if said == ["released"]]


def test_only_who_is_trusted_signs(out: Path, tmp_path: Path) -> None:
    from .test_verify import key_files

    (ours, public), (theirs, _) = key_files(tmp_path, "ours"), key_files(tmp_path, "theirs")
    required = Requirements(signed_by=str(public))
    unsigned = refusals(out / "kept/a.jsonl", required=required)
    decontam("sign", out, "--key", theirs)
    by_others = refusals(out / "kept/a.jsonl", required=required)
    decontam("sign", out, "--key", ours)

    assert [["signature"]] == unsigned == by_others
    assert [[]] == refusals(out / "kept/a.jsonl", required=required)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("stage: [pii]", "did you mean 'stages'"),
        ("max_age: 90", "max_age"),
        ("max_age: soon", "no span of time"),
        ("actions: {pii: {strong: mask}}", "is one of keep, tag"),
        ("- a", "requirements are a mapping"),
        ("a: [", "not YAML"),
    ],
)
def test_wrong_requirements_are_one_sentence(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(content)
    with pytest.raises(ConfigError) as problem:
        requirements.read(str(tmp_path / "policy.yaml"))

    assert says in str(problem.value)


def test_the_commands(out: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("max_errored: 0.01\nruns: [out]\n")
    like_it = decontam("gate", "--like", out)
    good = decontam("gate", out)
    bad = decontam("gate", out / "kept/a.jsonl", "--require", tmp_path / "policy.yaml")
    told = decontam("gate", out / "kept/a.jsonl", "--require", tmp_path / "policy.yaml", "--json")
    none = decontam("gate", tmp_path / "nothing")

    assert [0, 0, 1, 1, 2] == [done.returncode for done in (like_it, good, bad, told, none)]
    assert "pii" in yaml.safe_load(like_it.stdout)["stages"]
    assert "6 shards: 6 may be trained on, 0 refused\n" == good.stdout
    assert "errored: " in bad.stdout
    answer = json.loads(told.stdout)["shards"][0]
    assert (False, "errored", str(out / "kept/a.jsonl")) == (answer["ok"], answer["refusals"][0]["what"], answer["path"])
    assert answer["refusals"][0]["do"]


def of_row(out: Path, said: str) -> dict:
    there = finished.opened(str(out))
    with log_of(there, None) as log:
        return why.of_row(there, said, log)


def test_why_answers_for_each_record(out: Path) -> None:
    """MIXED: kept, quarantined, redacted, kept, redacted, quarantined, errored twice, kept."""
    take(out, [("b.jsonl.gz", 0)])
    outcomes = [of_row(out, f"a.jsonl:{number}")["outcome"] for number in range(len(MIXED))]

    assert ["kept", "quarantined", "redacted", "kept", "redacted", "quarantined", "errored", "errored", "kept"] == outcomes
    assert "malformed" == of_row(out, "a.jsonl:6")["error"]["reason"]
    answer = of_row(out, "b.jsonl.gz:0")
    assert ("released", "release/0001/b.jsonl.gz") == (answer["state"], answer["released_to"])
    assert ["release", "released"] == [event["verdict"] for event in answer["events"]]
    assert {"signatures/openai.chat-completion-id"} <= {finding["rule"] for finding in answer["findings"]}
    assert all(finding["revision"] for finding in answer["findings"])


def test_why_knows_its_limits(out: Path) -> None:
    there = finished.opened(str(out))
    for said, says in (("a.jsonl:18", "has 18 rows"), ("a.jsnl:0", "did you mean 'a.jsonl'"), ("a.jsonl", "write SHARD:N")):
        with pytest.raises(InputError, match=says):
            of_row(out, said)
    shards = {answer["shard"] for answer in why.of_id(there, "api", None)}

    assert {"a.jsonl", "b.jsonl.gz", "deep/c.jsonl.zst", "d.ndjson.bz2", "e.json"} == shards
    assert [] == why.of_id(there, "h", None)
    assert ("a.jsonl", [0, 3, 8, 9, 12, 17]) == (
        "a.jsonl",
        [a["row"] for a in why.of_id(there, "h", None, search=True) if a["shard"] == "a.jsonl"],
    )
    assert ["redacted"] == [answer["outcome"] for answer in why.of_id(there, "a.jsonl:2", None)]


def test_why_never_tells_a_text(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/a.jsonl", [MAIL, SECRET, *BAD]), config=load_config(None, TOLERANT))
    told = json.dumps([of_row(tmp_path / "out", f"a.jsonl:{number}") for number in range(8)])

    assert "odalys" not in told
    assert SECRET["text"].split()[-1] not in told
