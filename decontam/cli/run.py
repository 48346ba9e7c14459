"""decontam run: screen shards."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import click

from decontam.config import Config
from decontam.errors import printable
from decontam.files import is_remote
from decontam.run import Job, run
from decontam.tally import OUTCOMES, Tally
from decontam.workers import Progress, Watch

_SKIPS_SHOWN = 10


def _log(log_format: str, event: str, **values: Any) -> None:
    """A line about the run on stderr: a JSON object, or words."""
    if log_format == "json":
        click.echo(json.dumps({"event": event, **values}, ensure_ascii=False), err=True)
    else:
        click.echo(printable(str(values.get("message") or event)), err=True)


def _overrides(given: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The options that were given on the command line, as a config."""
    return {group: {key: value for key, value in options.items() if value is not None} for group, options in given.items()}


@contextmanager
def _bar(total_bytes: int) -> Any:
    """A live progress bar: docs/s, MB/s, outcomes, time left."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    running: dict[str, Progress] = {}
    finished, read = Tally(), 0
    started = time.perf_counter()
    columns = BarColumn(), TextColumn("{task.percentage:3.0f}%"), TextColumn("{task.fields[said]}"), TimeRemainingColumn()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total_bytes or None, said="starting")

        def watch(progress: Progress) -> None:
            nonlocal finished, read
            if progress.done:
                running.pop(progress.shard, None)
                finished, read = finished + progress.tally, read + progress.size
            else:
                running[progress.shard] = progress
            tally = sum((now.tally for now in running.values()), finished)
            passed = time.perf_counter() - started
            counts = ", ".join(f"{name} {tally.outcomes[name]:,}" for name in OUTCOMES if tally.outcomes[name])
            said = f"{tally.records / passed:,.0f} docs/s  {tally.bytes / passed / 1e6:,.1f} MB/s  {counts}"
            bar.update(task, completed=read + sum(now.size for now in running.values()), said=said)

        yield watch


@contextmanager
def _lines(log_format: str) -> Any:
    def watch(progress: Progress) -> None:
        if progress.done:
            _log(log_format, "shard", shard=progress.shard, records=progress.tally.records, outcomes=dict(progress.tally.outcomes))

    yield watch if log_format == "json" else lambda progress: None


@click.command("run", no_args_is_help=True)
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option("--out", metavar="DIR", help="Where the output goes: a folder or a URL.")
@click.option("--quarantine", metavar="DIR", help="Another place for the records taken out: a folder or a URL.")
@click.option("--since", metavar="DIR", help="Screen what the run in DIR kept, for new and changed rules alone; there is no INPUT then.")
@click.option("--files-from", metavar="FILE", help="Read more inputs from FILE, one a line; - is stdin.")
@click.option("--config", "config_name", metavar="FILE", help="A YAML file, or the name of a config that comes with decontam.")
@click.option("--index", "indexes", multiple=True, metavar="FILE", help="Look for the texts of this index, too; repeatable.")
@click.option("--key-env", metavar="NAME", help="The environment variable that holds the key of indexes and pseudonyms.")
@click.option("--key-file", metavar="FILE", help="The file that holds it.")
@click.option("--workers", type=click.IntRange(0), help="Worker processes; 0 runs in this one. [default: one per core]")
@click.option("--text-key", multiple=True, help="Where a record keeps its text: a key or a path (messages[*].content); repeatable.")
@click.option("--id-key", help="The key that holds the id of a record.")
@click.option("--screen", type=click.Choice(["text", "all-strings"]), help="What to screen: the text keys, or every string.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Screen only the first N records of each shard.")
@click.option("--dry-run", is_flag=True, help="Screen, and write nothing.")
@click.option("--overwrite", is_flag=True, help="Replace what an earlier run left in DIR.")
@click.option("--kept", type=click.Choice(["all", "changed", "none"]), help="What to write of the records that are kept.")
@click.option("--zstd-level", type=click.IntRange(1, 19), help="For kept shards that end in .zst.")
@click.option("--max-error-rate", type=click.FloatRange(0, 1), help="A shard with a larger share of unreadable records fails.")
@click.option("--sign-key", metavar="FILE", help="Sign the run digest with the Ed25519 key in this PEM file.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(inputs: tuple[str, ...], out: str | None, quarantine: str | None, since: str | None, files_from: str | None,
            config_name: str | None, indexes: tuple[str, ...], key_env: str | None, key_file: str | None, workers: int | None,
            text_key: tuple[str, ...], id_key: str | None, screen: str | None, limit: int | None,
            dry_run: bool, overwrite: bool, kept: str | None,
            zstd_level: int | None, max_error_rate: float | None, sign_key: str | None, log_format: str) -> None:  # fmt: skip
    """Screen shards of JSON lines: files, folders, globs or URLs.

    DIR gets kept/, quarantine/, findings/ and errors/ with a file for each shard that has something to say, and
    manifest.json, report.json, metrics.prom. Run the same command again to finish what was interrupted.
    """
    from decontam.config import expired, with_indexes
    from decontam.inputs import discover, listed
    from decontam.report import summary

    if out is None and not dry_run:
        raise click.UsageError("--out DIR says where the output goes; --dry-run screens without writing")
    if since is not None and (inputs or files_from):
        raise click.UsageError("--since DIR says what is screened: what that run kept; name no other inputs")
    config = _config(
        since if config_name is None else None,
        config_name,
        _overrides(
            {
                "input": {"text_key": list(text_key) or None, "id_key": id_key, "screen": screen, "max_error_rate": max_error_rate},
                "output": {"kept": kept, "zstd_level": zstd_level, "quarantine": _placed(quarantine)},
            }
        ),
    )
    config = with_indexes(config, indexes, key_env, key_file)
    if files_from:
        with click.open_file(files_from) as lines:
            inputs += tuple(listed(lines))
    if since is not None:
        if _other_code(since):
            _log(
                log_format,
                "since",
                message=f"{since}: that run had other code; unchanged rules are taken to judge as they did",
            )
        inputs = (f"{since.rstrip('/')}/kept",)
    shards, skipped = discover(inputs, out, config.output.quarantine)
    for skip in skipped if log_format == "json" else skipped[:_SKIPS_SHOWN]:
        _log(log_format, "skipped", path=skip.path, why=skip.why, message=f"skipped {skip.path}: {skip.why}")
    if len(skipped) > _SKIPS_SHOWN and log_format == "text":
        _log(log_format, "skipped", message=f"and {len(skipped) - _SKIPS_SHOWN:,} more files; manifest.json names them all")
    for message in expired(config, date.today()):
        _log(log_format, "expired", message=message)
    job = Job(
        config=config,
        shards=shards,
        skipped=skipped,
        out=None if dry_run else out,
        workers=_cores() if workers is None else workers,
        limit=limit,
        overwrite=overwrite,
        command=tuple(map(printable, sys.argv)),
        sign_key=sign_key,
        since=since,
    )
    shows_bar = log_format == "text" and sys.stderr.isatty()
    watching: AbstractContextManager[Watch] = _bar(sum(shard.size for shard in shards)) if shows_bar else _lines(log_format)
    with watching as watch:
        report = run(job, watch)
    _end(report, job, log_format, summary(report))
    sys.exit(1 if report["problems"] else 0)


def _config(since: str | None, name: str | None, overrides: Mapping[str, Any]) -> Config:
    """The config of that name, or that of an earlier run, whose quarantine is its own."""
    from decontam.config import check, load_config, merged

    if since is None:
        return load_config(name, overrides)
    from decontam.finished import opened

    had = opened(since).config.to_dict()
    return check(merged({**had, "output": {**had["output"], "quarantine": None}}, dict(overrides)))


def _other_code(since: str) -> bool:
    from decontam.finished import opened
    from decontam.manifest import code

    return bool(opened(since).about.get("code") != code())


def _placed(quarantine: str | None) -> str | None:
    """The same place for whoever reads the config later, in another folder."""
    return quarantine if quarantine is None or is_remote(quarantine) else str(Path(quarantine).absolute())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _end(report: Mapping[str, Any], job: Job, log_format: str, summary: str) -> None:
    if log_format == "json":
        _log("json", "done", out=job.out, quarantine=job.config.output.quarantine, **report)
        return
    if report["tally"]["stages"]:
        from rich.console import Console

        from decontam.report import table

        console = Console()
        console.print(table(report), width=max(console.width, 100))
        click.echo()
    for shard, problem in report["problems"].items():
        click.echo(printable(f"failed: {shard}: {problem}"), err=True)
    if report["unscreened"]:
        click.echo(f"not screened: {printable(_some(report['unscreened']))} (--screen all-strings screens everything)")
    for shard, columns in list(report["reencoded"].items())[:_SKIPS_SHOWN]:
        click.echo(printable(f"written otherwise than it was: {shard}: {_some(columns)}"))
    if report.get("resumed"):
        click.echo(f"{report['resumed']} of {report['shards']['done']} shards were finished before")
    where = "nothing was written (--dry-run)"
    if job.out:
        elsewhere = job.config.output.quarantine
        where = f"{job.out}/ (kept, {'' if elsewhere else 'quarantine, '}findings, report.json)"
        where += f", {elsewhere}/ (quarantine)" if elsewhere else ""
    click.echo(f"{summary} -> {where}")
    if "proof" in report:
        click.echo(f"run digest {report['proof']}; note it elsewhere, and ask decontam verify later")
