"""Benchmarks: copies as they are handed out, made small; which part each text is; what a wrong file gets."""

# ruff: noqa: E501 - a record stands on one line
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from decontam.benchmarks import check, load, named, options_for
from decontam.config import shipped
from decontam.errors import ConfigError, InputError
from decontam.logs import read

BENCHMARKS = load()
CHOICES = {"A": "oak", "B": "ash", "C": "elm", "D": "yew"}


def jsonl(*records: Any) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


# One small copy of each shape: (benchmark, name of the file, content, what it gives).
COPIES: list[tuple[str, str, Any, list[tuple[str, str]]]] = [
    ("mmlu", "test-00000.parquet", [{"question": "Which?", "subject": "trees", "choices": list(CHOICES.values()), "answer": 1}],
     [("question", "Which?"), ("choices", "oak\nash\nelm\nyew"), ("answer", "ash")]),
    ("mmlu", "trees_test.csv", 'Which tree?,oak,ash,"elm, old",yew,C\n',
     [("question", "Which tree?"), ("choices", "oak\nash\nelm, old\nyew"), ("answer", "elm, old")]),
    ("gsm8k", "test.jsonl", jsonl({"question": "2 ducks?", "answer": "Two. #### 2"}), [("question", "2 ducks?"), ("answer", "Two. #### 2")]),
    ("humaneval", "HumanEval.jsonl", jsonl({"task_id": "HumanEval/0", "prompt": "def f():", "canonical_solution": "  return 1", "test": "assert f()"}),
     [("question", "def f():"), ("answer", "  return 1"), ("text", "assert f()")]),
    ("mbpp", "mbpp.jsonl", jsonl({"text": "Add.", "code": "a+b", "task_id": 1, "test_list": ["assert 1", "assert 2"]}),
     [("question", "Add."), ("answer", "a+b"), ("text", "assert 1\nassert 2")]),
    ("mbpp", "sanitized-mbpp.json", json.dumps([{"prompt": "Add.", "code": "a+b", "task_id": 2, "test_list": ["assert 1"]}]),
     [("question", "Add."), ("answer", "a+b"), ("text", "assert 1")]),
    ("ceval", "law_val.csv", "id,question,A,B,C,D,answer\n0,哪一个？,甲,乙,丙,丁,B\n", [("question", "哪一个？"), ("choices", "甲\n乙\n丙\n丁"), ("answer", "乙")]),
    ("cmmlu", "agronomy.csv", ",Question,A,B,C,D,Answer\n0,哪一个？,甲,乙,丙,丁,D\n", [("question", "哪一个？"), ("choices", "甲\n乙\n丙\n丁"), ("answer", "丁")]),
    ("arc", "ARC-Challenge-Test.jsonl",
     jsonl({"id": "M1", "question": {"stem": "Why?", "choices": [{"text": "rain", "label": "1"}, {"text": "wind", "label": "2"}]}, "answerKey": "2"}),
     [("question", "Why?"), ("choices", "rain\nwind"), ("answer", "wind")]),
    ("arc", "test.parquet", [{"id": "M1", "question": "Why?", "choices": {"text": ["rain", "wind"], "label": ["A", "B"]}, "answerKey": "A"}],
     [("question", "Why?"), ("choices", "rain\nwind"), ("answer", "rain")]),
    ("hellaswag", "hellaswag_val.jsonl", jsonl({"ind": 4, "ctx": "A man sits.", "endings": ["up", "down"], "label": 1}),
     [("question", "A man sits."), ("choices", "up\ndown"), ("answer", "down")]),
    ("truthfulqa", "TruthfulQA.csv", "Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\nA,M,Why?,Rain,Rain; Water,Snow,x\n",
     [("question", "Why?"), ("answer", "Rain"), ("choices", "Rain; Water"), ("choices", "Snow")]),
    ("truthfulqa", "mc.parquet", [{"question": "Why?", "mc1_targets": {"choices": ["rain", "snow"], "labels": [1, 0]}}], [("question", "Why?"), ("choices", "rain\nsnow")]),
    ("bbh", "causal.json", json.dumps({"canary": "x", "examples": [{"input": "Is it?", "target": "Yes"}, {"input": "Was it?", "target": "No"}]}, indent=1),
     [("question", "Is it?"), ("answer", "Yes"), ("question", "Was it?"), ("answer", "No")]),
    ("bbh", "causal.parquet", [{"input": "Is it?", "target": "Yes"}], [("question", "Is it?"), ("answer", "Yes")]),
    ("math", "1001.json", json.dumps({"problem": "Find x.", "level": "5", "type": "Algebra", "solution": "x is 2."}, indent=4),
     [("question", "Find x."), ("answer", "x is 2.")]),
    ("ifeval", "input_data.jsonl", jsonl({"key": 1000, "prompt": "Write 3 lines.", "instruction_id_list": ["x"], "kwargs": [{}]}), [("prompt", "Write 3 lines.")]),
    ("agieval", "sat.jsonl", jsonl({"passage": "Long ago.", "question": "When?", "options": ["(A)then", "(B)now"], "label": "B", "answer": None}),
     [("passage", "Long ago."), ("question", "When?"), ("choices", "(A)then\n(B)now"), ("answer", "(B)now")]),
    ("agieval", "gaokao.jsonl", jsonl({"passage": None, "question": "x?", "options": None, "label": None, "answer": "2"}), [("question", "x?"), ("answer", "2")]),
    ("gpqa", "gpqa_main.csv", 'Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3,Explanation,Record ID\n"Which\nquark?",up,down,top,odd,So.,r1\n',
     [("question", "Which\nquark?"), ("answer", "up"), ("choices", "up\ndown\ntop\nodd"), ("text", "So.")]),
    ("drop", "drop_dataset_dev.json",
     json.dumps({"nfl_1": {"passage": "A game.", "qa_pairs": [{"question": "Who?", "answer": {"number": "", "spans": ["Bears"]}}, {"question": "How many?", "answer": {"number": "3", "spans": []}}]}}),
     [("passage", "A game."), ("question", "Who?"), ("question", "How many?"), ("answer", "Bears"), ("answer", "3")]),
    ("drop", "validation.parquet", [{"query_id": "q", "passage": "A game.", "question": "Who?", "answers_spans": {"spans": ["Bears"], "types": ["span"]}}],
     [("passage", "A game."), ("question", "Who?"), ("answer", "Bears")]),
    ("winogrande", "train_xl.jsonl", jsonl({"qID": "3-1", "sentence": "The _ fell.", "option1": "cup", "option2": "cat", "answer": "2"}),
     [("question", "The _ fell."), ("choices", "cup\ncat"), ("answer", "cat")]),
    ("squad", "dev-v2.0.json",
     json.dumps({"version": "v2.0", "data": [{"title": "Normans", "paragraphs": [{"context": "They came.", "qas": [{"id": "1", "question": "Who?", "answers": [{"text": "They", "answer_start": 0}]}]}]}]}),
     [("passage", "They came."), ("question", "Who?"), ("answer", "They")]),
    ("squad", "validation.parquet", [{"id": "1", "context": "They came.", "question": "Who?", "answers": {"text": ["They"], "answer_start": [0]}}],
     [("passage", "They came."), ("question", "Who?"), ("answer", "They")]),
]  # fmt: skip


def test_all_that_were_promised_are_there() -> None:
    promised = "mmlu gsm8k humaneval mbpp ceval cmmlu arc hellaswag truthfulqa bbh math ifeval agieval gpqa drop winogrande squad"

    assert set(promised.split()) == BENCHMARKS.keys()
    assert all(each.source.startswith("https://") and each.about for each in BENCHMARKS.values())


def test_every_shape_has_a_copy_here() -> None:
    used = {(name, number) for name, file, *_ in COPIES for number, shape in enumerate(BENCHMARKS[name].shapes) if shape.fits(file)}

    assert {(name, number) for name, each in BENCHMARKS.items() for number in range(len(each.shapes))} == used


@pytest.mark.parametrize(("name", "file", "content", "expected"), COPIES, ids=[f"{name}/{file}" for name, file, *_ in COPIES])
def test_a_copy_gives_its_questions_and_answers_apart(
    name: str, file: str, content: Any, expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    path = tmp_path / file
    if isinstance(content, list):
        pq.write_table(pa.Table.from_pylist(content), path)
    else:
        path.write_text(content, "utf-8", newline="")
    reading = read(str(path), options_for(BENCHMARKS[name], str(path)))
    references = list(reading)

    assert sorted(expected) == sorted((each.part, each.text) for each in references)
    assert 0 == reading.report.unread()
    assert len({each.id for each in references}) == len(references)


def test_a_name_is_known_whatever_compressed_the_file() -> None:
    assert options_for(BENCHMARKS["humaneval"], "data/HumanEval.jsonl.gz").shapes
    with pytest.raises(InputError, match="they are called"):
        options_for(BENCHMARKS["humaneval"], "HumanEval.xlsx")


def test_the_list_is_no_config_of_a_run() -> None:
    assert "benchmarks" not in shipped()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shapes": [{"files": ["*"], "prts": []}]}, "unknown key 'mine.shapes.0.prts'; did you mean 'parts'?"),
        ({"shapes": [{"files": ["*"], "parts": [{"part": "answers", "fields": ["a"]}]}]}, "mine.shapes.0.parts.0.part"),
        ({"shapes": [{"files": ["*"], "parts": [{"part": "answer"}]}]}, "mine.shapes.0.parts.0 lacks 'fields'"),
        ({"shapes": [{"files": ["*"], "parts": [{"part": "answer", "fields": ["a..b"]}]}]}, "'a..b' is no path"),
        ({"shapes": [{"files": [], "parts": [{"part": "answer", "fields": ["a"]}]}]}, "a shape needs files and parts"),
        ({"shapes": []}, "mine has no shapes"),
        ({"source": 7}, "mine.source"),
    ],
)
def test_a_wrong_file_is_explained(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    right = {"about": "a", "source": "s", "shapes": [{"files": ["*"], "parts": [{"part": "answer", "fields": ["a"]}]}]}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"mine": {**right, **change}}))
    with pytest.raises(ConfigError) as problem:
        load(path)

    assert says in str(problem.value)
    assert {"mine"} == check({"mine": right}, "x").keys()


@pytest.mark.parametrize(("content", "says"), [("a: [", "not YAML"), ("", "a mapping of benchmarks"), ("- a", "a mapping of benchmarks")])
def test_a_file_that_is_none_is_explained(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(content)
    with pytest.raises(ConfigError, match=says):
        load(tmp_path / "b.yaml")
    with pytest.raises(ConfigError, match=r"no such file|No such file"):
        load(tmp_path / "none.yaml")


def test_an_unknown_benchmark_is_explained() -> None:
    with pytest.raises(ConfigError, match="did you mean 'mmlu'"):
        named("mmllu", BENCHMARKS)


def test_a_copy_without_the_fields_is_an_error_that_names_them(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text(jsonl({"q": "x", "a": "y"}))
    with pytest.raises(InputError, match=r"has a text in 'answer', 'question'.*'q', 'a'"):
        list(read(str(path), options_for(BENCHMARKS["gsm8k"], str(path))))
