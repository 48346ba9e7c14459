"""What if: deciding again from what was found comes to what a run with that config comes to."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

import decontam
from decontam import finished
from decontam.config import Config, load_config, rules_of
from decontam.inputs import discover
from decontam.prove import examples
from decontam.quarantine.simulating import Moved, Simulated, simulate
from decontam.run import Job, run
from decontam.tally import OUTCOME
from decontam.types import Action

from .conftest import shard
from .test_cli import decontam as command
from .test_release import take
from .test_run import API, BOTH, HUMAN, MAIL, SECRET

TAKEN = ("quarantined", "dropped")

# Some packs of each stage: what is decided does not hang on how many there are, and few compile in no time.
PACKS = {
    "signatures": ("anthropic", "bedrock", "headers", "refusals", "masked"),
    "secrets": ("tokens", "private_keys", "payments"),
    "pii": ("contact", "network", "payment"),
}


def small(name: str | None = None, over: dict | None = None) -> Config:
    """A config with these packs alone."""
    made: dict = {**(over or {}), "stages": {stage: dict(options) for stage, options in (over or {}).get("stages", {}).items()}}
    for stage, packs in PACKS.items():
        made["stages"].setdefault(stage, {})["packs"] = [
            str(Path(decontam.__file__).parent / f"packs/{stage}/{pack}.yaml") for pack in packs
        ]
    return load_config(name, made)


def texts() -> list[str]:
    """What rules catch and spare, alone, side by side, and in the middle of prose."""
    drawn = random.Random("simulate")
    found = [text for rule in rules_of(small()) for _, text, _ in examples(rule) if len(text) < 2000]
    some = drawn.sample(found, 220)
    pairs = [f"{drawn.choice(found)}\n\n{drawn.choice(found)}" for _ in range(80)]
    crowds = ["\n".join(drawn.choices(found, k=9)) for _ in range(25)]
    prose = [f"{'Plain words, nothing else. ' * 40}\n{drawn.choice(found)}\n{'More of them. ' * 40}" for _ in range(30)]
    return [*some, *pairs, *crowds, *prose]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("simulate")
    records = [{"id": str(number), "text": text} for number, text in enumerate(texts())]
    shard(root / "in/web/a.jsonl.gz", records[::2])
    shard(root / "in/licensed/b.jsonl", records[1::2])
    return root


ALLOW = {"reason": "no harm", "by": "jane", "expires": "2099-01-01"}
CONFIGS: dict[str, tuple[str | None, dict]] = {
    "default": (None, {}),
    "strict": ("strict", {}),
    "audit": ("audit", {"output": {"kept": "all"}}),
    "alone": (None, {"policy": {"combine": []}}),
    "whole": (None, {"policy": {"embedded": [], "mask_limits": []}}),
    "half": (None, {"stages": {"pii": {"enabled": False}, "signatures": {"disable": ["anthropic.*", "refusal.*"]}}}),
    "by source": (
        None,
        {"policy": {"actions": [{"rule": "*", "source": "licensed/*", "action": "tag"}, {"rule": "pii/*", "action": "drop"}]}},
    ),
    "providers": (None, {"policy": {"allow": [{"providers": ["anthropic", "amazon-bedrock", "aws-bedrock"], **ALLOW}]}}),
    "rules": (None, {"policy": {"allow": [{"rule": "pii/*", **ALLOW}, {"rule": "secrets/*", "source": "web/*", **ALLOW}]}}),
}


def ran(corpus: Path, name: str) -> Path:
    """The output of a run with one of CONFIGS; it is done once."""
    out = corpus / name.replace(" ", "-")
    if not out.exists():
        shards, _ = discover([str(corpus / "in")])
        run(Job(config=config(name), shards=shards, out=str(out)))
    return out


def config(name: str) -> Config:
    return small(*CONFIGS[name])


def outcomes(out: Path) -> dict[tuple[str, int], str]:
    found = {}
    for path in (out / "findings").rglob("*.parquet"):
        name = str(path.relative_to(out / "findings")).removesuffix(".parquet")
        found |= {(name, row["row"]): OUTCOME[Action[row["action"].upper()]] for row in pq.read_table(path).to_pylist()}
    return found


def simulated(out: Path, config: object) -> tuple[Simulated, dict[tuple[str, int], str]]:
    moved: list[Moved] = []
    told = simulate(finished.opened(str(out)), config, moved.append)
    return told, {(each.shard, each.row): each.after for each in moved}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_same_config_changes_nothing(name: str, corpus: Path) -> None:
    told, moved = simulated(ran(corpus, name), config(name))

    assert {} == moved == told.changes == told.undecided
    assert told.records == len(outcomes(ran(corpus, name))) > 50


@pytest.mark.parametrize("before", ["default", "by source", "providers", "strict"])
@pytest.mark.parametrize("after", CONFIGS)
def test_what_is_simulated_is_what_a_run_would_do(before: str, after: str, corpus: Path) -> None:
    was, would = outcomes(ran(corpus, before)), outcomes(ran(corpus, after))
    told, moved = simulated(ran(corpus, before), config(after))
    expected = {place: would.get(place, "kept") for place, outcome in was.items() if would.get(place, "kept") != outcome}

    assert expected == moved
    assert {} == told.undecided


def test_won_and_lost_add_up_by_source(corpus: Path) -> None:
    was, would = outcomes(ran(corpus, "default")), outcomes(ran(corpus, "strict"))
    lines = {f"licensed/b.jsonl:{n}": len(line) for n, line in enumerate((corpus / "in/licensed/b.jsonl").read_bytes().splitlines())}
    lost = [place for place in was if was[place] not in TAKEN and would[place] in TAKEN and place[0] == "licensed/b.jsonl"]
    told, _ = simulated(ran(corpus, "default"), config("strict"))

    assert (len(lost), sum(lines[f"{name}:{row}"] for name, row in lost)) == (told.lost["licensed"].documents, told.lost["licensed"].bytes)
    assert 0 < told.lost["licensed"].tokens < told.lost["licensed"].bytes
    assert {"licensed", "web"} == told.lost.keys()
    assert 0 == told.unmeasured
    assert Counter(would[place] for place in was) == told.outcomes


VALUES = {"policy": {"allow": [{"values": ["odalys.brennwald@gartenfreunde-nord.de"], **ALLOW}]}}
DOMAINS = {"policy": {"allow": [{"domains": ["gartenfreunde-nord.de"], **ALLOW}]}}
TAKING = {"policy": {"actions": [{"rule": "pii/*", "action": "quarantine"}]}}


def over(*configs: dict, key: bool = False) -> object:
    made: dict = {"policy": {}}
    for each in configs:
        made["policy"] |= each["policy"]
    if key:
        made["policy"]["key"] = {"env": "SIMULATE_KEY"}
    return load_config(None, made)


@pytest.mark.parametrize(
    ("had", "asks", "key", "outcomes", "undecided"),
    [
        (TAKING, VALUES, False, {"kept": 1, "quarantined": 1}, 0),  # the record in quarantine says it
        (TAKING, DOMAINS, False, {"kept": 1, "quarantined": 1}, 0),
        ({"policy": {}}, VALUES, False, {"redacted": 2}, 2),  # its text is gone
        ({"policy": {}}, VALUES, True, {"tagged": 1, "redacted": 1}, 0),  # the keyed hash says it
        ({"policy": {}}, DOMAINS, True, {"redacted": 2}, 2),
        (VALUES, VALUES, False, {"tagged": 1, "redacted": 1}, 0),  # the run says it
    ],
)
def test_values_are_known_as_far_as_something_says_them(
    had: dict,
    asks: dict,
    key: bool,
    outcomes: dict,
    undecided: int,
    screen_files: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIMULATE_KEY", "a key that is long enough")
    other = {"id": "o", "text": "write to ida.moosbrugger@imkerverein-sued.de, please"}
    screen_files(shard(tmp_path / "in/a.jsonl", [MAIL, other, HUMAN]), config=over(had, key=key))
    asked = over(TAKING if had is TAKING else {"policy": {}}, asks, key=key)
    told, _ = simulated(tmp_path / "out", asked)
    there = screen_files(tmp_path / "in/a.jsonl", config=asked, out=tmp_path / "there")["tally"]["outcomes"]

    assert undecided == sum(told.undecided.values())
    named = {("kept" if outcome == "tagged" else outcome): n for outcome, n in outcomes.items()}
    assert named == {("kept" if outcome == "tagged" else outcome): n for outcome, n in told.outcomes.items()}
    if not undecided:
        assert Counter(there) == Counter(told.outcomes) + Counter(kept=1)


def test_records_that_were_given_back_are_simulated(screen_files: Callable, tmp_path: Path) -> None:
    path = shard(tmp_path / "in/a.jsonl", [API, BOTH, MAIL, SECRET])
    screen_files(path)
    take(tmp_path / "out", [("a.jsonl", 0)])
    allowed = load_config(None, {"policy": {"allow": [{"records": str(tmp_path / "out/review/allow.txt"), **ALLOW}]}})
    told, moved = simulated(tmp_path / "out", allowed)
    report = screen_files(path, config=allowed, out=tmp_path / "next")

    assert {("a.jsonl", 0): "kept"} == moved
    assert Counter(report["tally"]["outcomes"]) == told.outcomes
    assert {"value": 3} == told.undecided
    again, moved = simulated(tmp_path / "next", allowed)
    assert ({}, {}) == (moved, again.undecided)


def test_rules_that_did_not_run_are_named_and_changed_ones_counted(screen_files: Callable, tmp_path: Path) -> None:
    pack = tmp_path / "mine.yaml"
    rule = {
        "id": "house.badge", "kind": "BADGE", "strength": "strong", "why": "w", "source": "s", "anchors": ["BDG-"],
        "pattern": "BDG-[0-9]{6}", "catches": ["my badge is ⟦BDG-%{digit*6}⟧."], "spares": ["BDG-12 is a bus stop"],
    }  # fmt: skip

    def mine(**changes: object) -> object:
        pack.write_text(yaml.safe_dump({"stage": "secrets", "about": "a", "rules": [{**rule, **changes}]}))
        off = {"enabled": False}
        return load_config(None, {"stages": {"secrets": {"packs": [str(pack)]}, "signatures": off, "pii": off, "synthetic": off}})

    screen_files(shard(tmp_path / "in/a.jsonl", [{"text": "my badge is BDG-123456."}, HUMAN]), config=mine())
    changed, _ = simulated(tmp_path / "out", mine(not_after="0-9"))
    other, _ = simulated(tmp_path / "out", mine(id="house.key"))

    assert ({"revision": 1}, ()) == (changed.undecided, changed.new_rules)
    assert ({"kept": 1}, ("secrets/house.key",)) == (other.outcomes, other.new_rules)


def test_the_command(screen_files: Callable, tmp_path: Path) -> None:
    screen_files(shard(tmp_path / "in/web/a.jsonl", [API, MAIL, SECRET, HUMAN]), tmp_path / "in/web/a.jsonl")
    out = tmp_path / "out"
    words = command("quarantine", "simulate", out, "--config", "strict", "--records", tmp_path / "moved.jsonl")
    told = command("quarantine", "simulate", out, "--config", "strict", "--json")
    wrong = command("quarantine", "simulate", out, "--config", "strct")

    assert [0, 0, 2] == [done.returncode for done in (words, told, wrong)]
    assert "3 records with findings decided again, 1 would fare otherwise" in words.stdout
    assert {"from": "redacted", "to": "quarantined", "records": 1} in json.loads(told.stdout)["changes"]
    assert ["secret"] == [json.loads(line)["id"] for line in (tmp_path / "moved.jsonl").read_text().splitlines()]
