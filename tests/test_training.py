"""Training, thresholds and evaluation: laws on small corpora."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from decontam.calibration import Language
from decontam.cli.model import command
from decontam.errors import ConfigError, InputError
from decontam.model import opened
from decontam.training.build import build
from decontam.training.corpus import TABLE, Corpus, read, sources_of
from decontam.training.fit import Recipe, fit, scores
from decontam.training.labelled import Text
from decontam.training.lines import trainer
from decontam.training.loso import auroc, left_out, trainable
from decontam.training.own import calibrated_on
from decontam.training.thresholds import STRONG, WEAK, Human, calibrate, probability, quantile, threshold, wilson

from . import made

SCORES = st.lists(st.floats(-9, 9), min_size=20, max_size=300).map(np.array)
RECIPE = Recipe(epochs=2)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = made.data(tmp_path_factory.mktemp("corpus") / "data")
    return read([folder], sources_of(folder.parent / "table.yaml"))


def invoked(*arguments: object) -> str:
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert 0 == done.exit_code, (done.output, done.exception)
    return done.stdout


def test_training_is_deterministic_to_the_byte(corpus: Corpus) -> None:
    assert build(corpus, "open", RECIPE).data == build(corpus, "open", RECIPE).data


def test_the_shipped_licences_keep_other_sources_out(corpus: Corpus) -> None:
    names = {corpus.rows[at].source for at in np.flatnonzero(trainable(corpus, "open"))}

    assert set("abcdemn") == names
    assert set("abcdefmno") == {corpus.rows[at].source for at in np.flatnonzero(trainable(corpus, "all"))}


def test_a_text_is_scored_by_a_model_that_has_not_seen_its_fold(corpus: Corpus) -> None:
    scored = left_out(corpus, "open", RECIPE)
    for fold in corpus.table.folds:
        inside = corpus.folds == fold
        rows = np.flatnonzero(inside)
        alone = scores(corpus, rows, fit(corpus, trainable(corpus, "open") & ~inside, RECIPE))
        assert (alone == scored.documents[rows]).all()


def test_scores_of_training_are_scores_of_use(corpus: Corpus) -> None:
    weights = fit(corpus, trainable(corpus, "open"), RECIPE)
    rows = np.arange(0, len(corpus.rows), 97)
    expected = [weights.score(corpus.keys[corpus.offsets[row] : corpus.offsets[row + 1]]) for row in rows]

    assert expected == pytest.approx(scores(corpus, rows, weights).tolist(), abs=1e-12)


def test_what_was_made_up_is_learned_across_sources(corpus: Corpus) -> None:
    scored = left_out(corpus, "open", RECIPE).documents

    assert auroc(scored[corpus.human], scored[~corpus.human]) > 0.99


@given(SCORES, st.sampled_from([0.001, 0.01, 0.05]))
def test_a_rarer_quantile_is_no_lower(sample: np.ndarray, rate: float) -> None:
    assert quantile(sample, rate) <= quantile(sample, rate / 2) + 1e-9
    assert quantile(sample, rate) == pytest.approx(quantile(sample[::-1], rate))


def test_the_tail_is_exponential_where_few_texts_lie_beyond() -> None:
    sample = -np.log(1 - (np.arange(400) + 0.5) / 400)

    assert -math.log(0.001) == pytest.approx(quantile(sample, 0.001), rel=0.2)
    assert -math.log(0.05) == pytest.approx(quantile(sample, 0.05), rel=0.02)


@given(st.lists(SCORES, min_size=1, max_size=5))
def test_one_more_source_never_lowers_the_strong_threshold(samples: list[np.ndarray]) -> None:
    humans = [Human(str(n), str(n), sample) for n, sample in enumerate(samples)]

    assert threshold(humans[:1], STRONG, spread=False).at <= threshold(humans, STRONG, spread=False).at
    assert threshold(humans, WEAK, spread=False).at <= threshold(humans, WEAK, spread=True).at


@given(SCORES, SCORES)
def test_auroc_is_fair(humans: np.ndarray, models: np.ndarray) -> None:
    assert 1 == pytest.approx(auroc(humans, models) + auroc(models, humans))
    assert 0.5 == pytest.approx(auroc(humans, humans))


def test_a_probability_is_one_half_where_both_are_as_likely() -> None:
    draw = np.random.RandomState(3)
    slope, intercept = probability([Human("a", "a", draw.normal(-1, 1, 4000))], [draw.normal(1, 1, 4000)])

    assert 2.0 == pytest.approx(slope, abs=0.15)
    assert 0.0 == pytest.approx(intercept, abs=0.15)


def test_an_interval_holds_what_none_of_three_thousand_says() -> None:
    assert (0.0, 0.00128) == wilson(0, 3000)
    assert (0.0, 1.0) == wilson(0, 0)


def _texts(source: str, count: int, centre: float, seed: int, language: str = "eo") -> list[Text]:
    draw = np.random.RandomState(seed)
    return [Text(source, True, language, 400, float(score)) for score in draw.normal(centre, 1, count)]


def test_own_text_brings_a_language_to_life_and_too_little_only_tags() -> None:
    few, _ = calibrated_on(_texts("x", 150, 0, 1) + _texts("y", 150, 1, 2), [], 0.001)
    many, _ = calibrated_on(_texts("x", 2000, 0, 1) + _texts("y", 2000, 1, 2), [], 0.001)
    none, without = calibrated_on(_texts("x", 20, 0, 1), [], 0.001)

    assert ("tag", "quarantine", {}) == (few["eo"].use, many["eo"].use, none)
    assert {"eo"} == without.keys()
    assert "y" == many["eo"].bands[0].strong.worst
    assert 0.5 == pytest.approx(many["eo"].bands[0].probability(many["eo"].bands[0].strong.at), abs=0.001)


def test_the_table_of_sources_says_where_all_of_them_are_from() -> None:
    table = sources_of(TABLE)

    assert {source.fold for source in table.sources.values()} == set(table.folds)
    assert all(source.terms for source in table.sources.values())
    assert all(source.written for name, source in table.sources.items() if name.startswith("h_"))
    assert ("openai", "anthropic", "other") == (table.vendor("gpt-4o-2024"), table.vendor("Claude Opus 5"), table.vendor("x-1"))


def test_a_source_that_no_table_knows_is_refused(tmp_path: Path) -> None:
    made.shard(tmp_path / "strange.jsonl", True, 1, 1)
    with pytest.raises(InputError, match="strange is not in the table of sources"):
        read([tmp_path], sources_of(TABLE))


def test_a_model_is_trained_described_calibrated_and_evaluated_from_the_command_line(tmp_path: Path) -> None:
    folder = made.data(tmp_path / "data")
    out, card, own = tmp_path / "my.model", tmp_path / "card.md", tmp_path / "own.json"
    printed = invoked("train", "--data", folder, "--table", tmp_path / "table.yaml", "--out", out, "--card", card)
    model = opened(out)

    assert model.digest in printed
    assert {"maker": 80} == model.header["evidence"]["vendors"]
    assert "| f | three | noncommercial | made up |" in card.read_text("utf-8")
    assert "prose-1" in invoked("info", out)
    human = made.shard(tmp_path / "human.jsonl", True, 120, 90)
    llm = made.shard(tmp_path / "llm.jsonl", False, 40, 91)
    invoked("calibrate", "--human", human, "--llm", llm, "--fpr", "0.02", "--model", out, "--lang-key", "lang", "--out", own)
    content = json.loads(own.read_text("utf-8"))
    assert (model.digest, ["en"]) == (content["model"], list(content["languages"]))
    shown = json.loads(invoked("evaluate", human, llm, "--model", out, "--calibration", own, "--lang-key", "lang", "--json"))
    everything = shown["all"][0]
    assert everything["auroc"] > 0.99
    assert everything["found_strong"][0] > 30
    assert everything["false_strong"][0] <= 5
    assert ["human", "llm"] == [row["name"] for row in shown["source"]]


def test_training_fasttext_says_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fasttext", None)
    with pytest.raises(ConfigError, match=r"decontam\[train\]"):
        trainer()


def test_a_language_needs_five_sources(corpus: Corpus) -> None:
    scored = left_out(corpus, "all", RECIPE)
    some = Corpus(corpus.rows, corpus.keys, corpus.offsets, corpus.table)
    enough = calibrate(some, scored, "en")
    without = scored._replace(documents=np.where(np.isin(corpus.sources, ["a", "b"]), np.nan, scored.documents))

    assert isinstance(enough, Language)
    assert "quarantine" == enough.use
    assert "4 independent human sources" in calibrate(some, without, "en")
