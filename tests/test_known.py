"""Known texts: what is compared, the file, what is found; an index of a few invented texts."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decontam import assembling, indexes, indexing, shingles, tokens
from decontam.config import artefacts_of, chain_of, fingerprint, load_config
from decontam.errors import ArtefactError, ConfigError, InputError
from decontam.indexes import Index
from decontam.keys import Key
from decontam.known import matches
from decontam.passages import Passages
from decontam.shingles import RUN, mix_of, units
from decontam.stages.known import Known
from decontam.tokens import tokenised
from decontam.types import Action, Finding, Reference, Strength
from decontam.view import View

from .test_conformance import AS_IDS, AWKWARD, promised

VOCABULARY = [
    a + b + c for a in ("ba", "ko", "lu", "ne", "ri", "so") for b in ("ma", "ti", "du", "ge") for c in ("n", "r", "s", "lle", "x")
]
CHARACTERS = [chr(code) for code in range(0x4E00, 0x4E00 + 900)]
THRESHOLDS = load_config().stages["known"].options["thresholds"]
PLAIN = mix_of(None)
KEY = Key(b"a key that only tests have")


def words(seed: int, count: int) -> str:
    draw = random.Random(seed)
    return " ".join(draw.choice(VOCABULARY) for _ in range(count))


def characters(seed: int, count: int) -> str:
    draw = random.Random(seed)
    return "".join(draw.choice(CHARACTERS) for _ in range(count))


def references(source: str, texts: Iterable[str]) -> list[Reference]:
    def at(number: int) -> str:
        return f"2026-10-{number + 1:02}T08:00:00Z"

    return [
        Reference(f"{source}-{number}", text, source, 100 * number, 100 * number + 99, "response", "openai", "gpt-4o", at(number))
        for number, text in enumerate(texts)
    ]


QUESTION = "Who wrote the first 3 books of the Kobun trilogy about sailors?"
LOGS = {
    "a.jsonl": references("a.jsonl", [words(seed, 120) for seed in range(8)] + [characters(8, 200)]),
    "b.jsonl": references("b.jsonl", [words(seed, 90) for seed in range(20, 26)] + [words(0, 120), QUESTION]),
}


def built(path: Path, logs: dict[str, list[Reference]] | None = None, key: Key | None = None, **options: object) -> Index:
    logs = LOGS if logs is None else logs
    indexing.build(str(path), logs, logs.__getitem__, mix_of(key), **options)  # type: ignore[arg-type]
    return indexes.opened(str(path))


def sections(index: Index) -> dict[str, str]:
    return {name: section["sha256"] for name, section in index.about["sections"].items()}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return built(tmp_path_factory.mktemp("index") / "logs.idx")


@pytest.fixture(scope="module")
def stage(index: Index) -> Passages:
    made = Known.load({"indexes": [index.path], "thresholds": THRESHOLDS}, None)
    assert made is not None
    return made


def prints(text: str, key: Key | None = None) -> set[int]:
    return set(shingles.shingles(units(tokenised(text.encode())), mix_of(key))[0].tolist())


def taken(text: str) -> list[str]:
    data = text.encode()
    read = tokenised(data)
    return [data[read.starts[place] : read.ends[place]].decode() for place in units(read).places]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She paid 42.50 to Bob, twice!", ["She", "paid", "to", "Bob", "twice"]),
        ("Mail [EMAIL], call <PHONE_1> or {{name}} at ***.", ["Mail", "call", "or", "at"]),
        ("Dear [First Name], dear MR SMITH", ["Dear", "dear", "MR", "SMITH"]),
        ("I am ChatGPT by OpenAI, a GPT-4o model", ["I", "am", "by", "a", "o", "model"]),
        ("XX of XXXX was REDACTED by Ann", ["of", "was", "by", "Ann"]),
        ("联系【姓名】，通义千问的回答", ["联", "系", "的", "回", "答"]),
        ("the name of a person", ["the", "name", "of", "a", "person"]),
        ("[see below] a<b", ["see", "below", "a", "b"]),
        ("张某某说", ["张", "说"]),
    ],
)
def test_what_masking_touches_is_not_read(text: str, expected: list[str]) -> None:
    assert expected == taken(text)


@given(st.lists(st.sampled_from(VOCABULARY), min_size=RUN, max_size=RUN), st.integers(0, 9), st.integers(0, 9))
def test_any_run_of_so_many_words_shares_a_shingle(run: list[str], before: int, behind: int) -> None:
    one = words(1, before).split() + run + words(2, behind).split()
    other = words(3, behind).split() + run + words(4, before).split()

    assert prints(" ".join(run))
    assert prints(" ".join(one)) & prints(" ".join(other))


@given(st.lists(st.sampled_from(CHARACTERS), min_size=12, max_size=12))
def test_any_run_of_twelve_characters_shares_a_shingle(run: list[str]) -> None:
    assert prints(characters(1, 7) + "".join(run)) & prints("".join(run) + characters(2, 5))


def test_a_run_that_is_promised_is_shorter_than_eight_words() -> None:
    assert 8 >= RUN


@given(st.data())
def test_placeholders_numbers_and_signs_change_no_fingerprint(data: st.DataObject) -> None:
    text = words(data.draw(st.integers(0, 99)), 30).split()
    masks = st.sampled_from(["[EMAIL]", "***", "<PERSON_2>", "3,141", "—", "{{name}}", "XX", "OpenAI", "\u200b", "[FIRST_NAME]"])
    masked = [each for word in text for each in ((word, data.draw(masks)) if data.draw(st.booleans()) else (word,))]

    assert prints(" ".join(text)) == prints(" ".join(masked).upper().lower().replace("[email]", "[EMAIL]"))


def test_fingerprints_are_the_same_everywhere_and_always() -> None:
    """Indexes hold them: another number here is another normaliser."""
    text = "the keeper counted seven grey herons below the broken weir"

    assert [0x12987308A047F1AB, 0x1A3B00E335C1A175, 0x7B778C8499FC55F3] == sorted(prints(text))
    assert [0x15A79E50072CEE3E, 0x28216B31221F19B6, 0x7E8A28B973200A72] == sorted(prints(text, KEY))


def test_two_keys_have_nothing_in_common() -> None:
    text = words(5, 500)

    assert not prints(text) & prints(text, KEY)


def best(findings: list[Finding]) -> Finding:
    return max(findings, key=lambda each: (each.strength, each.score))


def masked(text: str, share: float, by: Callable[[random.Random], str], seed: int = 0) -> str:
    draw = random.Random(seed)
    return " ".join(by(draw) if draw.random() < share else word for word in text.split())


CHANGES: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "re-wrapped": lambda text: text.replace(" ", "\n  > "),
    "in capitals": str.upper,
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "with signs": lambda text: text.replace(" ", ", "),
    "a fifth masked": lambda text: masked(text, 0.2, lambda draw: draw.choice(["[NAME]", "***", "XX"])),
    "a fifth exchanged": lambda text: masked(text, 0.2, lambda draw: draw.choice(["apple", "river", "seven of nine"])),
    "half of it": lambda text: text[: len(text) // 2],
    "in another order": lambda text: " ".join(text.split()[60:] + text.split()[:60]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_passage_is_found_however_it_was_changed(stage: Passages, change: Callable[[str], str]) -> None:
    for number in range(8):
        passage = change(LOGS["a.jsonl"][number].text)
        text = f"{words(900 + number, 200)}\n\n{passage}\n\n{words(950 + number, 200)}"
        findings = stage.inspect(View.of(text))
        found = best(findings)

        assert Strength.CONCLUSIVE == found.strength
        assert f"a.jsonl-{number}" == found.detail["id"]
        assert all(200 < each.span.start < each.span.end <= len(text) - 200 for each in findings)


def test_characters_are_found_too(stage: Passages) -> None:
    text = characters(901, 300) + characters(8, 200)[40:140] + characters(902, 300)
    (finding,) = stage.inspect(View.of(text))

    assert (Strength.CONCLUSIVE, "a.jsonl-8", (300, 400)) == (finding.strength, finding.detail["id"], finding.span)


def test_a_finding_says_who_when_where_and_how_much(stage: Passages, index: Index) -> None:
    text = LOGS["a.jsonl"][3].text
    (finding,) = stage.inspect(View.of(text + " " + words(903, 120)))

    assert ("known/logs", "KNOWN_TEXT", "openai", 1.0) == (finding.name, finding.kind, finding.provider, finding.score)
    assert (0, len(text)) == finding.span
    assert index.digest.startswith(finding.revision)
    wanted = {"id": "a.jsonl-3", "source": "a.jsonl", "start": 300, "end": 399, "part": "response", "model": "gpt-4o",
              "time": "2026-10-04T08:00:00Z", "of_known": 1.0}  # fmt: skip
    assert wanted == {name: finding.detail[name] for name in wanted}
    assert 116 <= finding.detail["words"] <= 120  # a word that is repeated at once counts once
    assert 0.48 < finding.detail["of_text"] <= 0.5


def test_equal_texts_are_one_that_is_said_to_be_there_twice(stage: Passages) -> None:
    (finding,) = stage.inspect(View.of(words(0, 120)))

    assert ("a.jsonl-0", 2) == (finding.detail["id"], finding.detail["copies"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Q: Who wrote the first 3 books of the Kobun trilogy about sailors? A:", Strength.STRONG),
        ("Who wrote the first 4 books of the Kobun trilogy about sailors?", None),
        ("Who wrote the first 3 books of that Kobun trilogy about sailors?", None),
        ("wrote the first 3 books of the Kobun trilogy", None),
    ],
)
def test_a_short_text_counts_as_a_whole_only(stage: Passages, text: str, expected: Strength | None) -> None:
    assert expected == next((each.strength for each in stage.inspect(View.of(text))), None)


def test_what_is_not_known_is_not_found(stage: Passages) -> None:
    assert [] == stage.inspect(View.of(words(904, 3000)))
    assert [] == stage.inspect(View.of(characters(905, 3000)))
    assert [] == stage.inspect(View.of(" ".join(LOGS["a.jsonl"][0].text.split()[:7]) + words(906, 50)))


def test_what_the_background_has_too_does_not_count(tmp_path: Path) -> None:
    common, own = words(40, 60), words(41, 60)
    logs = {"a": references("a", [f"{common} {own}"])}
    made = Known.load(
        {"indexes": [built(tmp_path / "x.idx", logs, background=[common, f"and {common}"]).path], "thresholds": THRESHOLDS}, None
    )
    assert made is not None

    assert [] == made.inspect(View.of(common))
    assert Strength.CONCLUSIVE == best(made.inspect(View.of(own))).strength
    assert 0 < indexes.opened(str(tmp_path / "x.idx")).about["counts"]["dropped"]


def test_a_long_text_is_read_in_pieces_that_overlap(stage: Passages, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{words(907, 500)} {LOGS['a.jsonl'][2].text} {words(908, 500)}"
    (whole,) = stage.inspect(View.of(text))
    for most in (570, 600, 777):
        monkeypatch.setattr(tokens, "MOST", most)
        monkeypatch.setattr("decontam.passages._OVERLAP", 200)
        found = best(stage.inspect(View.of(text)))

        assert (whole.span, whole.detail["id"], whole.strength) == (found.span, found.detail["id"], found.strength)


def test_hostile_text_costs_no_more_than_its_length(stage: Passages) -> None:
    """Every fingerprint is known, and every place could be a passage of the same few texts."""
    text = " ".join([LOGS["a.jsonl"][0].text] * 400)
    findings = stage.inspect(View.of(text))

    assert 0 < len(findings) <= 32


@pytest.mark.parametrize("text", AWKWARD, ids=AS_IDS)
def test_the_stage_keeps_the_promises_of_all_stages(stage: Passages, text: str) -> None:
    promised(stage, text)
    promised(stage, f"{text} {LOGS['a.jsonl'][4].text} {text}")


def test_lone_surrogates_and_nothing_at_all(stage: Passages) -> None:
    text = "\ud800 " + LOGS["a.jsonl"][1].text.replace(" ", " \udfff ")

    assert Strength.CONCLUSIVE == best(stage.inspect(View.of(text))).strength
    assert [] == stage.inspect(View.of(""))


def test_the_order_of_sources_does_not_change_an_index(tmp_path: Path, index: Index) -> None:
    other = built(tmp_path / "logs.idx", dict(reversed(LOGS.items())))

    assert index.digest == other.digest


def test_runs_on_the_disk_make_the_same_index_as_memory(tmp_path: Path, index: Index) -> None:
    many = {name: LOGS["a.jsonl"] + references(name, [words(seed, 300) for seed in range(60, 80)]) for name in ("a", "b")}

    assert built(tmp_path / "1.idx", many).digest == built(tmp_path / "2.idx", many, memory=1 << 16).digest


def test_merging_is_building_at_once(tmp_path: Path, index: Index) -> None:
    parts = [built(tmp_path / f"{name}.idx", {name: LOGS[name]}) for name in ("b.jsonl", "a.jsonl")]
    about = indexing.rewritten(str(tmp_path / "all.idx"), parts)
    merged = indexes.opened(str(tmp_path / "all.idx"))

    assert index.digest == merged.digest
    assert index.about["counts"] == about["counts"]


def test_removing_is_never_having_had(tmp_path: Path, index: Index) -> None:
    indexing.rewritten(str(tmp_path / "c.idx"), [index], lambda each: indexing.kept(each, sources=["a.*"]))

    assert sections(built(tmp_path / "b.idx", {"b.jsonl": LOGS["b.jsonl"]})) == sections(indexes.opened(str(tmp_path / "c.idx")))


def test_what_is_removed_is_not_found_and_its_copy_is(tmp_path: Path, index: Index) -> None:
    path = str(tmp_path / "logs.idx")
    indexing.rewritten(path, [index], lambda each: indexing.kept(each, ids=["a.jsonl-0", "a.jsonl-1"]))
    made = Known.load({"indexes": [path], "thresholds": THRESHOLDS}, None)
    assert made is not None

    assert [] == made.inspect(View.of(words(1, 120)))
    assert "b.jsonl-6" == made.inspect(View.of(words(0, 120)))[0].detail["id"]


@pytest.mark.parametrize(
    ("given", "left"),
    [({"days": ["2026-10-02"]}, 15), ({"before": "2026-10-03"}, 13), ({"sources": ["*.jsonl"]}, 0), ({"ids": ["a.jsonl-2"]}, 16), ({}, 17)],
)
def test_what_stays_where_others_are_taken_out(index: Index, given: dict[str, list[str]], left: int) -> None:
    assert left == int(indexing.kept(index, **given).sum())  # type: ignore[arg-type]


def test_indexes_that_do_not_fit_are_not_merged(tmp_path: Path, index: Index) -> None:
    keyed = built(tmp_path / "k.idx", {"c": LOGS["a.jsonl"]}, KEY)

    with pytest.raises(ArtefactError, match="another key"):
        indexing.rewritten(str(tmp_path / "x.idx"), [index, keyed])
    with pytest.raises(InputError, match=r"a\.jsonl is in two of the indexes"):
        indexing.rewritten(str(tmp_path / "x.idx"), [index, index])
    with pytest.raises(InputError, match="nothing would be left"):
        indexing.rewritten(str(tmp_path / "x.idx"), [index], lambda each: np.zeros(len(each["rows"]), bool))
    with pytest.raises(InputError, match="nothing was indexed"):
        built(tmp_path / "x.idx", {"a": references("a", ["too short"])})
    assert ["k.idx"] == [path.name for path in tmp_path.iterdir()]


def changed(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 5)


def _cut_in_the_middle(path: Path) -> None:
    os.truncate(path, 2000)


def _in_a_section(path: Path) -> None:
    section = indexes.described(str(path))[0]["sections"]["hashes"]
    changed(path, section["offset"] + section["size"] // 2, b"\x00\x01\x02")


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "nothing": (lambda path: path.unlink(), "No such file"),
    "empty": (lambda path: os.truncate(path, 0), "is empty or was cut off"),
    "something else": (lambda path: path.write_text('{"id": 1, "text": "a line of JSON, and no index"}\n' * 9), "is not an index"),
    "cut off": (_cut, "was cut off"),
    "cut off in the middle": (_cut_in_the_middle, "was cut off"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"\n"), "behind its end"),
    "another version": (lambda path: changed(path, 16, struct.pack("<Q", 99)), "version 99"),
    "a changed description": (lambda path: changed(path, path.stat().st_size - 9, b"x"), "its description"),
    "a changed section": (_in_a_section, "hashes changed"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "said"), BAD.values(), ids=BAD)
def test_a_bad_index_is_refused_by_name(tmp_path: Path, index: Index, spoil: Callable[[Path], None], said: str) -> None:
    path = tmp_path / "bad.idx"
    path.write_bytes(Path(index.path).read_bytes())
    spoil(path)

    with pytest.raises(ArtefactError, match=rf"bad\.idx.*{said}"):
        Known.load({"indexes": [str(path)], "thresholds": THRESHOLDS}, None)


def test_an_index_of_another_normaliser_is_refused(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "normaliser", lambda: "0123456789abcdef")
    with pytest.raises(ArtefactError, match="another normaliser"):
        indexes.opened(index.path)
    monkeypatch.setattr(indexes, "READING", 99)
    with pytest.raises(ArtefactError, match="reading 1 of words, this decontam has reading 99"):
        indexes.opened(index.path)


def test_an_index_of_another_key_is_refused(tmp_path: Path, index: Index) -> None:
    options = {"indexes": [built(tmp_path / "k.idx", key=KEY).path], "thresholds": THRESHOLDS}

    with pytest.raises(ArtefactError, match=r"k\.idx: was built with the key \w{8}, but there is no key"):
        Known.load(options, None)
    with pytest.raises(ArtefactError, match=r"k\.idx: was built with the key \w{8}, but the key is \w{8}"):
        Known.load(options, None, Key(b"another key of the tests"))
    found = Known.load(options, None, KEY)
    assert found is not None
    assert Strength.CONCLUSIVE == best(found.inspect(View.of(words(2, 120)))).strength
    assert Known.load({"indexes": [index.path], "thresholds": THRESHOLDS}, None, KEY)  # one without a key needs none


def test_an_index_gives_up_no_text(tmp_path: Path) -> None:
    content = built(tmp_path / "k.idx", key=KEY).path
    raw = Path(content).read_bytes()

    assert b"a.jsonl-3" in raw
    assert not any(word.encode() in raw for word in VOCABULARY if len(word) > 6)
    # Eight bits for each unit, salted by text and place: a text of one word alone looks like any other.
    tags = built(tmp_path / "one.idx", {"a": references("a", ["kobun " * 4000])}, KEY)["tags"]
    assert 200 < len(set(tags.tolist()))


def config_with(*paths: str, **stages: object) -> object:
    only = {name: {"enabled": False} for name in load_config().stages if name != "known"}
    return load_config(None, {"stages": {**only, "known": {"options": {"indexes": list(paths)}}, **stages}})


def test_a_config_without_indexes_has_no_such_stage(index: Index) -> None:
    with_one = config_with(index.path)

    assert [] == [stage.name for stage in chain_of(config_with()).stages]  # type: ignore[arg-type]
    assert ["known"] == [stage.name for stage in chain_of(with_one).stages]  # type: ignore[arg-type]
    assert {"logs": index.digest} == artefacts_of(with_one)["indexes"]  # type: ignore[arg-type]


def test_a_run_with_another_index_is_another_run(tmp_path: Path, index: Index) -> None:
    path = tmp_path / "logs.idx"
    path.write_bytes(Path(index.path).read_bytes())
    before = fingerprint(config_with(str(path)), ())  # type: ignore[arg-type]
    built(path, {"a.jsonl": LOGS["a.jsonl"]})

    assert before != fingerprint(config_with(str(path)), ())  # type: ignore[arg-type]


def test_what_is_known_is_taken_out(index: Index) -> None:
    chain = chain_of(config_with(index.path))  # type: ignore[arg-type]

    assert Action.QUARANTINE == chain.screen_text(words(904, 50) + " " + words(4, 120)).action
    assert Action.TAG == chain.screen_text("Who wrote the first 3 books of the Kobun trilogy about sailors?").action
    assert Action.KEEP == chain.screen_text(words(904, 500)).action


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"index": []}, "stages.known.options.index"),
        ({"thresholds": [{"strength": "certain", "words": 3}]}, "thresholds.0.strength"),
        ({"thresholds": [{"strength": "weak", "words": -1}]}, "thresholds.0.words"),
        ({"indexes": ["a/x.idx", "b/x.idx"]}, "two indexes are called 'x'"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Known.artefacts(options)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 5))
def test_group_by_group_places_are_kept_as_plain_python_would(rows: list[int], seed: int) -> None:
    draw = random.Random(seed)
    entries = sorted((draw.randrange(4), row << 16 | draw.randrange(9), 0) for row in rows)
    hashes, places, hidden = (
        np.array(column, kind) for column, kind in zip(zip(*entries, strict=True), (np.uint64, np.uint64, np.uint16), strict=True)
    )
    out = [np.empty(len(entries), np.uint64) for _ in range(3)]
    nothing = np.empty(0, np.uint64)
    count, distinct, _ = assembling._grouped(hashes, places, hidden, np.uint64(2**64 - 1), indexes.KEPT, nothing, np.zeros(64, bool), *out)
    expected = []
    for value in sorted({each[0] for each in entries}):
        first: dict[int, int] = {}
        for _, place, _ in (each for each in entries if each[0] == value):
            first.setdefault(place >> 16, place)
        expected += [(value, place, len(first)) for place in list(first.values())[-indexes.KEPT :]]

    assert expected == [
        (hash, place & 2**48 - 1, place >> 48) for hash, place in zip(out[0][:count].tolist(), out[1][:count].tolist(), strict=True)
    ]
    assert len({each[0] for each in entries}) == distinct


def test_without_numba_it_finds_the_same(index: Index, stage: Passages) -> None:
    text = f"{words(909, 40)} {masked(words(5, 120), 0.2, lambda draw: '[NAME]')} {words(910, 40)}"
    program = (
        "import sys, warnings; sys.modules['numba'] = None; warnings.simplefilter('ignore')\n"
        "from decontam.stages.known import Known\nfrom decontam.view import View\nfrom decontam.config import load_config\n"
        "options = {'indexes': [sys.argv[1]], 'thresholds': load_config().stages['known'].options['thresholds']}\n"
        "print(Known.load(options, None).inspect(View.of(sys.argv[2])))"
    )
    done = subprocess.run([sys.executable, "-c", program, index.path, text], capture_output=True, text=True, check=True, env=os.environ)

    assert f"{stage.inspect(View.of(text))}\n" == done.stdout


def test_alignment_bridges_what_is_missing_on_either_side(index: Index) -> None:
    known = LOGS["a.jsonl"][6].text.split()
    text = " ".join([*known[:30], "one", "two", *known[33:60], *known[66:90], "and", "some", "more", *known[90:]])
    given_units = units(tokenised(text.encode()))
    (match,) = matches(given_units, shingles.shingles(given_units, PLAIN), index, PLAIN)

    assert (0, len(given_units.keys), 0, 120, 8 * 111) == (match.start, match.end, match.known_start, match.known_end, match.worth)
