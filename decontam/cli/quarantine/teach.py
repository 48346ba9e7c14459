"""decontam quarantine teach: what verdicts would change in a config."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import IO, Any

import click

from decontam.cli.quarantine import json_option, verdicts_option


@click.command("teach", no_args_is_help=True)
@click.argument("out")
@click.option("--config", metavar="FILE", help="The config file to change. [default: the config of the run, written out]")
@click.option(
    "--target", type=click.FloatRange(0.5, 1, min_open=True), default=0.9, show_default=True, help="How often a rule is to be right."
)
@click.option(
    "--least", type=click.IntRange(1), default=10, show_default=True, help="Verdicts, by weight, below which nothing is said of a rule."
)
@click.option(
    "--records", metavar="FILE", help="Write a JSON line for each record that would fare otherwise, with what was said of it; - is stdout."
)
@click.option("--write", metavar="FILE", help="Write the proposed config to FILE.")
@verdicts_option
@json_option
def command(out: str, config: str | None, target: float, least: int, records: str | None, write: str | None, verdicts: str | None,
            as_json: bool) -> None:  # fmt: skip
    """Propose thresholds, rules to silence and allowances, from the verdicts on OUT, as a diff of its config.

    Prints the diff on stdout and, on stderr, why, and which judged records would change sides. Nothing is changed.
    """
    from decontam import finished
    from decontam.quarantine.ledger import verdicts_path
    from decontam.quarantine.teach import teach
    from decontam.quarantine.verdicts import Verdicts

    run = finished.opened(out)
    with ExitStack() as stack:
        log = stack.enter_context(Verdicts(verdicts_path(run, verdicts)))
        lines = stack.enter_context(click.open_file(records, "w", encoding="utf-8")) if records else None
        taught = teach(run, log, config, target, least, moved=_writing(lines))
    if write is not None and taught.proposal:
        with click.open_file(write, "w", encoding="utf-8") as file:
            file.write(taught.content)
    if as_json:
        told = {
            "schema": 1,
            "diff": taught.diff,
            "why": taught.proposal.why,
            "given_back": dict(taught.sides),
            "simulated": taught.simulated.told() if taught.simulated else None,
        }
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    click.echo(taught.diff, nl=False)
    for why in taught.proposal.why:
        click.echo(why, err=True)
    if taught.simulated is None:
        click.echo(f"nothing to propose: no rule is surely wrong more often than {1 - target:.0%}, by {least} verdicts or more", err=True)
        return
    moved = sum(taught.simulated.changes.values())
    sides = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(taught.sides.items())) or "none"
    click.echo(f"{moved:,} records would fare otherwise; no longer taken out, by what was said of them: {sides}", err=True)


def _writing(lines: IO[Any] | None) -> Callable[[Any, str | None], object]:
    if lines is None:
        return lambda moved, verdict: None
    return lambda moved, verdict: lines.write(json.dumps({**moved._asdict(), "verdict": verdict}, ensure_ascii=False) + "\n")
