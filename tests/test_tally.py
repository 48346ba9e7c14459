from __future__ import annotations

import json
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from decontam.tally import Tally, total
from decontam.types import Action, Finding, Span, Strength, Verdict

findings = st.builds(
    Finding,
    field=st.just("text"),
    stage=st.sampled_from(["signatures", "pii"]),
    rule=st.sampled_from(["a.b", "c.d"]),
    revision=st.just("r"),
    kind=st.sampled_from(["EMAIL", "API_ID"]),
    span=st.just(Span(0, 1)),
    strength=st.sampled_from(Strength),
    provider=st.sampled_from([None, "openai"]),
)
verdicts = st.builds(Verdict, action=st.sampled_from(Action), findings=st.lists(findings, max_size=3).map(tuple))
events = st.lists(st.tuples(verdicts | st.sampled_from(["malformed", "bad_utf8"]), st.integers(0, 100)))


def tally(happened: list) -> Tally:
    counted = Tally()
    for what, size in happened:
        counted.add(what, size) if isinstance(what, Verdict) else counted.add_error(what, size)
    return counted


@given(events, st.randoms())
def test_how_the_run_was_sharded_does_not_change_the_numbers(happened: list, draw: object) -> None:
    whole = tally(happened)
    draw.shuffle(happened)
    cut = draw.randint(0, len(happened))

    assert whole == tally(happened[:cut]) + tally(happened[cut:]) == tally(happened[cut:]) + tally(happened[:cut])


@given(st.lists(events, max_size=3))
def test_the_books_balance(shards: list) -> None:
    assert reduce(Tally.__add__, map(tally, shards), Tally()).balanced
    assert reduce(Tally.__add__, map(tally, shards), Tally()) == total(map(tally, shards))


@given(events)
def test_a_tally_survives_its_file(happened: list) -> None:
    counted = tally(happened)

    assert counted == Tally.from_dict(json.loads(json.dumps(counted.to_dict())))


@given(events)
def test_bytes_and_lengths_account_for_every_record(happened: list) -> None:
    counted = tally(happened)

    assert counted.bytes == sum(counted.sizes.values())
    assert counted.records == sum(counted.lengths.values())


def test_a_tally_of_an_earlier_version_is_read() -> None:
    values = {name: content for name, content in tally([(Verdict(Action.KEEP), 5)]).to_dict().items() if name not in {"sizes", "lengths"}}

    assert 1 == Tally.from_dict(values).outcomes["kept"]


def test_a_length_is_the_power_of_two_above_it() -> None:
    counted = tally([(Verdict(Action.KEEP), size) for size in (0, 511, 512, 1023, 1024)])

    assert {"0": 1, "9": 1, "10": 2, "11": 1} == dict(counted.lengths)
