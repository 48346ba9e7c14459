"""decontam quarantine precision: how often each rule was right."""

from __future__ import annotations

import json

import click

from decontam.cli.quarantine import json_option, verdicts_option
from decontam.errors import printable


@click.command("precision", no_args_is_help=True)
@click.argument("out")
@verdicts_option
@json_option
def command(out: str, verdicts: str | None, as_json: bool) -> None:
    """Estimate from verdicts how much of what each rule took out of OUT was rightly taken, with 95 % intervals.

    Records of samples (quarantine serve and dump, --sample) stand for all; records that were judged otherwise are counted apart.
    """
    from decontam import finished
    from decontam.quarantine.ledger import verdicts_path
    from decontam.quarantine.teach import precision
    from decontam.quarantine.verdicts import Verdicts

    run = finished.opened(out)
    with Verdicts(verdicts_path(run, verdicts)) as log:
        rules = precision(run, log)
    if as_json:
        click.echo(json.dumps({"schema": 1, "rules": [each._asdict() for each in rules]}, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("rule", "records", "judged", "confirmed", "released", "unsure", "precision", "effective n", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for each in rules:
        said = "not judged" if each.rate is None else f"{each.rate:.1%} [{each.low:.1%}, {each.high:.1%}]"
        counts = (each.records, each.judged, each.confirmed, each.released, each.unsure)
        table.add_row(printable(each.rule), *(f"{count:,}" for count in counts), said, f"{each.effective:.1f}")
    console = Console(highlight=False, markup=False)
    console.print(table, width=max(console.width, 120))
    if apart := sum(each.apart for each in rules):
        click.echo(f"{apart:,} verdicts are on records that were in no sample and say nothing of the others", err=True)
