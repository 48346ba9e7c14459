"""decontam model: train, calibrate, evaluate and describe the model of the synthetic stage."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from decontam.errors import ConfigError, printable

if TYPE_CHECKING:
    from decontam.training.evaluate import Shown
    from decontam.training.loso import Group


@click.group("model", no_args_is_help=True)
def command() -> None:
    """The model of the stage `synthetic`: train it, calibrate it on your own text, see how good it is."""


def _told(rows: Iterable[Sequence[object]], head: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(*head, box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*(printable(str(value)) for value in row))
    console = Console(highlight=False, markup=False)
    console.print(shown, width=max(console.width, 180))


def _group(group: Group) -> tuple[object, ...]:
    return (group.name, f"{group.humans:,}", f"{group.models:,}", f"{group.auroc:.3f}", *(f"{rate:.3f}" for rate in group[4:]))


@command.command("train")
@click.option("--data", multiple=True, required=True, metavar="DIR", help="A folder of <source>.jsonl.zst; repeatable.")
@click.option("--sources", "licences", type=click.Choice(["open", "all"]), default="open", show_default=True,
              help="Train on sources with an open licence, or on all.")  # fmt: skip
@click.option("--table", "table_file", metavar="FILE", help="A table of sources of your own, like decontam/training/sources.yaml.")
@click.option("--backend", type=click.Choice(["ngrams", "fasttext"]), default="ngrams", show_default=True)
@click.option("--out", metavar="FILE", required=True, help="Where the model goes.")
@click.option("--cap", type=click.IntRange(1), default=2500, show_default=True, help="Texts of a source, label and language, at most.")
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--card", "card_file", metavar="FILE", help="Write the model card too; with --beside, of two models.")
@click.option("--beside", metavar="FILE", help="Another model for the card.")
def train(data: tuple[str, ...], licences: str, table_file: str | None, backend: str, out: str, cap: int, seed: int,
          card_file: str | None, beside: str | None) -> None:  # fmt: skip
    """Train a model and print what leaving sources out shows. The same data makes the same bytes."""
    from decontam.training.corpus import TABLE, read, sources_of

    table = sources_of(Path(table_file) if table_file else TABLE)
    folders = [Path(folder) for folder in data]
    if backend == "fasttext":
        from decontam.training.lines import train as train_fasttext

        texts = train_fasttext(folders, table, licences, cap, Path(out))
        click.echo(
            f"{printable(out)}: trained on {texts:,} texts; give it thresholds with `decontam model calibrate --model {printable(out)}`"
        )
        return
    from decontam.model import opened
    from decontam.training.build import build
    from decontam.training.card import card
    from decontam.training.fit import Recipe
    from decontam.training.loso import Group

    corpus = read(folders, table)
    click.echo(f"{len(corpus.rows):,} texts of {len({row.source for row in corpus.rows})} sources", err=True)
    built = build(corpus, licences, Recipe(cap=cap, seed=seed), lambda text: click.echo(text, err=True))
    Path(out).write_bytes(built.data)
    model = opened(out)
    for language, shown in model.header["evidence"]["loso"].items():
        click.echo(f"\n{language}: {model.header['languages'][language]['why']}")
        _told((_group(Group(*group)) for group in shown["folds"]),
              ("left out", "human", "model", "AUROC", "own 1%", "own 0.1%", "weak", "strong"))  # fmt: skip
    if card_file:
        Path(card_file).write_text(card([model, *([opened(beside)] if beside else [])], table), "utf-8")
    click.echo(f"\n{printable(out)}: {len(built.data):,} bytes, {model.digest}")


@command.command("info")
@click.argument("model", default="builtin")
@click.option("--json", "as_json", is_flag=True, help="The whole header of the file.")
def info(model: str, as_json: bool) -> None:
    """Say what a model was trained on, which languages it speaks about, and why not about others."""
    from decontam.scorers import Scorer

    scorer = Scorer.named(model)
    if scorer.model is None:
        click.echo(f"{printable(scorer.path)}: a fastText model, {scorer.digest}")
        return
    header = scorer.model.header
    if as_json:
        click.echo(json.dumps(header, ensure_ascii=False, indent=1))
        return
    click.echo(f"{scorer.name}, {scorer.digest}")
    for language, about in header["languages"].items():
        click.echo(f"{language}: {about['use']}; {about['why']}")
    _told(((language, why) for language, why in header["abstains"].items()), ("abstains", "because"))


_SHOWN = ("AUROC", "own 1%", "own 0.1%", "human, strong", "human, weak", "model, strong", "model, weak", "abstained")


def _row(shown: Shown) -> tuple[object, ...]:
    own = f"{shown.auroc:.3f}", f"{shown.own_weak:.3f}", f"{shown.own_strong:.3f}"
    return (shown.name, *own, shown.false_strong, shown.false_weak, shown.found_strong, shown.found_weak, f"{shown.abstained:,}")


def _config(config_name: str | None, text_key: tuple[str, ...], lang_key: tuple[str, ...]) -> Any:
    from decontam.config import load_config

    keys = {"text_key": list(text_key) or None, "lang_key": list(lang_key) or None}
    return load_config(config_name, {"input": {key: value for key, value in keys.items() if value is not None}})


@command.command("calibrate")
@click.option("--human", multiple=True, required=True, metavar="PATH", help="Shards of text that people wrote before LLMs did; repeatable.")
@click.option("--llm", multiple=True, metavar="PATH", help="Shards of text that models wrote, for probabilities; repeatable.")
@click.option(
    "--fpr", type=click.FloatRange(1e-6, 0.1), default=0.001, show_default=True, help="Human texts that may pass the strong threshold."
)
@click.option("--model", default="builtin", show_default=True, metavar="FILE", help="builtin, a model file, or a fastText model.")
@click.option("--label", default="__label__llm", show_default=True, help="What a fastText model calls text that a model wrote.")
@click.option("--out", required=True, metavar="FILE", help="Where the thresholds go.")
@click.option("--source-key", default="source", show_default=True, help="The key of a record's source; its shard where it has none.")
@click.option("--config", "config_name", metavar="FILE")
@click.option("--text-key", multiple=True)
@click.option("--lang-key", multiple=True, help="Where a record says what language it is in.")
def calibrate(human: tuple[str, ...], llm: tuple[str, ...], fpr: float, model: str, label: str, out: str, source_key: str,
              config_name: str | None, text_key: tuple[str, ...], lang_key: tuple[str, ...]) -> None:  # fmt: skip
    """Fit thresholds on your own human text, by source; languages on which the stage abstains come alive so."""
    from decontam.calibration import plain
    from decontam.scorers import Scorer
    from decontam.training.labelled import judged, texts_of
    from decontam.training.own import calibrated_on

    config, scorer = _config(config_name, text_key, lang_key), Scorer.named(model, label)
    scorer.check()
    humans = judged(texts_of(human, True, scorer, config, source_key))
    models = judged(texts_of(llm, False, scorer, config, source_key)) if llm else []
    found, without = calibrated_on(humans, models, fpr)
    for language, why in without.items():
        click.echo(f"{language}: no thresholds; {why}", err=True)
    if not found:
        raise ConfigError(f"{len(humans):,} human texts could be scored, too few for any threshold; see `decontam model calibrate --help`")
    content = {"model": scorer.digest, "fpr": fpr, "languages": plain(found)}
    Path(out).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    rows = []
    for language, about in found.items():
        for band in about.bands:
            strong = band.strong
            evidence = strong.sources, f"{strong.documents:,}", strong.worst
            rows.append((language, about.use, band.tokens, f"{strong.at:.3f}", f"{band.weak.at:.3f}", *evidence))
    _told(rows, ("language", "at most", "tokens from", "strong", "weak", "sources", "texts", "set by"))
    click.echo(f"{printable(out)}: name it in stages.synthetic.options.calibration")


@command.command("evaluate")
@click.argument("labelled", nargs=-1, required=True)
@click.option("--model", default="builtin", show_default=True, metavar="FILE", help="builtin, a model file, or a fastText model.")
@click.option("--label", default="__label__llm", show_default=True, help="What a fastText model calls text that a model wrote.")
@click.option("--calibration", metavar="FILE", help="A file of `decontam model calibrate`.")
@click.option("--label-key", default="label", show_default=True, help="The key that says human or llm.")
@click.option("--source-key", default="source", show_default=True, help="The key of a record's source; its shard where it has none.")
@click.option("--plots", metavar="DIR", help="Draw score distributions and reliability; takes `pip install 'decontam[train]'`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
@click.option("--config", "config_name", metavar="FILE")
@click.option("--text-key", multiple=True)
@click.option("--lang-key", multiple=True, help="Where a record says what language it is in.")
def evaluate(labelled: tuple[str, ...], model: str, label: str, calibration: str | None, label_key: str, source_key: str,
             plots: str | None, as_json: bool, config_name: str | None, text_key: tuple[str, ...],
             lang_key: tuple[str, ...]) -> None:  # fmt: skip
    """Say how good a model is on LABELLED shards: AUROC, what is found, and what human text passes, with 95 % intervals."""
    from decontam.stages.synthetic import languages_of, options_of
    from decontam.training.evaluate import evaluated, plot
    from decontam.training.labelled import labelled as read

    options = options_of({"model": model, "label": label, "calibration": calibration})
    languages = languages_of(options)
    texts = list(read(labelled, options.scorer, _config(config_name, text_key, lang_key), source_key, label_key))
    found = evaluated(texts, languages)
    if as_json:
        click.echo(json.dumps({name: [row._asdict() for row in rows] for name, rows in found.items()}, ensure_ascii=False))
    else:
        for name, rows in found.items():
            _told(map(_row, rows), (name, *_SHOWN))
            click.echo()
    if plots:
        try:
            made = plot(texts, languages, Path(plots))
        except ImportError:
            raise ConfigError("--plots: drawing takes `pip install 'decontam[train]'`") from None
        click.echo(f"drawn: {', '.join(printable(str(path)) for path in made)}", err=True)
    sys.exit(0)
