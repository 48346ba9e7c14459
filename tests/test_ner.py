"""Names by a model: real pipelines, made here, saved to disk and opened as any other; what a window cuts is found whole."""

from __future__ import annotations

import json
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

import decontam
from decontam.config import Config, artefacts_of, chain_of, fingerprint, load_config, rules_of
from decontam.errors import ArtefactError, ConfigError, DecontamError
from decontam.stages import ner
from decontam.stages.ner import Ner, entities, options_of, readable
from decontam.types import Action, Field, Strength
from decontam.view import View
from tests.test_conformance import AS_IDS, AWKWARD

LABELS = {"PERSON": "NAME", "STREET": "ADDRESS"}
ENGINES = ("spacy", "presidio")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people and a street by rules: exact, so that spans can be asked for."""
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns(
        [
            {"label": "PERSON", "pattern": "Vera Quint"},
            {"label": "PERSON", "pattern": [{"TEXT": {"REGEX": "^Quint[a-z]+$"}}]},
            {"label": "STREET", "pattern": "Elm Row"},
            {"label": "GPE", "pattern": "Norwich"},
        ]
    )
    folder = tmp_path_factory.mktemp("models") / "people"
    nlp.to_disk(folder)
    return folder


def config(model: Path | str, engine: str = "spacy", **options: object) -> Config:
    on = {"enabled": True, "options": {"model": f"{engine}:{model}", **options}}
    off = {name: {"enabled": False} for name in load_config().stages if name != "ner"}
    return load_config(None, {"stages": {**off, "ner": on}})


def stage(model: Path | str, engine: str = "spacy", **options: object) -> Ner:
    return Ner.load({"model": f"{engine}:{model}", "labels": LABELS, **options}, None)


def found(of: Ner, text: str) -> list[tuple[str, str, str]]:
    return [(each.rule, each.kind, text[slice(*each.span)]) for each in of.inspect(View(Field("text", text)))]


@pytest.mark.parametrize("before", ["", "😀👩‍👩‍👧 ", "我们在这里。 ", "e\u0301\u200b ", "\ud800 ", "\r\n\t\x00 "], ids=ascii)
@pytest.mark.parametrize("text", ["Vera Quint lives in Elm Row.", "to Vera Quint, of Elm Row"])
def test_spans_are_characters_of_the_original(pipeline: Path, before: str, text: str) -> None:
    assert [("person", "NAME", "Vera Quint"), ("street", "ADDRESS", "Elm Row")] == found(stage(pipeline), before + text)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_reports_what_is_mapped(pipeline: Path, engine: str) -> None:
    assert [("person", "NAME", "Vera Quint")] == found(stage(pipeline, engine), "😀 Vera Quint is in Norwich.")
    assert [] == found(stage(pipeline, engine), "vera quint is in norwich")


def test_labels_of_a_config_add_and_take_out(pipeline: Path) -> None:
    chain = chain_of(config(pipeline, labels={"GPE": "ADDRESS", "PERSON": None}))

    assert ["ADDRESS"] == [each.kind for each in chain.screen_text("Vera Quint is in Norwich.").findings]


def test_what_is_less_sure_than_asked_for_is_not_reported(pipeline: Path) -> None:
    text = "Vera Quint is in Norwich."
    sure = next(iter(stage(pipeline, "presidio").inspect(View.of(text)))).score

    assert 0 < sure < 1
    assert [] == found(stage(pipeline, "presidio", least=sure + 0.01), text)
    assert found(stage(pipeline, "presidio", least=sure), text)


@pytest.mark.parametrize(("strength", "action"), [("weak", Action.TAG), ("strong", Action.REDACT)])
def test_the_policy_tags_what_is_weak_and_redacts_what_is_strong(pipeline: Path, strength: str, action: Action) -> None:
    verdict = chain_of(config(pipeline, strength=strength)).screen_text("Ask Vera Quint.")

    assert action == verdict.action
    assert [Strength[strength.upper()]] == [each.strength for each in verdict.findings]


def test_it_is_off_by_default() -> None:
    assert "ner" in load_config().stages
    assert "ner" not in [each.name for each in chain_of(load_config()).stages]


def test_a_folder_is_relative_to_its_config_and_documents_travel(pipeline: Path) -> None:
    path = pipeline.parent / "c.yaml"
    path.write_text("stages: {ner: {enabled: true, options: {model: 'spacy:./people', strength: strong}}}")
    documents = pickle.loads(pickle.dumps(decontam.load(str(path))))

    assert {"text": "Ask <NAME>."} == documents.screen({"text": "Ask Vera Quint."}).document
    assert pickle.loads(pickle.dumps(stage(pipeline))) == stage(pipeline)


def _yielding(tokenizer: Callable[[str], object]) -> Callable[[str], object]:
    """The same, letting another thread in meanwhile."""

    def tokenize(text: str) -> object:
        Event().wait(0.001)
        return tokenizer(text)

    return tokenize


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_share_a_model_and_its_vocabulary_does_not_grow(pipeline: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list = []
    really = ner._pipeline
    monkeypatch.setattr(ner, "_pipeline", lambda *asked: opened.append(really(*asked)) or opened[-1])
    of = stage(pipeline, engine, exclude=["lemmatizer"])  # asked for by nobody else here, so it is opened anew
    found(of, "Vera Quint")
    before = len(opened[0].vocab.strings)
    monkeypatch.setattr(opened[0], "tokenizer", _yielding(opened[0].tokenizer))
    with ThreadPoolExecutor(4) as threads:
        all_found = list(threads.map(lambda n: found(of, f"word{n}a word{n}b Vera Quint " * 3), range(40)))

    assert [[("person", "NAME", "Vera Quint")] * 3] * 40 == all_found
    assert before == len(opened[0].vocab.strings)


def _people(text: str) -> Iterator[tuple[int, int, str, float]]:
    for match in re.finditer(r"Quint[a-z]{0,60}", text):
        yield *match.span(), "PERSON", 1.0


@given(st.lists(st.sampled_from(["Quint", "Quintessa" * 5, "word", "😀", "我", "the\n", "x" * 150]), max_size=120), st.integers(1000, 1300))
def test_windows_find_what_the_whole_has(words: list[str], most: int) -> None:
    text = " ".join(words)

    assert list(_people(text)) == list(entities(text, _people, most))


def test_each_character_is_looked_at_a_bounded_number_of_times() -> None:
    seen: list[int] = []

    def counting(text: str) -> list[tuple[int, int, str, float]]:
        seen.append(len(text))
        return []

    list(entities("word " * 20_000, counting, 1000))

    assert max(seen) == 1000
    assert sum(seen) <= 1.26 * 100_000


@given(st.text(st.characters() | st.sampled_from(" [😀_a"), max_size=400))
def test_what_a_model_is_shown_has_the_same_length_and_is_unicode(text: str) -> None:
    assert len(text) == len(readable(text))
    readable(text).encode()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("text", AWKWARD, ids=AS_IDS)
def test_it_keeps_the_promises_of_all_stages(pipeline: Path, engine: str, text: str) -> None:
    from tests.test_conformance import promised

    promised(stage(pipeline, engine), f"{text[:20_000]} Vera Quint")


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        ({"model": None}, ConfigError, "name a model as spacy:PACKAGE"),
        ({"model": "people"}, ConfigError, "nothing is downloaded"),
        ({"model": "gliner:x"}, ConfigError, "name a model as"),
        ({"modle": "x"}, ConfigError, "stages.ner.options.modle"),
        ({"most": 10}, ConfigError, "stages.ner.options.most"),
        ({"least": 2}, ConfigError, "stages.ner.options.least"),
        ({"strength": "srong"}, ConfigError, "did you mean 'strong'?"),
        ({"labels": {"PERSON": "a name"}}, ConfigError, "stages.ner.options.labels.PERSON"),
        ({"labels": {"PERSON": None}}, ConfigError, "maps none"),
        ({"model": "presidio:./x", "labels": {"EMAIL_ADDRESS": "EMAIL"}}, ConfigError, "Presidio downloads"),
        ({"model": "spacy:xx_no_such_model"}, ArtefactError, "xx_no_such_model: no such package; pip install"),
        ({"model": "spacy:json"}, ArtefactError, "json: no spaCy pipeline"),
        ({"model": "spacy:./nowhere"}, ArtefactError, "./nowhere: no such folder"),
    ],
)
def test_what_cannot_be_used_is_explained(options: dict, kind: type[DecontamError], says: str) -> None:
    with pytest.raises(kind) as problem:
        Ner.load({"labels": LABELS, **options}, None)

    assert says in str(problem.value)


def test_a_model_without_the_labels_is_refused(pipeline: Path) -> None:
    with pytest.raises(ArtefactError, match="it has GPE, PERSON, STREET"):
        stage(pipeline, labels={"PERSONNE": "NAME"})


@pytest.mark.parametrize(("engine", "extra"), [("spacy", "ner"), ("presidio", "presidio")])
def test_a_package_that_is_missing_is_named(pipeline: Path, engine: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package.startswith(engine):
            raise ner.PackageNotFoundError(package)
        return "1"

    monkeypatch.setattr(ner, "version", version)
    ner._about.cache_clear()

    with pytest.raises(ArtefactError, match=re.escape(f"pip install 'decontam[{extra}]'")):
        stage(pipeline, engine)


def test_a_broken_model_is_refused(pipeline: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "meta.json").write_text((pipeline / "meta.json").read_text())

    with pytest.raises(ArtefactError, match="spaCy cannot open it"):
        stage(broken)


def test_manifest_and_fingerprint_name_the_model(pipeline: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(pipeline, tmp_path / "people")
    before = fingerprint(config(tmp_path / "people"), ())
    models = artefacts_of(config(tmp_path / "people"))["models"]
    patterns = next((tmp_path / "people").rglob("*.jsonl"))
    patterns.write_text(patterns.read_text().replace("Quint", "Quilt"))
    ner._about.cache_clear()

    assert ["ner.en_pipeline-0.0.0"] == list(models)
    assert models != artefacts_of(config(tmp_path / "people"))["models"]
    assert before != fingerprint(config(tmp_path / "people"), ())


def test_a_run_tells_of_it(pipeline: Path, tmp_path: Path, screen_files: Callable) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_text('{"text": "Ask Vera Quint."}\n{"text": "Nobody."}\n')
    screen_files(tmp_path / "in", out=tmp_path / "out", config=config(pipeline))
    manifest = json.loads((tmp_path / "out/manifest.json").read_bytes())

    assert ["ner.en_pipeline-0.0.0"] == list(manifest["models"])
    assert [] == list(rules_of(config(pipeline)))


def _loud(options: ner.Options) -> ner.Recogniser:
    return lambda text: [(match.start(), match.end(), "LOUD", 0.9) for match in re.finditer(r"[A-Z]{4,}", text)]


def test_a_stage_for_another_model_is_a_function() -> None:
    other = Ner(options_of({"labels": {"LOUD": "SHOUT"}}), _loud, "1", "loud")

    assert [("loud", "SHOUT", "QUIET")] == found(other, "be QUIET now")
    assert other == pickle.loads(pickle.dumps(other))


def test_neither_package_is_imported_unless_the_stage_is_on() -> None:
    import subprocess

    code = "import sys, decontam; decontam.load().screen_text('Words.'); print({'spacy', 'presidio_analyzer'} & sys.modules.keys())"

    assert "set()" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
