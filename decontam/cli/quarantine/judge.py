"""decontam quarantine judge: a verdict from the command line."""

from __future__ import annotations

import click

from decontam.cli.quarantine import verdicts_option
from decontam.errors import InputError


def _places(rows: tuple[str, ...], rows_from: str | None) -> list[tuple[str, int]]:
    said = list(rows)
    if rows_from is not None:
        with click.open_file(rows_from) as lines:
            said += [line.strip() for line in lines if line.strip()]
    places = []
    for each in said:
        shard, _, row = each.rpartition(":")
        if not shard or not row.isdecimal():
            raise InputError(f"{each!r} is no record; write SHARD:N, rows from 0")
        places.append((shard, int(row)))
    if not places:
        raise click.UsageError("name records with --row SHARD:N or --rows-from FILE")
    return places


@click.command("judge", no_args_is_help=True)
@click.argument("out")
@click.option("--row", "rows", multiple=True, metavar="SHARD:N", help="A quarantined record; repeatable.")
@click.option("--rows-from", metavar="FILE", help="Read more records from FILE, one a line; - is stdin.")
@click.option("--verdict", required=True, type=click.Choice(["confirm", "release", "unsure", "note", "undo"]))
@click.option("--reviewer", required=True, help="Who says so; a label.")
@click.option("--why", default="", help="Why.")
@verdicts_option
def command(out: str, rows: tuple[str, ...], rows_from: str | None, verdict: str, reviewer: str, why: str, verdicts: str | None) -> None:
    """Note what a reviewer says of quarantined records: all of them, or none where one is not in quarantine."""
    from decontam import finished
    from decontam.quarantine.ledger import verdicts_path
    from decontam.quarantine.releasing import judged
    from decontam.quarantine.verdicts import Verdicts

    places = _places(rows, rows_from)
    if not reviewer.strip():
        raise click.UsageError("--reviewer: a verdict needs the name of who gave it")
    run = finished.opened(out)
    with Verdicts(verdicts_path(run, verdicts)) as log:
        events = judged(run, log, places, verdict, reviewer, why)
    click.echo(f"{len(events):,} records: {verdict} by {reviewer}")
