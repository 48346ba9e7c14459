"""decontam sites: which sites of a run a language model wrote, and how much of them."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from decontam.errors import InputError, printable

_SHOWN = 40
_WRITERS = (".csv", ".jsonl", ".parquet", ".txt")


@click.command("sites", no_args_is_help=True)
@click.argument("outs", nargs=-1, required=True, metavar="OUT...")
@click.option("--fpr", type=float, default=0.002, show_default=True, help="Share of sites that people wrote which may be found.")
@click.option(
    "--min-share", type=click.FloatRange(0, 1), default=0.0, help="Name only sites of which a model wrote at least so much, surely."
)
@click.option(
    "--write",
    "places",
    multiple=True,
    metavar="FILE",
    help="Write all sites to FILE.csv, .jsonl or .parquet; the names alone of those found, for policy.sites.block, to .txt. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each site on stdout.")
def command(outs: tuple[str, ...], fpr: float, min_share: float, places: tuple[str, ...], as_json: bool) -> None:  # fmt: skip
    """Add up the pages of one run or many by site, and say which share of each a language model wrote.

    Runs count pages by site where records have a URL (input.url_key) and the synthetic stage is on. A site is the registrable
    domain. `share` comes with the ends of its 95 % interval. The decision is `model` where there is more evidence than --fpr of the
    sites that people write show, `not shown`, `too few` pages with a score, or `not known`: its languages have no reference.
    """
    from decontam.census import as_row, opened, reference_for, surveyed
    from decontam.sites import rates_of

    for place in places:
        if Path(place).suffix not in _WRITERS:
            raise InputError(f"--write {place}: the name ends in one of {', '.join(_WRITERS)}")
    runs = opened(outs)
    reference = reference_for(runs)
    if fpr not in rates_of(reference):
        raise InputError(f"--fpr {fpr:g}: is one of {', '.join(f'{rate:g}' for rate in rates_of(reference))}")
    rows = [as_row(site) for site in surveyed(runs, reference, fpr)]
    for row in rows:
        row["found"] = row["decision"] == "model" and (row["low"] or 0.0) >= min_share
    for place in places:
        _write(Path(place), rows)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    else:
        _show(rows, fpr)


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    if path.suffix == ".txt":
        content = "".join(f"{row['site']}\n" for row in rows if row["found"]).encode()
    elif path.suffix == ".jsonl":
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    elif path.suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]) if rows else ["site"])
        writer.writeheader()
        writer.writerows(rows)
        content = text.getvalue().encode()
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows), sink, compression="zstd")
        content = sink.getvalue().to_pybytes()
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"--write {path}: {error.strerror}") from None


def _ranked(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those that were found first, then by evidence, then by pages."""
    yield from sorted(rows, key=lambda row: (not row["found"], -(row["evidence"] or 0.0), -row["pages"], row["site"]))


def _show(rows: list[dict[str, Any]], fpr: float) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("site")
    for name in ("pages", "scored", "abstained", "exempt", "share", "95 %"):
        table.add_column(name, justify="right")
    table.add_column("decision")
    for row in list(_ranked(rows))[:_SHOWN]:
        known = row["share"] is not None
        share, between = (f"{row['share']:.0%}", f"{row['low']:.0%} to {row['high']:.0%}") if known else ("-", "-")
        counts = (f"{row[name]:,}" for name in ("pages", "scored", "abstained", "exempt"))
        table.add_row(printable(row["site"]), *counts, share, between, row["decision"])
    console = Console(highlight=False, markup=False)
    console.print(table, width=max(console.width, 110))
    said = Counter(row["decision"] for row in rows)
    told = ", ".join(f"{name} {count:,}" for name, count in sorted(said.items()))
    click.echo(f"{len(rows):,} sites: {told or 'none'} (at most {fpr:g} of the sites that people wrote are found)")
    if len(rows) > _SHOWN:
        click.echo(f"{_SHOWN} of them are shown; --json or --write FILE gives all")
