"""decontam why: what became of one record."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from decontam.errors import printable


@click.command("why", no_args_is_help=True)
@click.argument("out")
@click.argument("id", required=False)
@click.option("--row", metavar="SHARD:N", help="The record in that row of an input, counted from 0.")
@click.option("--search", is_flag=True, help="Read kept shards for ID too: nothing else knows records in which nothing was found.")
@click.option("--verdicts", metavar="FILE", help="The log of verdicts, where it does not lie in OUT.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each record.")
def command(out: str, id: str | None, row: str | None, search: bool, verdicts: str | None, as_json: bool) -> None:
    """Say what became of the record ID of the run OUT, or of one row: kept, redacted, quarantined, released; by which rules and whose word.

    Exits with 1 where nothing is known of it.
    """
    from decontam import finished
    from decontam.audit import why
    from decontam.quarantine.ledger import log_of

    if (id is None) == (row is None):
        raise click.UsageError("name a record by its ID or with --row SHARD:N")
    run = finished.opened(out)
    with log_of(run, verdicts) as log:
        answers = [why.of_row(run, row, log)] if row is not None else why.of_id(run, str(id), log, search)
    for answer in answers:
        if as_json:
            click.echo(json.dumps(answer, ensure_ascii=False))
        else:
            _show(answer)
    if not answers:
        hint = "" if search else "; if the run had it, nothing was found in it: --search looks in what was kept"
        click.echo(printable(f"no findings in a record {id!r}{hint}"), err=True)
    sys.exit(0 if answers else 1)


def _show(answer: dict[str, Any]) -> None:
    from decontam.config import load_config, rules_of

    whys = {(rule.name, rule.revision): rule.why for rule in rules_of(load_config())} if answer["findings"] else {}
    named = f" (id {answer['id']})" if answer["id"] else ""
    state = f", {answer['state']}" if answer["state"] else ""
    click.echo(printable(f"{answer['shard']}:{answer['row']}{named}: {answer['outcome']}{state}"))
    if error := answer.get("error"):
        click.echo(printable(f"  {error['reason']}: {error['message']}"))
    for finding in answer["findings"]:
        provider = f" {finding['provider']}" if finding["provider"] else ""
        place = f"{finding['field']} {finding['start']}-{finding['end']}"
        click.echo(printable(f"  {finding['rule']}@{finding['revision']}  {finding['kind']}{provider}, {finding['strength']}, {place}"))
        if why := whys.get((finding["rule"], finding["revision"])):
            click.echo(printable(f"    why: {why}"))
        if finding["settled"]:
            click.echo(printable(f"    settled: {finding['settled']}"))
    for event in answer["events"]:
        because = f": {event['why']}" if event["why"] else ""
        click.echo(printable(f"  {event['at']} {event['reviewer']}: {event['verdict']}{because}"))
    if answer["released_to"]:
        click.echo(printable(f"  given back in {answer['released_to']}"))
    run = answer["run"]
    click.echo(printable(f"  by the run {run['out']}, ended {run['ended']}, by {run['by']}, decontam {run['decontam']}"))
