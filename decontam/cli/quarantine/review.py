"""decontam quarantine serve, dump, import: look at what was taken out, judge it, hand it to others, take their verdicts."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from decontam import manifest
from decontam.errors import InputError, printable
from decontam.files import is_remote

if TYPE_CHECKING:
    from decontam.places import Place
    from decontam.quarantine.index import Index
    from decontam.quarantine.sample import Drawn

_STRATA = ("rule", "stage", "provider", "source")
_FORMATS = ("html", "jsonl", "csv", "argilla", "label-studio")


@click.group("quarantine")
def command() -> None:
    """Look at what a run has taken out, judge it, hand it to others."""


def log_of(out: str, verdicts: str | None) -> str:
    """Where the log of verdicts on a run is. Raises InputError where a run far away has none of its own."""
    from decontam.quarantine.verdicts import NAME

    if verdicts is not None:
        return verdicts
    if is_remote(out):
        raise InputError(f"{out}: name a file of this machine for the verdicts with --verdicts")
    return str(Path(out, NAME))


def _drawn(index: Index, most: int | None, by: str, seed: int) -> list[Drawn] | None:
    from decontam.quarantine.sample import sample

    return None if most is None else sample(index, most, by, seed)


_sample = click.option("--sample", "most", type=click.IntRange(1), metavar="N", help="At most N records, drawn at random from strata.")
_by = click.option("--by", type=click.Choice(_STRATA), default="rule", show_default=True, help="What the strata of the sample are.")
_seed = click.option("--seed", type=int, default=0, show_default=True, help="The same seed draws the same records.")
_reviewer = click.option("--reviewer", metavar="NAME", help="Who judges. [default: who is logged in]")
_verdicts = click.option("--verdicts", metavar="FILE", help="The log of verdicts. [default: OUT/review/verdicts.sqlite]")


@command.command("serve")
@click.argument("out")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="[default: one that is free]")
@_sample
@_by
@_seed
@_reviewer
@_verdicts
def serve(out: str, port: int, most: int | None, by: str, seed: int, reviewer: str | None, verdicts: str | None) -> None:
    """Open a page on this machine to look at the quarantine of OUT and judge its records.

    Only who has the printed address gets in. Credentials are covered until they are asked for, and that is logged.
    """
    from decontam.quarantine.index import Index
    from decontam.quarantine.review import Review
    from decontam.quarantine.server import HOST, listening
    from decontam.quarantine.server import serve as answer
    from decontam.quarantine.verdicts import Verdicts

    index = Index(out)
    if not index.shards:
        raise InputError(f"{out}: its quarantine is empty")
    sock = listening(port)
    with Verdicts(log_of(out, verdicts)) as log:
        drawn = _drawn(index.build(), most, by, seed) if most else None
        review = Review(index, log, reviewer or manifest.operator(), drawn)
        threading.Thread(target=review.prepare, daemon=True).start()
        token = secrets.token_urlsafe(24)
        click.echo(f"http://{HOST}:{sock.getsockname()[1]}/?token={token}")
        click.echo("Only this machine and this address; stop with Ctrl-C.", err=True)
        answer(review, sock, token)


@command.command("dump")
@click.argument("out")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="html", show_default=True)
@click.option("--to", required=True, metavar="FILE", help="Where it goes: a new file; a new folder for argilla and label-studio.")
@_sample
@_by
@_seed
def dump(out: str, form: str, to: str, most: int | None, by: str, seed: int) -> None:
    """Write records of the quarantine of OUT for people who judge them elsewhere. Credentials are covered.

    With --sample each record says with which probability it was drawn, so that verdicts on the sample say something of all.
    """
    from decontam.quarantine import dump as dumps
    from decontam.quarantine.index import Index
    from decontam.quarantine.page import page
    from decontam.quarantine.records import Records
    from decontam.quarantine.sample import everything

    index = Index(out).build()
    drawn: Sequence[Drawn] = _drawn(index, most, by, seed) or everything(index)
    if not drawn:
        raise InputError(f"{out}: its quarantine is empty")
    given = dumps.entries(index, Records(index.folder, index.manifest), drawn)
    place, name = _new(to)
    if form in dumps.FOLDERS:
        for file, content in dumps.FOLDERS[form](given).items():
            with place.publishing(f"{name}/{file}", private=True) as sink:
                sink.write(dumps.encoded(content))
    else:
        with place.publishing(name, private=True) as sink:
            if form == "html":
                dumps.into(lambda entries, text: page(entries, text, len(drawn), index.count, index.manifest), given, sink)  # type: ignore[arg-type]
            else:
                dumps.into(dumps.LINES[form], given, sink)  # type: ignore[arg-type]
    click.echo(f"{len(drawn):,} of {index.count:,} records -> {printable(to)}")


def _new(to: str) -> tuple[Place, str]:
    """The place and the name of what is written. Raises InputError where it is there already."""
    from decontam.places import Place

    folder, _, name = to.rstrip("/").rpartition("/")
    place = Place(folder or ("." if not to.startswith("/") else "/"))
    if place.exists(name):
        raise InputError(f"--to {to} is there already; choose another name")
    return place, name


@command.command("import")
@click.argument("out")
@click.argument("file", type=click.Path(exists=True))
@click.option("--reviewer", required=True, metavar="NAME", help="Who judged.")
@_verdicts
def import_(out: str, file: str, reviewer: str, verdicts: str | None) -> None:
    """Take the verdicts of a dump that was judged: filled-in jsonl or csv, exports of Argilla and Label Studio.

    All of FILE counts or nothing of it; what was imported before does not count twice.
    """
    from decontam.quarantine.imports import read, take
    from decontam.quarantine.index import Index
    from decontam.quarantine.verdicts import Verdicts

    events, blank = read(file, reviewer)
    index = Index(out).build()
    with Verdicts(log_of(out, verdicts)) as log:
        done = take(index, log, events)
    click.echo(f"{done.added:,} verdicts added, {done.known:,} known before, {blank:,} entries without one")
    if done.late:
        click.echo(f"{done.late:,} verdicts came too late: their records were released or have expired", err=True)
