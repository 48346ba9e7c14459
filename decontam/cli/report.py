"""decontam report: what runs have found and taken out."""

from __future__ import annotations

import json
import sys

import click

from decontam.errors import InputError, printable
from decontam.files import is_remote

_NAME = "report.html"


@click.command("report", no_args_is_help=True)
@click.argument("outs", nargs=-1, required=True, metavar="OUT...")
@click.option("--compare", is_flag=True, help="Show how the second of two runs differs from the first.")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.option("--html", metavar="FILE", help="Where the page goes. [default: report.html in the last OUT]")
@click.option("--no-html", is_flag=True, help="Write no page.")
def command(outs: tuple[str, ...], compare: bool, as_json: bool, html: str | None, no_html: bool) -> None:
    """Tell what the runs in OUT... have found, where, and what it cost; several are added up.

    Nothing is screened again: tallies and findings hold it all. The page is one file that opens offline.
    """
    from decontam.figures.gather import gathered
    from decontam.figures.page import html as page
    from decontam.figures.terminal import notes, tables
    from decontam.places import Place

    if compare and len(outs) != 2:
        raise click.UsageError("--compare takes two runs: the earlier one and the later one")
    before = gathered(outs[:1]) if compare else None
    now = gathered(outs[1:] if compare else outs)
    if as_json:
        told = {"before": before, "now": now} if compare else now
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        from rich.console import Console

        console = Console(highlight=False)
        for table in tables(now, before):
            console.print(table, width=max(console.width, 120))
            console.print()
    for note in notes(now):
        click.echo(printable(note), err=True)
    if not no_html:
        to = html or f"{outs[-1].rstrip('/')}/{_NAME}"
        folder, _, name = to.rpartition("/")
        try:
            with Place(folder or ("/" if to.startswith("/") else ".")).publishing(name) as file:
                file.write(page(now, before).encode("utf-8", "replace"))
        except OSError as error:
            raise InputError(f"--html {to}: {error.strerror or error}") from None
        click.echo(to if is_remote(to) else printable(to), err=True)
    sys.exit(0 if now["balanced"] else 3)
