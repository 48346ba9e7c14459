"""decontam quarantine simulate: what another config would have made of a run."""

from __future__ import annotations

import json
from typing import Any

import click

from decontam.cli.quarantine import json_option
from decontam.errors import printable

_SHOWN = 10


@click.command("simulate", no_args_is_help=True)
@click.argument("out")
@click.option(
    "--config",
    "config_name",
    required=True,
    metavar="FILE",
    help="The other config: a YAML file, or the name of one that comes with decontam.",
)
@click.option("--records", metavar="FILE", help="Write a JSON line for each record that would fare otherwise; - is stdout.")
@json_option
def command(out: str, config_name: str, records: str | None, as_json: bool) -> None:
    """Decide again about what was found in OUT, with another config, and print what would be won and lost in each folder of shards.

    Nothing is screened again, and nothing is changed. Rules that did not run are named, not simulated: run --since runs them.
    """
    from decontam import finished
    from decontam.config import load_config
    from decontam.quarantine.simulating import simulate

    run, config = finished.opened(out), load_config(config_name)
    if records is None:
        told = simulate(run, config).told()
    else:
        with click.open_file(records, "w", encoding="utf-8") as lines:
            told = simulate(run, config, lambda moved: lines.write(json.dumps(moved._asdict(), ensure_ascii=False) + "\n")).told()
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False), err=records == "-")
    else:
        _show(told, records == "-")


def _show(told: dict[str, Any], to_stderr: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from decontam.quarantine.simulating import UNDECIDED

    console = Console(stderr=to_stderr, highlight=False, markup=False)
    if told["sources"]:
        table = Table("source", *("documents", "tokens (about)", "bytes") * 2, box=None, pad_edge=False)
        for column in table.columns[1:]:
            column.justify = "right"
        for source, sums in told["sources"].items():
            cells = [
                f"{sign}{sums[way][what]:,}" for sign, way in (("+", "won"), ("-", "lost")) for what in ("documents", "tokens", "bytes")
            ]
            table.add_row(printable(source), *cells)
        console.print(table, width=max(console.width, 100))
    for change in told["changes"]:
        console.print(f"{change['records']:,} {change['from']} -> {change['to']}")
    for why, count in told["undecided"].items():
        console.print(f"{count:,} records are not sure: {UNDECIDED[why]}")
    if told["unmeasured"]:
        console.print(f"{told['unmeasured']:,} records won or lost have no size written down")
    if told["rules_not_run"]:
        rules = told["rules_not_run"]
        some = ", ".join(rules[:_SHOWN]) + (f" and {len(rules) - _SHOWN:,} more" if len(rules) > _SHOWN else "")
        console.print(f"{len(rules):,} rules did not run and are not simulated: {some}")
    if told["other_input"]:
        console.print("this config screens other texts of a record, which is not simulated")
    if told["other_stages"]:
        console.print(f"not simulated, since they were off or had other options: {', '.join(told['other_stages'])}")
    changed = sum(change["records"] for change in told["changes"])
    console.print(f"{told['records']:,} records with findings decided again, {changed:,} would fare otherwise")
