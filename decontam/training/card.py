"""Card: what a model is, what it was trained on, what it shows and what not, in Markdown; every number is from its file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from decontam.model import Model
from decontam.training.corpus import Sources
from decontam.training.thresholds import wilson

TRIED = Path(__file__).parent / "tried.md"
"""What was tried and with which result, in words; experiments leave no trace in a model file."""

_RATES = ("AUROC", "own 1 %", "own 0.1 %", "weak threshold", "strong threshold")
_ABOUT = """# Model card: synthetic text

Made by `decontam model train --data DIR --card FILE`; every number stands in the header of a model file (`decontam model info --json`).

A linear model over hashed one- and two-token n-grams of prose, cased, for documents, and a second one for passages of 250 tokens. It says
how much a text reads like those that language models have written, and nothing about who wrote it: use it to sort training data, never
to accuse a person.

How to read this: each number for a fold or source is from a model that has seen no source of that fold. `own` is the share of
model-written texts found at the threshold at which 1 % (0.1 %) of the fold's own human texts pass; `strong threshold` and `weak
threshold` are what a user gets: set by the human texts of the other folds. A source of n texts cannot show a rate below 3/n.
"""
_TRAINED = """At most 2,500 texts of a source, label and language are used. Thresholds are set on human texts of all sources, whatever their
licence, since a threshold holds nothing of them; sources whose labels are in doubt set none.
"""


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(str(value) for value in row) + " |" for row in rows), ""]


def _share(hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{hits / n:.2%} [{low:.2%}, {high:.2%}]" if n else "-"


def _numbers(group: Sequence[Any]) -> list[object]:
    name, humans, models, *rates = group
    return [name, f"{humans:,}", f"{models:,}", f"{rates[0]:.3f}", *(f"{rate:.2f}" for rate in rates[1:])]


def _loso(model: Model, language: str) -> list[str]:
    shown = model.header["evidence"]["loso"].get(language)
    if not shown or not shown["folds"]:
        return []
    head = ("left out", "human", "model", *_RATES)
    hardest = sorted(shown["sources"], key=lambda row: (row[7], row[0]))
    passed = [
        (name + ("" if sure else " (labels in doubt)"), f"{texts:,}", _share(strong, texts), _share(weak, texts))
        for name, texts, strong, weak, sure in shown["humans"]
    ]
    return [
        f"### {model.name}, {language}",
        "",
        *_table(head, map(_numbers, shown["folds"])),
        "Model-written sources, hardest first:",
        "",
        *_table(head, map(_numbers, hardest)),
        "Human texts that pass the thresholds of the other folds:",
        "",
        *_table(("human source, left out", "texts", "strong threshold (nominal 0.1 %)", "weak threshold (nominal 1 %)"), passed),
    ]


def _thresholds(model: Model) -> list[str]:
    rows = []
    for language, about in model.header["languages"].items():
        for band in about["bands"]:
            strong, weak = band["strong"], band["weak"]
            evidence = strong["sources"], f"{strong['documents']:,}", f"{strong['realised']:.3%}"
            rows.append((language, about["use"], band["tokens"], strong["at"], strong["worst"], weak["at"], weak["worst"], *evidence))
    head = ("language", "at most", "tokens from", "strong", "set by", "weak", "set by", "human sources", "texts", "of them strong")
    return _table(head, rows)


def _sources(models: Sequence[Model], table: Sources) -> list[str]:
    rows = []
    for name, source in sorted(table.sources.items()):
        counts: Mapping[str, int] = models[-1].header["evidence"]["sources"].get(name, {"human": 0, "llm": 0})
        trained = ", ".join(model.name for model in models if name in model.header["evidence"]["sources"]) or "-"
        rows.append((name, source.fold, source.licence, source.terms, counts["human"], counts["llm"], source.written, trained))
    return _table(("source", "fold", "licence", "in its words", "human", "model", "human text is from", "trains"), rows)


def card(models: Sequence[Model], table: Sources) -> str:
    """The card of models that were trained on the same corpus, the shipped one first."""
    shipped = models[0]
    lines = [_ABOUT, "## What it was trained on", ""]
    for model in models:
        which = "sources with an open licence" if model.header["licences"] == "open" else "all sources"
        vendors = ", ".join(f"{vendor} {count:,}" for vendor, count in model.header["evidence"]["vendors"].items())
        lines += [f"`{model.name}` ({which}): model-written texts by vendor: {vendors}.", ""]
    lines += [*_sources(models, table), _TRAINED, "## Thresholds", "", *_thresholds(shipped)]
    lines += ["Where it abstains, beside texts that are short, code, tables, lists or mark-up:", ""]
    lines += [*_table(("language", "why"), shipped.header["abstains"].items()), "## Left out", ""]
    for model in models:
        for language in model.header["languages"]:
            lines += _loso(model, language)
    return "\n".join([*lines, TRIED.read_text("utf-8")]).rstrip() + "\n"
