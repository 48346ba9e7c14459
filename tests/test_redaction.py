"""What stands for a value: nothing else changes, nothing is found again, and only the key tells whose it was."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import decontam
from decontam.chain import Chain
from decontam.config import Config, chain_of, fingerprint, load_config, rules_of
from decontam.documents import Documents
from decontam.errors import ConfigError
from decontam.jsontext import Literal, spliced, value_of
from decontam.keys import Key, KeySource
from decontam.policy import Policy, Row
from decontam.prove import example, fill_in
from decontam.redaction import Redactor, hash_of, masked, normalised, of_record, pseudonym, redacted
from decontam.surrogates import surrogate
from decontam.tables import findings_row
from decontam.types import Action, Field, Finding, Record, Span, Strength, Verdict
from decontam.view import View

MODES = ("type", "mask", "pseudonym", "surrogate")
NAME = "DECONTAM_TEST_KEY"
SECRET = "an invented key, and a long one"
KEY = Key(SECRET.encode())
MAIL = "odalys.brennwald@gartenfreunde-nord.de"


@pytest.fixture(autouse=True, scope="module")
def key() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NAME, SECRET)
        yield


def config_of(mode: str, **more: object) -> Config:
    return load_config(None, {"policy": {"redaction": mode, "key": {"env": NAME}, **more}})


@pytest.fixture(scope="module")
def chains(key: object) -> dict[str, Chain]:
    return {mode: chain_of(config_of(mode)) for mode in MODES}


def examples() -> list[tuple[str, str]]:
    """Kind and text for each example of what is found in a text by itself."""
    return [
        (rule.kind, example(written, f"{rule.id}:catches:{number}")[0])
        for rule in rules_of(load_config())
        if rule.stage != "signatures"
        for number, written in enumerate(rule.catches)
    ]


EXAMPLES = examples()
around = st.text(st.sampled_from("abc XYZ.,\n\"'<>&{}\\/é电话\u200b😀"), max_size=12)
# Far enough apart that a value is never the word beside another one: what was redacted may have stood in the way of that.
APART = "\n" + "Plain words stand here. " * 12 + "\n"
texts = st.lists(st.tuples(around, st.sampled_from(range(len(EXAMPLES)))), min_size=1, max_size=3).map(
    lambda parts: APART.join(f"{before}{APART}{EXAMPLES[number][1]}" for before, number in parts)
)


def screened(chain: Chain, text: str) -> tuple[Verdict, str]:
    verdict = chain.screen_text(text)
    return verdict, redacted(text, verdict.redactions)


def strong(verdict: Verdict) -> list[str]:
    return [found.name for found in verdict.findings if found.stage != "signatures" and found.strength >= Strength.STRONG]


@pytest.mark.parametrize("mode", MODES)
@given(texts)
def test_redacting_what_was_redacted_changes_nothing(chains: dict[str, Chain], mode: str, text: str) -> None:
    verdict, once = screened(chains[mode], text)
    again, twice = screened(chains[mode], once)

    assert once == twice
    if verdict.action == Action.REDACT and mode == "surrogate":
        assert [] == strong(again)


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_is_replaced_and_stays_replaced(chains: dict[str, Chain], mode: str) -> None:
    kinds = set()
    for kind, text in EXAMPLES:
        verdict, once = screened(chains[mode], text)
        if verdict.action == Action.REDACT:
            kinds.add(kind)
            assert once != text or mode == "mask", kind
            assert once == screened(chains[mode], once)[1], kind

    assert len(kinds) > 90


@given(st.sampled_from(MODES), texts)
def test_every_other_character_is_untouched(chains: dict[str, Chain], mode: str, text: str) -> None:
    verdict, done = screened(chains[mode], text)
    at = moved = 0
    for _, (start, end), replacement in verdict.redactions:
        assert text[at:start] == done[at + moved : start + moved]
        moved += len(replacement) - (end - start)
        at = end

    assert text[at:] == done[at + moved :]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "around", ['{"a": "\\u00e9 %s", "b": 1.0}', '{"a": "say \\"%s\\" \\ud83d\\ude00 \\n"}', '{"a": "<a href=\'mailto:%s\'>x</a>"}']
)
def test_inside_json_only_the_literal_changes(chains: dict[str, Chain], mode: str, around: str) -> None:
    line = (around % MAIL).encode()
    literal = Literal(("a",), 7, line.index(b'", "b"') if b'", "b"' in line else line.rindex(b'"'))
    text = value_of(line, literal)
    verdict, done = screened(chains[mode], text)
    changed = spliced(line, [(literal, verdict.redactions)])

    assert done == json.loads(changed)["a"] != text
    assert (around.split("%s", maxsplit=1)[0].encode(), around.split("%s")[1].encode()) == (
        changed[: len(around.split("%s", maxsplit=1)[0])],
        changed[-len(around.split("%s")[1]) :],
    )


@pytest.mark.parametrize("mode", MODES)
def test_half_a_surrogate_pair_inside_a_value_can_be_told(chains: dict[str, Chain], mode: str) -> None:
    verdict = chains[mode].screen_text(fill_in("postgres://app:%{alnum*6}\ud800%{alnum*6}@db.%{lower*8}.de/main", mode))

    assert verdict.redactions
    assert orjson.dumps(findings_row("1", 0, verdict))


@given(st.text())
def test_a_mask_keeps_the_shape(text: str) -> None:
    mask = masked(text)

    assert len(text) == len(mask)
    assert mask == masked(mask)
    assert all(m == c or m in "x0" for c, m in zip(text, mask, strict=True))
    assert not any(c.isalpha() and c != "x" for c in mask)
    assert not any(c.isdecimal() and c != "0" for c in mask)


VARIANTS = [
    ("EMAIL", [MAIL, MAIL.upper(), f"{MAIL[:16]} [at] {MAIL[17:-3]} [dot] de", MAIL.replace("@", "&#64;"), MAIL.replace("@", "＠")]),
    ("PHONE", ["+49 30 123456", "0049 (30) 12-34-56", "+49 (0)30 123456", "＋４９ 30 123456"]),
    ("IBAN", ["DE00 1234 5678", "de0012345678", "DE00\u00a01234\u00a05678"]),
    ("CREDIT_CARD", ["4000 1111 2222", "4000-1111-2222", "400011112222"]),
    ("IP", ["2001:db8::1", "2001:0DB8:0:0::1"]),
    ("MAC", ["3c:5a:b4:01:9e:22", "3C-5A-B4-01-9E-22", "3c5a.b401.9e22"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "written"), VARIANTS, ids=lambda case: case if isinstance(case, str) else "")
def test_a_value_is_the_same_however_it_is_written(kind: str, written: list[str]) -> None:
    assert 1 == len({normalised(kind, variant) for variant in written}) == len({hash_of(kind, variant, KEY) for variant in written})


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("EMAIL", "ab@c.de", "a.b@c.de"),
        ("DOB", "1.11.1990", "11.1.1990"),
        ("SECRET", "hunter2Q", "hunter2q"),
        ("GEO", "48.1, 11.5", "4.81, 11.5"),
        ("PHONE", "+49 30 1234", "+49 30 1235"),
    ],
)
def test_other_values_stay_others(kind: str, one: str, other: str) -> None:
    assert normalised(kind, one) != normalised(kind, other)


@given(st.sampled_from(sorted({kind for kind, _ in EXAMPLES})), st.text(min_size=1))
def test_pseudonyms_follow_kind_value_and_key(kind: str, value: str) -> None:
    token = pseudonym(kind, value, KEY)

    assert token == pseudonym(kind, value, Key(SECRET.encode()))
    assert token != pseudonym(kind, value, Key(b"another key that is long enough"))
    assert token != pseudonym(f"{kind}_", value, KEY)
    assert not hash_of(kind, value, KEY).startswith(token)


def test_the_same_value_gets_the_same_token_in_every_record(chains: dict[str, Chain]) -> None:
    tokens = {screened(chains["pseudonym"], f"{before} {MAIL.upper() if n % 2 else MAIL} now")[1].split()[-2] for n, before in
              enumerate(["to", "Write", "x,", "cc:"])}  # fmt: skip

    assert 1 == len(tokens)
    assert tokens.pop().startswith("<EMAIL:")


@pytest.mark.parametrize(
    ("kind", "value", "looks"),
    [
        ("EMAIL", MAIL, r"[a-z]+@example\.(com|org|net)"),
        ("PHONE", "+49 (30) 1234-5678", r"\+[2-9]\d \(\d5\) 5501-\d\d\d?.*"),
        ("IP", "93.184.215.14", r"(192\.0\.2|198\.51\.100|203\.0\.113)\.\d+"),
        ("IP", "2606:4700::6810:84e5", r"2001:db8:.*"),
        ("MAC", "3C-5A-B4-01-9E-22", r"01-00-5E-90-10-[0-9A-F]{2}"),
        ("US_SSN", "219-07-4302", r"666-\d\d-\d{4}"),
        ("IBAN", "GB82 WEST 1234 5698 7654 32", r"GB0[01] [A-Z]{4} \d{4} \d{4} \d{4} \d\d"),
        ("CREDIT_CARD", "4242 4242 4242 4242", r"4\d{3} \d{4} \d{4} \d{4}"),
    ],
)
def test_surrogates_look_like_what_they_stand_for(kind: str, value: str, looks: str) -> None:
    checks = {"IBAN": [["iban"]], "CREDIT_CARD": [["card"], ["luhn"]]}.get(kind, [])
    made = surrogate(kind, normalised(kind, value), value, KEY, checks)

    assert made
    if kind != "PHONE":
        assert re.fullmatch(looks, made), made
    else:
        assert [c.isdigit() for c in value] == [c.isdigit() for c in made]
        assert "55501" == "".join(filter(str.isdigit, made))[-7:-2]


@pytest.mark.parametrize("kind", ["EMAIL", "IBAN", "CREDIT_CARD", "IP"])
def test_a_value_has_one_surrogate_however_it_is_written(kind: str) -> None:
    written = dict(VARIANTS)[kind]
    made = {normalised(kind, str(surrogate(kind, normalised(kind, variant), variant, KEY, []))) for variant in written}

    assert 1 == len(made)
    assert made.isdisjoint({normalised(kind, variant) for variant in written})


@pytest.mark.parametrize("checks", [[], [["luhn"], []]])
def test_what_is_known_by_its_shape_alone_has_no_surrogate(checks: list) -> None:
    assert surrogate("US_PASSPORT", "123456789", "123456789", KEY, checks) is None


class Digits:
    """Finds numbers, among them every surrogate of a telephone number."""

    name = "digits"

    def inspect(self, view: View) -> list[Finding]:
        spans = [Span(*match.span()) for match in re.finditer("[0-9]{7,}", view.text)]
        return [Finding(view.field.path, "digits", "d", "r", "PHONE", span, Strength.STRONG) for span in spans]


@pytest.mark.parametrize(("placeholder", "becomes"), [("<{kind}>", "<PHONE:"), ("<{kind}0000000>", "<PHONE0000000>")])
def test_a_surrogate_that_is_found_again_becomes_a_pseudonym_or_the_placeholder(placeholder: str, becomes: str) -> None:
    chain = Chain((Digits(),), Policy((Row(action=Action.REDACT),), redaction="surrogate", placeholder=placeholder), Redactor(KEY))

    assert screened(chain, "call 9018207 now")[1].startswith(f"call {becomes}")


def test_a_row_may_say_how_its_values_are_replaced() -> None:
    rows = [{"rule": "pii/*", "kind": "EMAIL", "action": "redact", "redaction": "mask"}]
    chain = chain_of(config_of("pseudonym", actions=[*rows, {"rule": "pii/*", "strength": "strong", "action": "redact"}]))
    text = f"mail {MAIL}, address 93.184.215.14"
    done = screened(chain, text)[1]

    assert masked(MAIL) in done
    assert "<IP:" in done


def test_embedded_payloads_and_secrets_in_quarantine_get_the_placeholder() -> None:
    documents = Documents(config_of("mask").to_dict())
    secret = next(text for kind, text in EXAMPLES if kind == "SECRET")
    found = documents.screen(secret).verdict
    quarantined = Verdict(Action.QUARANTINE, found.findings)

    assert "<SECRET>" in documents.held(secret, quarantined)


def test_a_key_is_asked_for_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for policy in ({"redaction": "pseudonym"}, {"actions": [{"action": "redact", "redaction": "surrogate"}]}):
        with pytest.raises(ConfigError, match=r"policy\.key"):
            chain_of(load_config(None, {"policy": policy}))
    monkeypatch.delenv(NAME)
    with pytest.raises(ConfigError, match=NAME):
        fingerprint(config_of("type"), ())
    with pytest.raises(ConfigError, match=NAME):
        decontam.load(config_of("pseudonym")).screen("text")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (KeySource(), "either env"),
        (KeySource(env="A", file="b"), "either env"),
        (KeySource(env="DECONTAM_NOT_SET"), "is not set"),
        (KeySource(file="no/such/file"), "No such file"),
    ],
)
def test_a_key_that_cannot_be_had_is_explained(source: KeySource, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        source.read()


def test_a_short_key_is_refused_without_being_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("geheim\n")
    with pytest.raises(ConfigError, match="holds 6 bytes") as problem:
        KeySource(file=str(tmp_path / "key")).read()

    assert "geheim" not in str(problem.value)


@pytest.mark.parametrize("key", [SECRET, {"file": [SECRET]}, {"env": NAME, "value": SECRET}])
def test_a_key_in_the_config_itself_is_refused_and_not_repeated(key: object) -> None:
    with pytest.raises(ConfigError, match=r"policy\.key") as problem:
        load_config(None, {"policy": {"key": key}})

    assert SECRET not in str(problem.value)


def test_the_file_of_a_key_is_relative_to_the_config(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SECRET}\n")
    (tmp_path / "c.yaml").write_text("policy: {key: {file: key}, redaction: pseudonym}")

    assert KEY.id == chain_of(load_config(tmp_path / "c.yaml")).redactor.key.id


def test_the_key_stays_where_it_is(chains: dict[str, Chain]) -> None:
    config = config_of("pseudonym")

    assert SECRET not in json.dumps(config.to_dict())
    assert SECRET.encode() not in pickle.dumps(Documents(config.to_dict()))
    assert SECRET not in repr(chains["pseudonym"])
    with pytest.raises(TypeError, match="never written down"):
        pickle.dumps(chains["pseudonym"].redactor)


def test_another_key_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(config_of("type"), ())
    monkeypatch.setenv(NAME, SECRET[::-1])

    assert before != fingerprint(config_of("type"), ())


def test_findings_carry_a_hash_of_what_was_found_and_without_a_key_nothing(chains: dict[str, Chain]) -> None:
    [finding] = chains["type"].screen_text(f"to {MAIL}").findings
    [plain] = chain_of(load_config()).screen_text(f"to {MAIL}").findings

    assert hash_of("EMAIL", MAIL.upper(), KEY) == finding.detail["value"]
    assert 16 == len(finding.detail["value"])
    assert "value" not in plain.detail


def test_a_record_changes_in_the_field_that_holds_the_value(chains: dict[str, Chain]) -> None:
    record = Record("1", (Field("a", f"to {MAIL}"), Field("b", "nothing")))
    after = of_record(record, chains["pseudonym"].screen(record).redactions)

    assert record.fields[1] == after.fields[1]
    assert after.fields[0].text.startswith("to <EMAIL:")
