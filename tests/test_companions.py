"""Names, addresses and birth dates beside sure findings; and what many of these do to a record."""

from __future__ import annotations

import pytest

from decontam.chain import Chain
from decontam.config import chain_of, load_config
from decontam.errors import ConfigError
from decontam.prove import fill_in
from decontam.rules import Beside
from decontam.stages.pii import is_beside
from decontam.types import Action, Field, Record, Span, Strength

MAIL = "%{lower*7}@%{lower*8}.de"
PHONE = "+49 30 9018%{digit*4}"
SSN = "%{'219-0' nonzero '-' digit*4 ? stdnum:us.ssn}"


def made(text: str) -> str:
    return fill_in(text, text)


def found(chain: Chain, text: str) -> list[tuple[str, str]]:
    text = made(text)
    said = chain.screen_text(text).findings
    return [
        (each.kind, text[slice(*each.span)])
        for each in said
        if each.strength >= Strength.STRONG and each.kind in ("NAME", "ADDRESS", "DOB")
    ]


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        # near misses first: nothing near, one where two are asked for, too far, a firm, a field
        ([], "Odalys Brennwald"),
        ([], "Odalys Brennwald,Whitby,1984"),
        ([], f"Odalys Brennwald\n{'word ' * 60}\n{MAIL} {PHONE}"),
        ([], f"Acme Holdings,{MAIL},{PHONE}"),
        ([], f"Credit Card,Date Of Birth\n{MAIL},{PHONE}"),
        ([], f"He met Odalys Brennwald in Whitby. {MAIL} {PHONE}"),
        ([], "born 12 April 1955 in Ohio"),
        ([("NAME", "Odalys Brennwald")], f"Odalys Brennwald,{MAIL},{PHONE}"),
        ([("NAME", "Odalys Brennwald")], f"name,ssn,email\nOdalys Brennwald,{SSN},{MAIL}"),
        ([("NAME", "Odalys Brennwald")], f"Odalys Brennwald;{SSN}"),
        ([("NAME", "李小明")], f"李小明,{MAIL},{PHONE}"),
        ([("NAME", "Anders Nilsson")], f"Kontakta Anders Nilsson på {PHONE}"),
        ([("NAME", "Odalys")], f'{{"first_name": "Odalys", "phone": "{PHONE}"}}'),
        ([("ADDRESS", "12 Juniper Street")], f"{MAIL} 12 Juniper Street {PHONE}"),
        ([("DOB", "25.04.1952")], "Geboren am 25.04.1952, Steuer-ID %{'3657402' digit*4 ? stdnum:de.idnr}"),
    ],
)
def test_companions_count_beside_sure_findings_alone(expected: list, text: str, chain: Chain) -> None:
    assert expected == found(chain, text)


def test_spans_of_companions_point_into_the_whole_text(chain: Chain) -> None:
    text = made("號" * 500 + f"𝕏\nOdalys Brennwald;{SSN}\n" + "號" * 500)

    (name,) = [each for each in chain.screen_text(text).findings if each.kind == "NAME"]

    assert "Odalys Brennwald" == text[slice(*name.span)]


@pytest.mark.parametrize(
    ("expected", "span", "findings", "characters"),
    [
        (True, Span(10, 12), 1, 8),
        (False, Span(10, 12), 1, 7),
        (True, Span(10, 12), 2, 18),
        (False, Span(10, 12), 2, 17),
        (False, Span(10, 12), 3, 1000),
        (True, Span(1, 2), 1, 1),
    ],
)
def test_so_many_so_near(expected: bool, span: Span, findings: int, characters: int) -> None:
    assert expected == is_beside(span, [Span(0, 2), Span(30, 31)], Beside(findings, characters))


def test_a_stage_that_looks_for_no_companions_says_so(tmp_path) -> None:
    (tmp_path / "p.yaml").write_text(
        "stage: secrets\nabout: x\nrules:\n- {id: a.b, kind: K, strength: strong, why: w, source: s, pattern: ab, "
        "beside: {findings: 1}, catches: ['⟦ab⟧'], spares: [a]}\n"
    )
    with pytest.raises(ConfigError, match=r"stages.secrets: a.b says 'beside'"):
        chain_of(load_config(None, {"stages": {"secrets": {"packs": [str(tmp_path / "p.yaml")]}}}))


ROWS = [f"Odalys Brennwald;{SSN} ", f"Ansel Vorbeck;{SSN}", f"Brida Quast; {SSN}"]
CONTACTS = [f"write to {MAIL}{' ' * n}" for n in range(1, 5)] + [f"call {PHONE}{' ' * n}" for n in range(1, 4)]


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (Action.REDACT, "\n".join(ROWS[:2])),
        (Action.QUARANTINE, "\n".join(ROWS)),
        (Action.REDACT, "\n".join(row.partition(";")[2] for row in ROWS)),
        (Action.REDACT, "\n".join(CONTACTS[:5])),
        (Action.QUARANTINE, "\n".join(CONTACTS)),
        (
            Action.REDACT,
            f"Name: Odalys Brennwald\nAddress: 12 Juniper Street, Millbrook, NY 12545\nDate of birth: 1984-04-12\n{MAIL}\n{PHONE}",
        ),
    ],
)
def test_dumps_and_lists_of_people_are_taken_out(expected: Action, text: str, chain: Chain) -> None:
    assert expected == chain.screen_text("\n".join(made(line) for line in text.split("\n"))).action


@pytest.mark.parametrize(
    ("expected", "url", "lines"),
    [
        (Action.QUARANTINE, "https://example.org/news/7", CONTACTS),
        (Action.QUARANTINE, None, CONTACTS),
        (Action.REDACT, "https://example.org/Contact-us", CONTACTS),
        (Action.QUARANTINE, "https://example.org/contact", ROWS),
    ],
)
def test_contact_pages_may_list_whom_to_reach(expected: Action, url: str | None, lines: list[str]) -> None:
    chain = chain_of(load_config(None, {"policy": {"contact_pages": ["*/contact*"]}}))
    record = Record("1", (Field("text", "\n".join(map(made, lines))),), {} if url is None else {"url": url})

    assert expected == chain.screen(record).action
