"""decontam gate: the check in front of a training job."""

from __future__ import annotations

import json
import sys

import click

from decontam.errors import printable

_SHOWN = 100


@click.command("gate", no_args_is_help=True)
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("--require", metavar="FILE", help="YAML file that says what a run must have been.")
@click.option("--run", "runs", multiple=True, metavar="OUT", help="A run that may vouch for the shards; repeatable.")
@click.option("--like", metavar="OUT", help="Print requirements that ask for what the run OUT was, and check nothing.")
@click.option("--workers", type=click.IntRange(1), default=4, show_default=True, help="Shards that are read at once.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(paths: tuple[str, ...], require: str | None, runs: tuple[str, ...], like: str | None, workers: int, as_json: bool) -> None:
    """Refuse shards that no valid, strict and fresh enough run vouches for; exits with 1 if any is refused.

    A run vouches for what it kept and what reviewers released, wherever a copy of it lies: shards are known by their SHA-256.
    """
    from decontam.audit import gate, requirements

    if like is not None:
        import yaml

        click.echo(yaml.safe_dump(gate.like(like), sort_keys=False), nl=False)
        return
    if not paths:
        raise click.UsageError("name the shards that are to be trained on: files, folders, or the output of a run")
    answers = gate.gate(paths, requirements.read(require), runs, workers)
    refused = [answer for answer in answers if not answer.ok]
    if as_json:
        click.echo(json.dumps({"schema": 1, "ok": not refused, "shards": [answer.told() for answer in answers]}, ensure_ascii=False))
        sys.exit(1 if refused else 0)
    for answer in refused[:_SHOWN]:
        click.echo(printable(f"refused: {answer.path}"))
        for refusal in answer.refusals:
            click.echo(printable(f"  {refusal.what}: {refusal.why}; {refusal.do}"))
    if len(refused) > _SHOWN:
        click.echo(f"and {len(refused) - _SHOWN:,} more; --json names them all")
    click.echo(f"{len(answers):,} shards: {len(answers) - len(refused):,} may be trained on, {len(refused):,} refused")
    sys.exit(1 if refused else 0)
