"""decontam scan: say what would be found, where and why, and write nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import click
import orjson

from decontam.chain import Chain
from decontam.errors import printable
from decontam.evidence import verdict_row
from decontam.files import is_remote
from decontam.layout import Layout, Unreadable, layout_of
from decontam.shards import is_shard, opened
from decontam.types import Action, Field, Record, Verdict

_CONTEXT = 60  # characters around a match that are shown


def _records_of(lines: Iterator[bytes], name: str, layout: Layout) -> Iterator[tuple[str, Record | Unreadable]]:
    for row, line in enumerate(lines):
        if line and not line.isspace():
            yield f"{name}:{row}", layout.read(line, name, row)


def _is_jsonl(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"


def _of_stdin(stream: IO[bytes], layout: Layout, as_text: bool) -> Iterator[tuple[str, Record | Unreadable]]:
    first = stream.readline()
    if _is_jsonl(first) and not as_text:

        def lines() -> Iterator[bytes]:
            yield first.rstrip(b"\n")
            for line in stream:
                yield line.rstrip(b"\n")

        yield from _records_of(lines(), "-", layout)
    else:
        text = (first + stream.read()).decode("utf-8", "replace")
        yield "-", Record("-", (Field("text", text),), {"source": "-"})


def _of_path(path: str, layout: Layout, as_text: bool, most: int) -> Iterator[tuple[str, Record | Unreadable]]:
    from decontam.inputs import discover

    if not is_remote(path) and Path(path).is_file() and (as_text or not is_shard(path)):
        text = Path(path).read_bytes().decode("utf-8", "replace")
        yield path, Record(path, (Field("text", text),), {"source": path})
        return
    for shard in discover([path])[0]:
        with opened(shard.path, layout, shard.name, most) as content:
            for place in content.places(lambda position: True):
                record = content.read(place)
                if record is not None:
                    yield f"{shard.name}:{place.row}", record


@click.command("scan")
@click.argument("path", default="-")
@click.option("--config", "config_name", metavar="FILE", help="A YAML file, or the name of a config that comes with decontam.")
@click.option("--index", "indexes", multiple=True, metavar="FILE", help="Look for the texts of this index, too; repeatable.")
@click.option("--key-env", metavar="NAME", help="The environment variable that holds the key of indexes.")
@click.option("--key-file", metavar="FILE", help="The file that holds it.")
@click.option("--text-key", multiple=True, help="Where a record keeps its text: a key or a path (messages[*].content); repeatable.")
@click.option("--id-key", help="The key that holds the id of a record.")
@click.option("--text", "as_text", is_flag=True, help="Take the input as one text, whatever its name or content.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each record, in input order.")
@click.option("--all", "show_all", is_flag=True, help="Show records without findings too.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if any record would not be kept as it is.")
def command(path: str, config_name: str | None, indexes: tuple[str, ...], key_env: str | None, key_file: str | None,
            text_key: tuple[str, ...], id_key: str | None, as_text: bool,
            as_json: bool, show_all: bool, exit_code: bool) -> None:  # fmt: skip
    """Explain what would be found in PATH (a text, a shard, a folder of shards; - is stdin), without writing anything."""
    from decontam.config import chain_of, load_config, rules_of, with_indexes

    keys = {"text_key": list(text_key) or None, "id_key": id_key}
    config = load_config(config_name, {"input": {key: value for key, value in keys.items() if value is not None}})
    config = with_indexes(config, indexes, key_env, key_file)
    layout = layout_of(config)
    chain = chain_of(config)
    most = config.input.max_record_bytes
    records = _of_stdin(sys.stdin.buffer, layout, as_text) if path == "-" else _of_path(path, layout, as_text, most)
    worst = _json(records, chain) if as_json else _words(records, chain, {rule.name: rule for rule in rules_of(config)}, show_all)
    sys.exit(1 if exit_code and worst > Action.KEEP else 0)


def _json(records: Iterator[tuple[str, Record | Unreadable]], chain: Chain) -> Action:
    worst = Action.KEEP
    for place, record in records:
        if isinstance(record, Unreadable):
            row: dict[str, Any] = {"schema": 1, "id": place, "action": None, "findings": [], "scores": {},
                                   "error": {"reason": record.reason, "message": record.message}}  # fmt: skip
        else:
            verdict = chain.screen(record)
            worst = max(worst, verdict.action)
            row = verdict_row(record.id, verdict)
        sys.stdout.buffer.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
    return worst


def _words(records: Iterator[tuple[str, Record | Unreadable]], chain: Chain, rules: dict[str, Any], show_all: bool) -> Action:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    worst, screened, shown = Action.KEEP, 0, 0
    for place, record in records:
        screened += 1
        if isinstance(record, Unreadable):
            console.print(Text.assemble((place, "bold"), "  ", (f"unreadable: {record.message}", "red")))
            continue
        verdict = chain.screen(record)
        worst = max(worst, verdict.action)
        if verdict.findings or show_all:
            shown += 1
            _show(console, record, verdict, rules)
            if show_all:
                told = [*(f"{stage} {score:.4f}" for stage, score in verdict.scores.items()), *verdict.remarks]
                console.print(Text(f"    {', '.join(told)}", "dim") if told else "")
    console.print(f"{screened:,} records, {shown:,} shown" if show_all else f"{screened:,} records, {shown:,} with findings")
    return worst


def _show(console: Any, record: Record, verdict: Verdict, rules: dict[str, Any]) -> None:
    from rich.text import Text

    console.print(Text.assemble((record.id, "bold"), "  ", (verdict.action.name.lower(), "bold yellow")))
    texts = {field.path: field.text for field in record.fields}
    for finding in verdict.findings:
        rule = rules.get(finding.name)
        who = f" {finding.provider}" if finding.provider else ""
        console.print(Text.assemble("  ", (finding.name, "cyan"), f"  {finding.kind}{who}, {finding.strength.name.lower()}"))
        text, (start, end) = texts[finding.field], finding.span
        before = text[max(0, start - _CONTEXT) : start].replace("\n", " ")
        after = text[end : end + _CONTEXT].replace("\n", " ")
        found = text[start:end] if end - start <= 4 * _CONTEXT else f"{text[start : start + 2 * _CONTEXT]} ... {text[end - _CONTEXT : end]}"
        console.print(Text.assemble("    ", before, ("⟦" + found.replace("\n", " ") + "⟧", "bold red"), after))
        if "weighed" in finding.detail:
            heaviest = [f"⟦{' '.join(text[at:to].split())}⟧ {weight:+.3f}" for at, to, weight in finding.detail["weighed"]]
            console.print(Text(f"    weighed most: {', '.join(heaviest)}"))
        if "of_known" in finding.detail:
            _show_known(console, finding.detail)
        if rule is not None:
            console.print(Text(f"    why: {rule.why}", "dim"))
            console.print(Text(f"    source: {rule.source}", "dim"))
        if "settled" in finding.detail:
            console.print(Text(f"    settled: {finding.detail['settled']}", "dim"))


def _show_known(console: Any, detail: Mapping[str, Any]) -> None:
    """The other side of a known text: which record it is and, where its source is at hand, what it says there."""
    from rich.text import Text

    where = f"bytes {detail['start']:,} to {detail['end']:,} of {detail['source']}" if detail["end"] else detail["source"]
    about = ", ".join(str(detail[name]) for name in ("part", "model", "time") if name in detail)
    console.print(Text(printable(f"    known: {detail['id']} ({about}), {where}"), "dim"))
    console.print(Text(f"    {detail['of_known']:.0%} of it, {detail['of_text']:.0%} of this text, {detail['words']} words", "dim"))
    text = _text_of(detail["source"], detail["id"], detail["start"])
    if text is not None:
        start, end = _characters(text, *detail["units"])
        shown = text[start:end] if end - start <= 4 * _CONTEXT else f"{text[start : start + 2 * _CONTEXT]} ... {text[end - _CONTEXT : end]}"
        before, after = text[max(0, start - _CONTEXT) : start], text[end : end + _CONTEXT]
        flat = [part.replace("\n", " ") for part in (before, shown, after)]
        console.print(Text.assemble("    ", flat[0], (f"⟦{flat[1]}⟧", "bold green"), flat[2]))


@lru_cache(maxsize=64)
def _text_of(source: str, id: str, start: int) -> str | None:
    """The text of a reference, read from its source again; None where that is not at hand or is no log."""
    from decontam import logs
    from decontam.errors import DecontamError

    if is_remote(source) or not Path(source).is_file():
        return None
    with suppress(DecontamError):
        for reference in logs.read(source, logs.Options(include="all")):
            if (reference.id, reference.start) == (id, start):
                return str(reference.text)
    return None


def _characters(text: str, first: int, last: int) -> tuple[int, int]:
    """Where the units from `first` to `last` of a text stand in it."""
    from decontam.shingles import whole_units
    from decontam.view import character_offsets, encode

    data = encode(text)
    read, units = whole_units(data)
    last = min(last, len(units.places))
    if first >= last:
        return 0, len(text)
    start, end = int(read.starts[units.places[first]]), int(read.ends[units.places[last - 1]])
    at = character_offsets(data, (start, end))
    return at[start], at[end]
