"""Any iterable of documents: the verdicts of a run, without files."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

import decontam
from decontam.config import load_config
from decontam.layout import Unreadable
from decontam.types import Field, Record

from .test_run import API, BOTH, HUMAN, KEY, MAIL

DOCUMENTS = decontam.load()


@pytest.mark.parametrize(
    ("document", "outcome", "reason"),
    [
        (HUMAN, "kept", ""),
        (API, "quarantined", "signatures_api_id"),
        (MAIL, "redacted", "pii_email"),
        (MAIL["text"], "redacted", "pii_email"),
        (Record("r", (Field("body", MAIL["text"]),)), "redacted", "pii_email"),
        ({"text": None}, "errored", "error_not_text"),
        ({"other": "x"}, "errored", "error_missing_text"),
        (5, "errored", "error_not_object"),
        (b'{"text": "Plain words."}', "kept", ""),
        (b'{"text": "x"', "errored", "error_malformed"),
        (b'{"text": "\xff"}', "errored", "error_bad_utf8"),
        (Unreadable("too_large", "70,000,000 bytes"), "errored", "error_too_large"),
    ],
)
def test_what_becomes_of_a_document(document: object, outcome: str, reason: str) -> None:
    screened = DOCUMENTS.screen(document)

    assert (outcome, reason) == (screened.outcome, screened.reason)
    assert (screened.document is None) == (outcome in {"quarantined", "errored"})


def test_what_is_kept_is_the_very_document_and_what_is_redacted_a_copy() -> None:
    mail = {**MAIL, "other": [1, {"a": None}], "meta": {"x": 1.5}}
    screened = DOCUMENTS.screen(mail)

    assert DOCUMENTS.screen(HUMAN).document is HUMAN
    assert {**mail, "text": "write to <EMAIL>, please"} == screened.document
    assert mail["text"] == MAIL["text"]


def test_a_line_changes_inside_its_redactions_only_and_every_equal_key_is_screened() -> None:
    line = b'{ "text": "%s", "n": 1.0, "text":"b"}' % MAIL["text"].encode()

    assert line.replace(b"odalys.brennwald@gartenfreunde-nord.de", b"<EMAIL>") == DOCUMENTS.screen(line).document


@pytest.mark.parametrize(
    ("option", "held"),
    [({"secrets": "keep"}, BOTH), ({}, {**BOTH, "text": BOTH["text"].replace(KEY, "<SECRET>")}), ({"original": "drop"}, None)],
    ids=["all", "no credentials", "nothing"],
)
def test_quarantine_may_keep_what_the_config_says(option: dict, held: object) -> None:
    documents = decontam.load(load_config(overrides={"quarantine": option}))

    assert held == documents.held(BOTH, documents.screen(BOTH).verdict)


def test_documents_are_taken_one_by_one_as_they_are_asked_for() -> None:
    asked = []
    endless = (asked.append(number) or {"text": f"number {number}"} for number in count())

    assert ["here:0", "here:1", "here:2"] == [screened.id for screened in islice(DOCUMENTS.screen_all(endless, "here"), 3)]
    assert [0, 1, 2] == asked


def test_threads_that_share_it_say_what_one_says() -> None:
    documents = decontam.load()
    rows = [HUMAN, API, MAIL, BOTH] * 50
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(documents.screen, rows))

    assert [documents.screen(row) for row in rows] == said


def test_it_travels_without_what_is_compiled() -> None:
    there = pickle.dumps(DOCUMENTS)

    assert len(there) < 20_000
    assert DOCUMENTS == pickle.loads(there)
    assert "quarantined" == pickle.loads(there).screen(API).outcome


def test_the_config_says_where_texts_are() -> None:
    chat = decontam.load(load_config("chat"))
    rows = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": MAIL["text"]}]

    assert [rows[0], rows[1] | {"content": "write to <EMAIL>, please"}] == chat.screen({"messages": rows}).document["messages"]


json = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(json)
def test_nothing_that_is_handed_over_is_lost_or_raises(document: object) -> None:
    screened = DOCUMENTS.screen(document)

    assert screened.document is document or screened.outcome in {"redacted", "quarantined", "dropped", "errored"}
