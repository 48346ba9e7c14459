from __future__ import annotations

import dataclasses
import json
from datetime import date
from pathlib import Path

import pytest
import yaml

from decontam.config import chain_of, check, expired, fingerprint, json_schema, load_config, rules_of, shipped
from decontam.errors import ConfigError
from decontam.redaction import redacted
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


MAIL, OTHER, PHONE, ADDRESS = "jane.roe@acme-logistics.co", "r.miles@studio.design", "+1 201-555-7405", "151.201.17.44"
CONTACT = f"Mail {MAIL} or {OTHER}, call {PHONE}. Login from {ADDRESS}; version 4.2.7.14, host 192.168.1.21, user@example.com, {OTHER}."
POOL = ["email@example.com", "firstname.lastname@example.org"]


@pytest.mark.parametrize(
    ("name", "action", "replaced"),
    [
        ("like-fineweb", Action.REDACT, {MAIL: POOL[0], ADDRESS: "22.214.171.124"}),
        ("like-dolma", Action.REDACT, {MAIL: "|||EMAIL_ADDRESS|||", PHONE: "|||PHONE_NUMBER|||", ADDRESS: "|||IP_ADDRESS|||"}),
    ],
)
def test_a_preset_replaces_what_its_pipeline_does_and_by_what(name: str, action: Action, replaced: dict[str, str]) -> None:
    chain = chain_of(load_config(name))
    verdict = chain.screen_text(CONTACT)
    after = redacted(CONTACT, verdict.redactions)
    wanted = CONTACT
    for old, new in replaced.items():
        wanted = wanted.replace(old, new)
    for new in (POOL[1], POOL[0]) if name == "like-fineweb" else ("|||EMAIL_ADDRESS|||",) * 2:  # they take turns
        wanted = wanted.replace(OTHER, new, 1)

    assert action == verdict.action
    assert wanted == after
    assert after == redacted(after, chain.screen_text(after).redactions)


@pytest.mark.parametrize(
    ("name", "mails", "action"),
    [
        ("like-dolma", 5, Action.REDACT),
        ("like-dolma", 6, Action.QUARANTINE),
        ("like-fineweb", 6, Action.REDACT),
        ("like-fineweb", 0, Action.KEEP),
        ("like-dolma", 0, Action.KEEP),
    ],
)
def test_a_preset_takes_out_what_its_pipeline_does(name: str, mails: int, action: Action) -> None:
    text = "version 4.2.7.14, lengths 313 925 6941 mm. " * 6 + " ".join(f"Mail {c}.{MAIL} now." for c in "abcdef"[:mails])

    assert action == chain_of(load_config(name)).screen_text(text).action


def test_like_fineweb_runs_all_rules_for_mail_and_ip_addresses_and_no_others() -> None:
    rules = {name: {rule for rule in rules_of(load_config(name)) if rule.stage == "pii"} for name in ("default", "like-fineweb")}

    assert {rule for rule in rules["default"] if rule.kind in {"EMAIL", "IP"}} == rules["like-fineweb"]


def test_a_kind_without_a_text_to_stand_for_it_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"policy\.placeholders\.EMAIL"):
        load_config(None, {"policy": {"placeholders": {"EMAIL": []}}})


@pytest.mark.parametrize("name", ["strict", "like-fineweb", "like-dolma"])
def test_a_config_survives_the_journey_to_a_worker(name: str) -> None:
    config = load_config(name)

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
