from __future__ import annotations

import dataclasses
import json
from datetime import date
from pathlib import Path

import pytest
import yaml

from decontam.config import chain_of, check, expired, fingerprint, json_schema, load_config, rules_of, shipped
from decontam.errors import ConfigError
from decontam.types import Action

DEFAULT = shipped()["default"]


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_config_is_ready(name: str) -> None:
    assert chain_of(load_config(name)).stages


def test_the_configs_that_were_promised_are_there() -> None:
    assert {"default", "strict", "audit", "chat", "code", "like-fineweb", "like-dolma"} <= shipped().keys()


def test_the_default_config_names_every_option() -> None:
    """What show prints is what the file says, so an option with a default of its own cannot hide in the code."""
    written = yaml.safe_load(DEFAULT.read_text("utf-8"))
    shown = load_config().to_dict()

    assert written.keys() == shown.keys()
    for section in ("input", "output", "quarantine", "policy"):
        assert written[section].keys() == shown[section].keys()
    for stage, options in shown["stages"].items():
        assert written["stages"][stage].keys() == options.keys()


def test_every_line_of_an_option_in_the_default_config_is_commented() -> None:
    text = DEFAULT.read_text("utf-8")

    for option in ("text_key", "id_key", "max_error_rate", "kept", "zstd_level", "original", "secrets", "packs", "disable"):
        assert f"  {option}:" in text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"polcy": {}}, "unknown key 'polcy'; did you mean 'policy'?"),
        ({"policy": {"acions": []}}, "unknown key 'policy.acions'; did you mean 'actions'?"),
        ({"stages": {"pii": {"enabeld": True}}}, "unknown key 'stages.pii.enabeld'; did you mean 'enabled'?"),
        ({"stages": {"pi": {}}}, "unknown stage 'pi'; did you mean 'pii'?"),
        ({"policy": {"actions": [{"rule": "x", "action": "reduct"}]}}, "did you mean 'redact'?"),
        ({"policy": {"actions": [{"rul": "x", "action": "keep"}]}}, "did you mean 'rule'?"),
        ({"policy": {"actions": [{"rule": "x"}]}}, "lacks 'action'"),
        ({"output": {"kept": "al"}}, "output.kept"),
        ({"output": {"zstd_level": 99}}, "output.zstd_level"),
        ({"policy": {"allow": [{"reason": "r", "by": "b", "expires": "soon"}]}}, "'soon' is not a date"),
        ({"policy": {"allow": [{"rule": "pii/*"}]}}, "lacks 'reason'"),
    ],
)
def test_a_wrong_option_is_explained(options: dict, says: str) -> None:
    with pytest.raises(ConfigError) as problem:
        load_config(None, options)

    assert says in str(problem.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [("a: [", "not YAML"), ("- a", "a config is a mapping"), ("stages: {pii: {packs: [no]}}", "does not exist")],
)
def test_a_wrong_file_is_explained(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(ConfigError, match=says):
        rules_of(load_config(tmp_path / "c.yaml"))


def test_a_config_that_is_not_there_is_explained() -> None:
    with pytest.raises(ConfigError, match="did you mean 'strict'"):
        load_config("strct")


def test_mappings_merge_lists_replace_and_actions_come_first(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("policy: {actions: [{kind: EMAIL, action: keep}], mask_limits: []}")
    merged, default = load_config(tmp_path / "c.yaml").policy, load_config().policy

    assert "EMAIL" == merged.actions[0].kind
    assert default.actions == merged.actions[1:]
    assert () == merged.mask_limits
    assert default.combine == merged.combine


def test_packs_are_relative_to_the_config(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "stage: pii\nabout: x\nrules:\n- {id: own.badge, kind: BADGE, strength: strong, why: w, source: s, pattern: 'BDG-[0-9]{4}', "
        "catches: ['⟦BDG-%{digit*4}⟧'], spares: [BDG-1]}\n"
    )
    (tmp_path / "c.yaml").write_text("stages: {pii: {packs: [builtin, mine.yaml], disable: ['email.*']}}")
    config = load_config(tmp_path / "c.yaml")
    ids = {rule.id for rule in rules_of(config)}

    assert "own.badge" in ids
    assert not any(id.startswith("email.") for id in ids)
    assert Action.REDACT == chain_of(config).screen_text("badge BDG-1234").action


def test_a_config_survives_the_journey_to_a_worker() -> None:
    config = load_config("strict")

    assert config == check(json.loads(json.dumps(config.to_dict())))


def test_an_allowance_ends_with_its_last_day(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("policy: {allow: [{rule: 'pii/*', reason: r, by: b, expires: 2027-01-31}]}")
    config = load_config(tmp_path / "c.yaml")

    assert chain_of(config, date(2027, 1, 31)).policy.allow
    assert not chain_of(config, date(2027, 2, 1)).policy.allow
    assert "expired on 2027-01-31" in expired(config, date(2027, 2, 1))[0]


def test_the_fingerprint_follows_options_and_rules() -> None:
    config, rules = load_config(), rules_of(load_config())
    changed = dataclasses.replace(rules[0], revision="another")

    assert fingerprint(config, rules) == fingerprint(load_config(), rules)
    assert len({fingerprint(config, rules), fingerprint(load_config("strict"), rules), fingerprint(config, (changed, *rules[1:]))}) == 3


def test_the_schema_is_one_that_editors_understand() -> None:
    schema = json_schema()

    assert "policy" in schema["properties"]
    json.dumps(schema)
