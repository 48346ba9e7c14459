"""Verdicts teach: what a rule's precision is, and what that would change in a config."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from decontam import finished
from decontam.config import Config, load_config, shipped
from decontam.errors import InputError
from decontam.quarantine.releasing import release
from decontam.quarantine.teach import Judged, Taught, precision, precision_of, teach
from decontam.quarantine.verdicts import Event, Verdicts
from decontam.quarantine.yamltext import edited
from decontam.rates import wilson

from .conftest import shard
from .test_cli import decontam

verdicts = st.sampled_from(["confirm", "release", "unsure"])
records = st.lists(
    st.builds(lambda row, verdict, p: Judged("a", row, {"s/r": 1.0}, verdict, p), st.integers(), verdicts, st.floats(0.01, 1)), max_size=30
)


@given(records)
def test_a_precision_is_a_rate_with_its_interval_around_it(found: list[Judged]) -> None:
    told = precision_of("s/r", found)
    said = [each for each in found if each.verdict != "unsure"]

    assert (told.rate is None) == (not said)
    assert len(found) == told.judged == told.confirmed + told.released + told.unsure or told.rate is None
    if told.rate is not None:
        assert 0 <= told.low <= told.rate + 1e-9
        assert told.rate - 1e-9 <= told.high <= 1
        assert 1 - 1e-9 <= told.effective <= len(said) + 1e-9


def test_a_record_stands_for_as_many_as_its_probability_says() -> None:
    """90 records of which 9 were drawn, all right; 10 of which 9 were drawn, all wrong."""
    found = [Judged("a", n, {"s/r": 1.0}, "confirm", 0.1) for n in range(9)] + [
        Judged("b", n, {"s/r": 1.0}, "release", 0.9) for n in range(9)
    ]
    told = precision_of("s/r", found)

    assert 0.9 == pytest.approx(told.rate)
    assert told.effective < 18
    even = precision_of("s/r", [each._replace(probability=0.5) for each in found])
    assert (0.5, 18.0) == (pytest.approx(even.rate), pytest.approx(even.effective))
    assert wilson(9, 18) == pytest.approx((even.low, even.high))


def test_what_nobody_drew_says_nothing_of_the_others() -> None:
    found = [Judged("a", n, {"s/r": 1.0}, "release", None) for n in range(50)] + [Judged("b", 1, {"s/r": 1.0, "s/q": 1.0}, "confirm", 1.0)]
    told = precision_of("s/r", found)

    assert (1.0, 1, 50) == (told.rate, told.judged, told.apart)
    assert precision_of("s/x", found).rate is None


def rule(id: str, letters: str) -> dict:
    return {
        "id": id, "kind": "BADGE", "strength": "strong", "why": "w", "source": "s", "anchors": [f"{letters}-"],
        "pattern": f"{letters}-[0-9]{{6}}", "catches": [f"my badge is ⟦{letters}-%{{digit*6}}⟧."],
        "spares": [f"{letters}-12 is a bus stop"],
    }  # fmt: skip


@pytest.fixture
def out(screen_files: Callable, tmp_path: Path) -> Path:
    """Two folders with 40 records by each of three rules, and some by nobody."""
    pack = {"stage": "secrets", "about": "a", "rules": [rule("house.good", "GDG"), rule("house.bad", "BDB"), rule("house.half", "HFH")]}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(pack))
    for folder in ("web", "books"):
        lines = [{"id": f"{folder}-{n}", "text": f"my badge is {('GDG', 'BDB', 'HFH', 'XXX')[n % 4]}-{n:06}."} for n in range(160)]
        shard(tmp_path / f"in/{folder}/a.jsonl", lines)
    screen_files(tmp_path / "in", config=mine(tmp_path))
    return tmp_path / "out"


def mine(folder: Path, **policy: object) -> Config:
    off = {"enabled": False}
    stages = {"secrets": {"packs": [str(folder / "mine.yaml")]}, "signatures": off, "pii": off, "synthetic": off}
    actions = [{"rule": "secrets/*", "action": "quarantine"}]
    return load_config(None, {"stages": stages, "policy": {"actions": actions, **policy}, "quarantine": {"secrets": "keep"}})


def judge(out: Path, says: Callable[[str, int], str | None], probability: float | None = 0.5) -> None:
    with Verdicts(out / "review/verdicts.sqlite") as log:
        log.add(
            Event(f"{folder}/a.jsonl", n, verdict, "jane", probability=probability)
            for folder in ("web", "books")
            for n in range(160)
            if n % 4 < 3 and (verdict := says(folder, n))
        )


def taught(out: Path, **options: object) -> Taught:
    with Verdicts(out / "review/verdicts.sqlite") as log:
        return teach(finished.opened(str(out)), log, **options)


def by_rule(folder: str, n: int) -> str:
    """All good ones are right, all bad ones wrong, the half ones wrong on the web alone."""
    return ("confirm", "release", "release" if folder == "web" else "confirm")[n % 4]


def test_rules_that_are_wrong_are_silenced_or_tag_and_are_allowed_where_they_are_wrong(out: Path) -> None:
    judge(out, by_rule)
    with Verdicts(out / "review/verdicts.sqlite") as log:
        rates = {each.rule: (each.rate, each.records) for each in precision(finished.opened(str(out)), log)}
    done = taught(out, target=0.6)

    assert {"secrets/house.good": (1.0, 80), "secrets/house.bad": (0.0, 80), "secrets/house.half": (0.5, 80)} == rates
    assert {"secrets": ["house.bad"]} == done.proposal.disable
    assert [("secrets/house.half", "web/*")] == [(each["rule"], each["source"]) for each in done.proposal.allow]
    assert [] == done.proposal.rows
    assert {"release": 120} == done.sides


@pytest.mark.parametrize("least", [10, 1000])
def test_of_rules_with_few_verdicts_nothing_is_said(least: int, out: Path) -> None:
    judge(out, lambda folder, n: by_rule(folder, n) if least == 1000 or n < 8 else None)
    done = taught(out, least=least)

    assert not done.proposal
    assert ("", None) == (done.diff, done.simulated)


def test_a_proposal_is_a_diff_that_applies_and_does_what_it_says(out: Path, tmp_path: Path, screen_files: Callable) -> None:
    judge(out, by_rule)
    off = "{enabled: false}"
    own = tmp_path / "own.yaml"
    own.write_text(
        f"# ours\nstages:\n  secrets:\n    packs: [mine.yaml]   # badges\n  signatures: {off}\n  pii: {off}\n  synthetic: {off}\n"
        "policy:\n  # what it costs\n  actions:\n    - {rule: 'secrets/*', action: quarantine}   # all of them\n"
        "quarantine: {secrets: keep}\n"
    )
    moved: list = []
    done = taught(out, config=str(own), moved=lambda each, verdict: moved.append((each.shard, each.row, each.after, verdict)))

    assert done.diff.startswith("--- own.yaml\n+++ own.yaml (proposed)\n")
    removed = [line for line in done.diff.splitlines() if line.startswith("-") and not line.startswith("---")]
    assert [] == removed
    assert "# all of them" in done.content
    own.write_text(done.content)
    screen_files(tmp_path / "in", config=load_config(own), out=tmp_path / "next")
    after = {(row["shard"], row["row"]) for row in _taken(tmp_path / "next")}
    assert {(shard, row) for shard, row, after_, _ in moved if after_ not in ("quarantined", "dropped")} == {
        place for place in {(row["shard"], row["row"]) for row in _taken(out)} if place not in after
    }
    assert {"release", "confirm"} >= {verdict for *_, verdict in moved}


def _taken(out: Path) -> list[dict]:
    import pyarrow.parquet as pq

    return [
        {"shard": row["source"], "row": row["row"]}
        for path in (out / "quarantine").rglob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]


def test_scores_that_tell_right_from_wrong_become_a_threshold(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the rule had a validator: its findings score what their number says."""
    from decontam.quarantine import teach as teaching

    real = teaching._scores
    monkeypatch.setattr(teaching, "_scores", lambda row: dict.fromkeys(real(row), row["row"] % 10 / 10))
    judge(out, lambda folder, n: "confirm" if n % 10 >= 6 else "release")
    done = taught(out)
    rows = [row for row in done.proposal.rows if row["rule"] == "secrets/house.half"]

    assert [{"rule": "secrets/house.half", "score": 0.6, "action": "quarantine"}, {"rule": "secrets/house.half", "action": "tag"}] == rows
    assert load_config(None, yaml.safe_load(done.content) | {}).policy.actions[0].score == done.proposal.rows[0]["score"]


def test_records_that_were_given_back_are_proposed_once(out: Path) -> None:
    judge(out, lambda folder, n: "release" if n == 1 else None)
    run = finished.opened(str(out))
    with Verdicts(out / "review/verdicts.sqlite") as log:
        release(run, log, "jane")
    done = taught(out)

    assert [str((out / "review/allow.txt").absolute())] == [each["records"] for each in done.proposal.allow]
    assert "given back by reviewers" in done.diff
    assert yaml.safe_load(done.content)["policy"]["allow"]


def test_a_record_that_was_released_still_counts_as_wrong(out: Path) -> None:
    judge(out, lambda folder, n: "release" if n % 4 == 1 else None)
    run = finished.opened(str(out))
    with Verdicts(out / "review/verdicts.sqlite") as log:
        before = precision(run, log)
        release(run, log, "jane")
        after = precision(run, log)

    assert before == after


CONFIGS = {
    "nothing": "",
    "a comment": "# nothing\n",
    "no newline at the end": "input: {text_key: body}",
    "in flow": "policy: {allow: []}\n",
    "rows in flow": "policy:\n  actions: [{rule: a, action: tag}]  # mine\n  allow: []   # none\n",
    "rows in blocks": "policy:\n  # first\n  actions:\n    # the first row\n    - {rule: a, action: tag}\n"
    "    - rule: b\n      action: keep\n  combine: []\n",
    "rows as far left as their key": "policy:\n  actions:\n  - {rule: a, action: tag}\n"
    "stages:\n  secrets:\n    disable:\n    - a\n    packs: [builtin]\n",
    "deep indents": "policy:\n        actions:\n              - {rule: a, action: tag}\n\n# end\n",
    "keys that look alike": "other:\n  policy:\n    actions: 1\npolicy_x: 1\npolicy:\n  mask_limits: []\n",
    "a stage in flow": "stages: {secrets: {enabled: true}}\n",
    "no list yet": "policy:\n  actions:\n  allow:\n",
    **{name: path.read_text("utf-8") for name, path in shipped().items()},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_changed_as_text_says_what_it_should_and_loses_no_comment(name: str) -> None:
    text = CONFIGS[name]
    rows, allow, disable = (
        [{"rule": "x", "action": "tag"}],
        [{"rule": "y", "reason": "it's: so # and", "by": "j", "expires": "2030-01-01"}],
        {"secrets": ["z.*"]},
    )
    new = edited(text, rows, allow, disable)
    had, has = yaml.safe_load(text) or {}, yaml.safe_load(new)

    assert rows + ((had.get("policy") or {}).get("actions") or []) == has["policy"]["actions"]
    assert allow + ((had.get("policy") or {}).get("allow") or []) == has["policy"]["allow"]
    assert "z.*" == has["stages"]["secrets"]["disable"][0]
    for options, which in ((had, has),):
        assert {key: value for key, value in options.items() if key not in ("policy", "stages")} == {
            key: value for key, value in which.items() if key not in ("policy", "stages")
        }
    if name not in {"in flow", "a stage in flow"}:  # those are written anew
        assert all(line.split("#", 1)[1] in new for line in text.splitlines() if "#" in line)


def test_the_commands(out: Path, tmp_path: Path) -> None:
    judge(out, by_rule)
    rates = decontam("quarantine", "precision", out)
    told = decontam("quarantine", "precision", out, "--json")
    words = decontam("quarantine", "teach", out, "--records", tmp_path / "moved.jsonl", "--write", tmp_path / "new.yaml")
    as_json = decontam("quarantine", "teach", out, "--json")
    wrong = decontam("quarantine", "teach", out, "--config", "no.yaml")

    assert [0, 0, 0, 0, 2] == [done.returncode for done in (rates, told, words, as_json, wrong)], words.stderr
    assert "secrets/house.bad" in rates.stdout
    assert 0.0 == json.loads(told.stdout)["rules"][0]["rate"]
    assert any(line.startswith("+") and "house.bad" in line for line in words.stdout.splitlines())
    assert "is silenced" in words.stderr
    assert "no longer taken out" in words.stderr
    assert {"release", "confirm"} >= {json.loads(line)["verdict"] for line in (tmp_path / "moved.jsonl").read_text().splitlines()}
    assert load_config(tmp_path / "new.yaml")
    assert json.loads(as_json.stdout)["diff"] == words.stdout
    with pytest.raises(InputError, match="name a YAML file of your own"):
        taught(out, config="no.yaml")
