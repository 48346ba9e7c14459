"""decontam index: make, look at and try out indexes of known texts."""

from __future__ import annotations

import glob as globs
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from decontam.errors import ArtefactError, ConfigError, InputError, printable
from decontam.files import is_remote
from decontam.keys import Key, KeySource

if TYPE_CHECKING:
    from decontam.types import Reference

_MB = 1 << 20


@click.group("index", no_args_is_help=True)
def command() -> None:
    """Make and look after indexes of texts that must not be in training data: API logs, benchmarks."""


def _keyed(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--key-env", metavar="NAME", help="The environment variable that holds the key."),
        click.option("--key-file", metavar="FILE", help="The file that holds the key."),
    ):
        function = option(function)
    return function


def _as_logs(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say how sources are read."""
    for option in (
        click.option("--include", type=click.Choice(["responses", "prompts", "all"]), default="responses", show_default=True,
                     help="What the model wrote, what it was asked, or both."),
        click.option("--format", "formats", multiple=True, metavar="NAME", help="Read only this log format; repeatable. [default: any]"),
        click.option("--field", "fields", multiple=True, metavar="[PART=]PATH",
                     help="Read this field of each record and no log format: question=query, answer=choices[*].text; repeatable."),
        click.option("--benchmark", metavar="NAME", help="Read copies of this benchmark: a name of configs/benchmarks.yaml."),
        click.option("--benchmarks", metavar="FILE", help="Another file that says how benchmarks are read."),
        click.option("--id-field", metavar="PATH", help="The field that holds the id of a record, with --field."),
        click.option("--text", "as_text", type=click.Choice(["line", "paragraph", "file"]), help="Read plain text: what one text is."),
    ):  # fmt: skip
        function = option(function)
    return function


def _key(env: str | None, file: str | None, no_key: bool = False) -> Key | None:
    if (env is not None and file is not None) or (no_key and (env or file)):
        raise ConfigError("--key-env, --key-file, --no-key: name one of them")
    if no_key:
        return None
    if env is None and file is None:
        raise ConfigError(
            "an index is made with a key, so that nobody else can look texts up in it; say where it is with --key-env or --key-file, "
            "or use --no-key if anybody may"
        )
    return KeySource(env=env, file=file).read()


def _files(sources: tuple[str, ...], out: str | None) -> list[str]:
    """The files that sources name: folders with all that is in them, globs, URLs."""
    found: list[str] = []
    for source in sources:
        if is_remote(source):
            found.append(source)
        elif Path(source).is_dir():
            found += [str(path) for path in sorted(Path(source).rglob("*")) if path.is_file() and not path.name.startswith(".")]
        elif globs.has_magic(source) and not Path(source).exists():
            found += sorted(globs.glob(source, recursive=True))
        else:
            found.append(source)
    if not found:
        raise InputError(f"{', '.join(sources)}: no file there; name logs, or folders of them")
    return [path for path in dict.fromkeys(found) if out is None or Path(path).absolute() != Path(out).absolute()]


def _reader(given: dict[str, Any], told: list[Any]) -> Callable[[str], Iterator[Reference]]:
    """What reads a source as the options say (those of `_as_logs`), and notes what became of its records."""
    from decontam import logs

    if given["benchmark"] is not None:
        from decontam import benchmarks

        benchmark = benchmarks.named(given["benchmark"], benchmarks.load(given["benchmarks"]))
        options_for: Callable[[str], logs.Options] = lambda path: benchmarks.options_for(benchmark, path)  # noqa: E731
    else:
        options = logs.Options(
            include=given["include"], shapes=_shapes(given["fields"], given["id_field"]), text=given["as_text"], formats=given["formats"]
        )
        options_for = lambda path: options  # noqa: E731

    def read(path: str) -> Iterator[Reference]:
        reading = logs.read(path, options_for(path))
        told.append(reading.report)
        yield from reading

    return read


def _shapes(fields: tuple[str, ...], id_field: str | None) -> Any:
    from decontam.logs.fields import Shape, Wanted

    parts = ("question", "answer", "choices", "passage", "prompt", "response", "text")
    wanted = []
    for field in fields:
        part: Any
        part, separator, path = field.partition("=")
        if not separator:
            part, path = "text", field
        if part not in parts:
            raise ConfigError(f"--field {field}: {part!r} is not a part; parts are {', '.join(parts)}")
        wanted.append(Wanted(part, (path,)))
    return (Shape(tuple(wanted), id_field),) if wanted else ()


def _texts(paths: tuple[str, ...], text_key: tuple[str, ...]) -> Iterator[str]:
    """All texts of shards."""
    from decontam.config import load_config
    from decontam.inputs import discover
    from decontam.layout import Unreadable, layout_of
    from decontam.shards import opened

    config = load_config(None, {"input": {"text_key": list(text_key)}} if text_key else None)
    layout = layout_of(config)
    for shard in discover(paths)[0]:
        with opened(shard.path, layout, shard.name, config.input.max_record_bytes) as content:
            for place in content.places(lambda position: True):
                record = content.read(place)
                if record is not None and not isinstance(record, Unreadable):
                    yield from (field.text for field in record.fields)


@command.command("build", no_args_is_help=True)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("-o", "--out", required=True, metavar="NAME.idx", help="The index. Findings are named after it.")
@_keyed
@click.option("--no-key", is_flag=True, help="Make an index in which anybody can look texts up: for benchmarks that are public.")
@_as_logs
@click.option("--background", multiple=True, metavar="SHARD", help="Texts of people: what they share with sources does not count.")
@click.option("--background-key", multiple=True, metavar="KEY", help="Where a record of the background keeps its text. [default: text]")
@click.option("--common", type=click.IntRange(1), default=2, show_default=True, help="In how many of its texts a phrase is common.")
@click.option("--memory", type=click.IntRange(16), default=256, show_default=True, metavar="MB", help="What sorting may take.")
@click.option("--overwrite", is_flag=True, help="Replace the index if it is there.")
def build(sources: tuple[str, ...], out: str, key_env: str | None, key_file: str | None, no_key: bool, background: tuple[str, ...],
          background_key: tuple[str, ...], common: int, memory: int, overwrite: bool, **reading: Any) -> None:  # fmt: skip
    """Index the texts of API logs or benchmarks: files, folders, globs or URLs, in any format that decontam knows.

    What the model wrote is indexed, unless --include or --field says otherwise. The order of sources does not matter.
    """
    from decontam import indexing
    from decontam.shingles import mix_of

    if Path(out).exists() and not overwrite:
        raise InputError(f"{out} is there already; use --overwrite to replace it, or add to it with decontam index merge")
    mix = mix_of(_key(key_env, key_file, no_key))
    reports: list[Any] = []
    read = _reader(reading, reports)
    about = indexing.build(
        out, _files(sources, out), read, mix, _texts(background, background_key) if background else None, common, memory * _MB
    )
    for report in reports:
        for line in report.lines():
            click.echo(printable(line), err=True)
    _tell(out, about)


def _tell(out: str, about: dict[str, Any]) -> None:
    counts, notes = about["counts"], about["notes"]
    size = Path(out).stat().st_size
    click.echo(
        f"{out}: {counts['references']:,} texts ({counts['copies']:,} copies) from {len(about['sources']):,} sources, "
        f"{counts['fingerprints']:,} fingerprints, {size / 1e6:,.1f} MB"
    )
    if notes.get("short"):
        click.echo(f"{notes['short']:,} texts were left out: they have fewer than {notes['least']} words that count", err=True)
    if counts["dropped"]:
        click.echo(f"{counts['dropped']:,} fingerprints do not count: the background has them too", err=True)


@command.command("info", no_args_is_help=True)
@click.argument("index")
@click.option("--json", "as_json", is_flag=True, help="The whole description, as JSON.")
def info(index: str, as_json: bool) -> None:
    """Say what an index holds: sources, times, providers, key, counts."""
    from decontam.indexes import opened

    found = opened(index)
    about = {name: value for name, value in found.about.items() if name != "sections"}
    if as_json:
        click.echo(json.dumps({"name": found.name, "digest": found.digest, **about}, ensure_ascii=False))
        return
    _tell(index, {**about})
    click.echo(f"digest {found.digest}, key {found.key or 'none'}")
    for part, provider, model in about["labels"]:
        click.echo(printable("  " + ", ".join(str(each) for each in (part, provider, model) if each)))
    for source in about["sources"]:
        times = f", {source['times'][0]} to {source['times'][1]}" if source["times"] else ""
        click.echo(printable(f"  {source['name']}: {source['rows']:,}{times}"))


@command.command("merge", no_args_is_help=True)
@click.argument("indexes", nargs=-1, required=True, metavar="INDEX...")
@click.option("-o", "--out", required=True, metavar="NAME.idx", help="The index of all; it may be one of them.")
@click.option("--memory", type=click.IntRange(16), default=256, show_default=True, metavar="MB", help="What sorting may take.")
def merge(indexes: tuple[str, ...], out: str, memory: int) -> None:
    """Put indexes of one key together, as if their sources had been indexed at once: add a day of logs to the others."""
    from decontam.indexes import verified
    from decontam.indexing import rewritten

    _tell(out, rewritten(out, [verified(path) for path in dict.fromkeys(indexes)], memory=memory * _MB))


@command.command("remove", no_args_is_help=True)
@click.argument("index")
@click.option("--source", "sources", multiple=True, metavar="NAME", help="All texts of this source; * and ? are allowed; repeatable.")
@click.option("--day", "days", multiple=True, metavar="DATE", help="All texts of this day, 2026-10-31; repeatable.")
@click.option("--before", metavar="DATE", help="All texts of days before this one.")
@click.option("--id", "ids", multiple=True, help="The texts with this id; repeatable.")
@click.option("--ids-from", metavar="FILE", help="The same for each line of FILE; - is stdin.")
@click.option("-o", "--out", metavar="NAME.idx", help="Where the index goes without them. [default: in its place]")
def remove(index: str, sources: tuple[str, ...], days: tuple[str, ...], before: str | None, ids: tuple[str, ...],
           ids_from: str | None, out: str | None) -> None:  # fmt: skip
    """Take texts out of an index: a source, a day, whatever is older, single records."""
    from decontam.indexes import verified
    from decontam.indexing import kept, rewritten

    if ids_from:
        with click.open_file(ids_from, encoding="utf-8") as lines:
            ids += tuple(line.strip() for line in lines if line.strip())
    if not (sources or days or before or ids):
        raise click.UsageError("--source, --day, --before or --id says what is to be taken out")
    found = verified(index)
    mask = kept(found, sources, days, before, ids)
    gone = int(len(mask) - mask.sum())
    if not gone:
        raise InputError(f"{index}: holds none of these; decontam index info --json names its sources and times")
    about = rewritten(out or index, [found], lambda _: mask)
    click.echo(f"{gone:,} texts were taken out")
    _tell(out or index, about)


@command.command("verify", no_args_is_help=True)
@click.argument("indexes", nargs=-1, required=True, metavar="INDEX...")
@_keyed
def verify(indexes: tuple[str, ...], key_env: str | None, key_file: str | None) -> None:
    """Read indexes from front to back and say whether they are what was built, and with the key that is named."""
    from decontam.indexes import broken, opened

    key = _key(key_env, key_file) if key_env or key_file else None
    for path in indexes:
        index = opened(path)
        if bad := broken(index):
            raise ArtefactError(f"{path}: is corrupt: {', '.join(bad)} changed since it was built; copy it again, or build it again")
        if key is not None and index.key != key.id:
            raise ArtefactError(
                f"{path}: was built with {f'the key {index.key}' if index.key else 'no key'}, the one that is named is {key.id}"
            )
        click.echo(f"{path}: whole, {index.digest}")


@command.command("inject", no_args_is_help=True)
@click.argument("index")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--into", "shards", multiple=True, required=True, metavar="SHARD", help="Your own texts; passages are planted in copies.")
@click.option("--text-key", multiple=True, help="Where a record of SHARD keeps its text.")
@click.option("--passages", "count", type=click.IntRange(1), default=200, show_default=True, metavar="N", help="How many are planted.")
@click.option("--words", default="20,50,100,200", show_default=True, metavar="N,...", help="How long they are; two characters are a word.")
@click.option(
    "--untouched", type=click.IntRange(0), default=20000, show_default=True, metavar="N", help="Texts that are tried as they are."
)
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--config", "config_name", metavar="FILE", help="A config whose thresholds count.")
@_keyed
@_as_logs
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each row.")
def inject(index: str, sources: tuple[str, ...], shards: tuple[str, ...], text_key: tuple[str, ...], count: int, words: str,
           untouched: int, seed: int, config_name: str | None, key_env: str | None, key_file: str | None, as_json: bool,
           **reading: Any) -> None:  # fmt: skip
    """Measure what is found again: plant passages of the SOURCEs of an index in copies of your own texts, changed in many ways.

    Prints, for each change and length, how many were found, how many of their texts would be taken out, and how often the
    right text was named; then how many of the untouched texts hold something. Nothing is written.
    """
    from decontam import planting
    from decontam.config import load_config
    from decontam.stages.known import Known

    lengths = _lengths(words)
    config = load_config(config_name)
    key = _key(key_env, key_file) if key_env or key_file else config.policy.key.read() if config.policy.key else None
    options = {**config.stages["known"].options, "indexes": [index]}
    stage = Known.load(options, None, key)
    assert stage is not None  # noqa: S101 - it has an index
    read = _reader(reading, [])
    references = (reference for path in _files(sources, None) for reference in read(path))
    texts = planting.drawn(_texts(shards, text_key), max(count, untouched), seed)
    planted = planting.planted(planting.drawn(references, 8 * count, seed), texts, lengths, count, seed)
    rows = planting.measured(stage, planted)
    clean = planting.untouched(stage, texts[:untouched])
    if as_json:
        for row in rows:
            click.echo(json.dumps(row._asdict()))
        click.echo(json.dumps(clean._asdict()))
    else:
        _show(rows, clean)


def _lengths(words: str) -> list[int]:
    try:
        lengths = [int(each) for each in words.split(",")]
    except ValueError:
        lengths = []
    if not lengths or min(lengths) < 1:
        raise ConfigError(f"--words {words}: name lengths like 20,50,100")
    return lengths


def _show(rows: list[Any], clean: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("change", "words", "passages", "found", "taken out", "right text", box=None)
    for row in rows:
        right = f"{row.right / row.found:.3f}" if row.found else "-"
        table.add_row(
            row.change, f"{row.words}", f"{row.passages:,}", f"{row.found / row.passages:.3f}", f"{row.out / row.passages:.3f}", right
        )
    console = Console(highlight=False, markup=False)
    console.print(table, width=max(console.width, 100))
    click.echo(f"untouched: {clean.texts:,} texts, {clean.found:,} with a finding, {clean.out:,} would be taken out")
    for name, size in clean.named:
        click.echo(printable(f"  {name}: {size}"), err=True)
    sys.stdout.flush()
