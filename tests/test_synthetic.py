"""The stage `synthetic`: what it says, when it says nothing and why, and what follows from it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from decontam.calibration import Band, Language, Threshold, least, overridden, plain
from decontam.chain import Chain
from decontam.cli.scan import command as scan
from decontam.config import artefacts_of, chain_of, fingerprint, load_config, rules_of
from decontam.errors import ArtefactError, ConfigError
from decontam.model import BITS, BUILTIN, Weights, digest_of, ngrams, written
from decontam.prose import prose
from decontam.scorers import Scorer, reading
from decontam.stages.synthetic import Synthetic, options_of
from decontam.tally import Tally
from decontam.tokens import tokenised
from decontam.types import Action, Field, Record, Strength
from decontam.view import View

from . import made

HUMAN = made.text(True, 1)
MODEL = made.text(False, 1)


def loaded(**options: object) -> Synthetic:
    return Synthetic.load(options, None)


def view(text: str, language: str | None = "en") -> View:
    return View(Field("text", text), language)


def between(low: str, high: str) -> float:
    """A raw score between those of two texts."""
    scorer = Scorer.named("builtin")
    scores = [scorer.score(view(text), reading(view(text)).prose) for text in (low, high)]
    assert scores[0] < scores[1]
    return sum(scores) / 2


def sure(**options: object) -> Synthetic:
    """The stage with thresholds that tell these two texts apart."""
    at = between(HUMAN, MODEL)
    return loaded(thresholds={"en": {"strong": at, "weak": at - 0.01}}, **options)


def test_the_shipped_model_tells_them_apart() -> None:
    assert between(HUMAN, MODEL)


def test_a_text_above_the_threshold_is_found_whole_and_explained() -> None:
    found = [finding for finding in sure().inspect(view(MODEL)) if not finding.rule.endswith(".passage")]

    assert [(0, len(MODEL))] == [tuple(finding.span) for finding in found]
    assert ("SYNTHETIC", Strength.STRONG, "en") == (found[0].kind, found[0].strength, found[0].detail["language"])
    heaviest = [MODEL[at:to] for at, to, _ in found[0].detail["weighed"]]
    assert any(word in piece.lower() for piece in heaviest for word in ("delve", "tapestry", "crucial", "vibrant", "robust", "testament"))
    json.dumps(found[0].detail)


def test_a_human_text_is_not_found_and_has_a_score() -> None:
    stage = sure()

    assert [] == list(stage.inspect(view(HUMAN)))
    assert stage.measure(view(HUMAN)).score < stage.measure(view(MODEL)).score


@pytest.mark.parametrize(
    ("text", "language", "why"),
    [
        ("", "en", "short"),
        ("Too short to say. " * 5, "en", "short"),
        (made.text(False, 2, words=240), "en", "short"),
        ("def total(rows):\n    return sum(row['value'] for row in rows if row)\n" * 40, "en", "code"),
        ("1024 17.5 3.3 2048 18.1 3.9\n" * 60, "en", "table"),
        ("eggs and milk\nwhite bread\ntwo onions\n" * 60, "en", "list"),
        (MODEL, "eo", "language not calibrated"),
        ("ᚠᚢᚦ ᚨᚱᚲ " * 300, None, "language unknown"),
        ("他们说。" * 140, "zh", "short"),
    ],
)
def test_it_abstains_and_says_why(text: str, language: str | None, why: str) -> None:
    measure = loaded().measure(view(text, language))

    assert (None, (f"abstained: {why}",)) == tuple(measure)


def test_a_longer_text_of_a_language_without_spaces_is_needed() -> None:
    assert (300, 600, 600) == (least("en"), least("zh"), least("ja"))


@pytest.mark.parametrize("strong", [False, True])
def test_a_lower_threshold_never_finds_less(strong: bool) -> None:
    texts = [made.text(human, seed, share=share) for human in (True, False) for seed in range(3) for share in (0.03, 0.2)]
    which = "strong" if strong else "weak"
    least_strength = Strength.STRONG if strong else Strength.WEAK
    found = []
    for at in (-5.0, 0.0, 1.0, 2.0, 9.0):
        stage = loaded(thresholds={"en": {"strong": 99.0, "weak": -99.0, which: at}}, passages=False)
        found.append({text for text in texts for finding in stage.inspect(view(text)) if finding.strength >= least_strength})

    assert all(later <= earlier for earlier, later in zip(found, found[1:], strict=False))
    assert found[0] > found[-1]


def test_a_language_that_evidence_allows_to_tag_is_never_strong() -> None:
    at = Threshold(-9.0, 0.001, 5, 500, "x", 0.0, (0.0, 0.01))
    stage = dataclasses.replace(loaded(), languages={"de": Language("tag", "thin", (Band(300, at, at),))})

    assert [Strength.WEAK] == [finding.strength for finding in stage.inspect(view(MODEL, "de"))]


def small(tmp_path: Path) -> str:
    """A model that knows the words of both made-up writers, and quotes passages of the one."""
    table = np.zeros(1 << BITS, np.int16)
    for words, weight in ((made.POLISHED, 1000), (made.PLAIN, -1000)):
        for word in words.split():
            found, _ = ngrams(prose(word.encode(), tokenised(word.encode())).keys)
            table[found] = weight
    quiet, at = (Threshold(value, 0.01, 5, 500, "x", 0.0, (0.0, 0.01)) for value in (99.0, 0.2))
    languages = {"en": Language("quarantine", "", (Band(300, quiet, quiet),), Band(250, at, at))}
    weights = Weights(table, 0.001, 0.0)
    path = tmp_path / "small.model"
    path.write_bytes(written({"name": "small", "languages": plain(languages)}, {"documents": weights, "passages": weights}))
    return str(path)


def test_a_passage_in_a_human_page_is_quoted(tmp_path: Path) -> None:
    page = f"{made.text(True, 5, words=600)}\n\n{made.text(False, 6, words=500)}\n\n{made.text(True, 7, words=600)}"
    start = page.index("\n\n")
    end = page.index("\n\n", start + 2)
    found = list(loaded(model=small(tmp_path)).inspect(view(page)))

    assert [("small.passage", Strength.WEAK)] == [(finding.rule, finding.strength) for finding in found]
    overlap = min(end, found[0].span.end) - max(start, found[0].span.start)
    assert overlap > 0.7 * (found[0].span.end - found[0].span.start)
    assert overlap > 0.7 * (end - start)


def test_a_passage_does_not_change_the_score_of_the_page() -> None:
    text = made.text(False, 9)

    assert loaded(passages=False).measure(view(text)) == loaded().measure(view(text))


def test_the_policy_quarantines_what_is_strong_and_tags_the_rest() -> None:
    config = load_config()
    at = between(HUMAN, MODEL)
    for strong, expected in ((at, Action.QUARANTINE), (99.0, Action.TAG)):
        options = {"stages": {"synthetic": {"options": {"thresholds": {"en": {"strong": strong, "weak": at}}}}}}
        chain = chain_of(load_config(None, options))
        assert expected == chain.screen_text(MODEL).action
        assert Action.KEEP == chain.screen_text(HUMAN).action
    assert config.stages["synthetic"].enabled


def test_every_record_has_a_score_or_a_reason_and_they_are_counted() -> None:
    chain = Chain((sure(),), load_config().policy)
    record = Record("1", (Field("a", "short"), Field("b", MODEL), Field("c", HUMAN)))
    tally = Tally()
    for screened in (record, Record("2", (Field("a", "short"),)), Record("3", (Field("a", HUMAN),))):
        tally.add(chain.screen(screened), 1)
    verdict = chain.screen(record)

    assert sure().measure(view(MODEL)).score == verdict.scores["synthetic"]
    assert {"synthetic/scored": 2, "synthetic/language: en": 2, "synthetic/abstained: short": 1} == dict(tally.remarks)
    assert tally == Tally.from_dict(tally.to_dict())


def test_models_are_in_the_fingerprint(tmp_path: Path) -> None:
    config = load_config()
    (tmp_path / "other.model").write_bytes(BUILTIN.read_bytes() + b"\0")
    other = load_config(None, {"stages": {"synthetic": {"options": {"model": str(tmp_path / "other.model")}}}})

    assert digest_of(str(BUILTIN)) == artefacts_of(config)["models"]["synthetic.model"]
    assert fingerprint(config, rules_of(config)) != fingerprint(other, rules_of(other))


def test_files_are_relative_to_the_config(tmp_path: Path) -> None:
    (tmp_path / "my.model").write_bytes(BUILTIN.read_bytes())
    (tmp_path / "c.yaml").write_text("stages: {synthetic: {options: {model: my.model}}}")

    assert str(tmp_path / "my.model") == load_config(tmp_path / "c.yaml").stages["synthetic"].options["model"]


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"modle": "x"}, ConfigError, "stages.synthetic.options.modle"),
        ({"explain": "many"}, ConfigError, "stages.synthetic.options.explain"),
        ({"model": "/no/such.model"}, ArtefactError, "No such file"),
        ({"model": "/no/such.bin"}, ArtefactError, "No such file"),
        ({"calibration": "/no/such.json"}, ArtefactError, "decontam model calibrate --out"),
        ({"second_opinion": {"model": "/no/such.ftz"}}, ArtefactError, "No such file"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_screened(options: dict, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        loaded(**options)


def test_a_calibration_is_for_the_model_that_it_was_made_for(tmp_path: Path) -> None:
    at = Threshold(-9.0, 0.001, 5, 5000, "ours", 0.0, (0.0, 0.01))
    languages = plain({"eo": Language("quarantine", "our own", (Band(300, at, at),))})
    path = tmp_path / "ours.json"
    path.write_text(json.dumps({"model": digest_of(str(BUILTIN)), "languages": languages}))

    assert [Strength.STRONG] == [finding.strength for finding in loaded(calibration=str(path), passages=False).inspect(view(MODEL, "eo"))]
    path.write_text(json.dumps({"model": "another", "languages": languages}))
    with pytest.raises(ArtefactError, match="made for another model"):
        loaded(calibration=str(path))
    path.write_text('{"model": 1')
    with pytest.raises(ArtefactError, match="not JSON"):
        loaded(calibration=str(path))


def test_thresholds_of_a_config_hold_for_one_language_or_all() -> None:
    at = Threshold(1.0, 0.001, 5, 5000, "x", 0.0, (0.0, 0.01))
    languages = {"en": Language("tag", "", (Band(300, at, at),)), "de": Language("tag", "", (Band(300, at, at),))}
    options = options_of({"thresholds": {"*": {"strong": 5.0}}})
    changed = overridden(languages, options.thresholds)

    assert [5.0, 5.0] == [changed[name].bands[0].strong.at for name in ("en", "de")]
    assert [1.0, 1.0] == [changed[name].bands[0].weak.at for name in ("en", "de")]
    assert 2.0 == overridden({}, options_of({"thresholds": {"fr": {"strong": 2.0}}}).thresholds)["fr"].bands[0].strong.at


class _FastText:
    """What the stage asks of a fastText model."""

    labels = ("__label__llm", "__label__human")

    def __init__(self) -> None:
        self.f, self.asked = self, 0

    def predict(self, text: str, k: int, threshold: float, errors: str) -> list[tuple[float, str]]:
        assert text.endswith("\n") and "\n" not in text[:-1]
        self.asked += 1
        llm = 0.95 if "tapestry" in text.lower() else 0.02
        return [(llm, "__label__llm"), (1 - llm, "__label__human")]


@pytest.fixture
def fasttext(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[_FastText, str]:
    model = _FastText()
    monkeypatch.setattr("decontam.scorers._fasttext", lambda path: model)
    (tmp_path / "m.ftz").write_bytes(b"not really")
    return model, str(tmp_path / "m.ftz")


def test_a_second_opinion_is_asked_about_the_band_between_the_thresholds_alone(fasttext: tuple[_FastText, str]) -> None:
    model, path = fasttext
    at = between(HUMAN, MODEL)
    stage = loaded(thresholds={"en": {"strong": 99.0, "weak": at}}, second_opinion={"model": path}, passages=False)
    model.asked = 0

    assert ("scored", "language: en") == stage.measure(view(HUMAN)).remarks
    assert 0 == model.asked
    found = view(MODEL)
    assert [Strength.STRONG] == [finding.strength for finding in stage.inspect(found)]
    assert ("scored", "language: en", "second opinion agreed") == stage.measure(found).remarks
    assert 1 == model.asked


def test_a_fasttext_model_can_be_the_model_and_needs_thresholds(fasttext: tuple[_FastText, str]) -> None:
    _, path = fasttext
    with pytest.raises(ArtefactError, match="no thresholds for any language"):
        loaded(model=path)
    stage = loaded(model=path, thresholds={"en": {"strong": 2.0, "weak": 1.0}})

    assert [Strength.STRONG] == [finding.strength for finding in stage.inspect(view(MODEL))]
    assert [] == list(stage.inspect(view(HUMAN)))
    with pytest.raises(ArtefactError, match="no label __label__ai; it has __label__human, __label__llm"):
        loaded(model=path, label="__label__ai", thresholds={"en": {"strong": 2.0}})


def test_scan_names_what_weighed_most_and_why_there_is_no_score(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("stages: {synthetic: {options: {thresholds: {en: {strong: -9.0, weak: -9.5}}}}}")
    (tmp_path / "x.jsonl").write_text(json.dumps({"id": "long", "text": MODEL}) + "\n" + json.dumps({"id": "brief", "text": "No."}) + "\n")
    done = CliRunner().invoke(scan, [str(tmp_path / "x.jsonl"), "--config", str(tmp_path / "c.yaml"), "--all"])

    assert "weighed most: ⟦" in done.output
    assert "synthetic/scored" in done.output
    assert "synthetic/abstained: short" in done.output


def test_an_order_of_records_changes_nothing() -> None:
    stage = sure()
    texts = [made.text(human, seed) for seed in range(3) for human in (True, False)]

    assert [stage.measure(view(text)) for text in texts] == [stage.measure(view(text)) for text in texts[::-1]][::-1]
