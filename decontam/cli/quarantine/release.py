"""decontam quarantine release: give back what was taken out wrongly."""

from __future__ import annotations

import json
import sys

import click

from decontam.cli.quarantine import json_option, verdicts_option
from decontam.errors import printable

_SHOWN = 20


@click.command("release", no_args_is_help=True)
@click.argument("out")
@click.option("--by", help="Who releases; a label. [default: the user of this machine]")
@verdicts_option
@json_option
def command(out: str, by: str | None, verdicts: str | None, as_json: bool) -> None:
    """Write the records of OUT whose verdict is `release` to OUT/release, byte for byte and once only.

    Also writes OUT/review/allow.txt, the list by which the next run knows them: policy.allow, records. Exits with 1 where a
    record cannot be given back as it was.
    """
    from decontam import finished
    from decontam.manifest import operator
    from decontam.quarantine.ledger import verdicts_path
    from decontam.quarantine.releasing import release
    from decontam.quarantine.verdicts import Verdicts

    run = finished.opened(out)
    with Verdicts(verdicts_path(run, verdicts)) as log:
        done = release(run, log, by or operator())
    if as_json:
        told = {
            "schema": 1,
            "released": done.records,
            "files": done.files,
            "allow": done.allow,
            "refused": [r._asdict() for r in done.refused],
        }
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        for refused in done.refused[:_SHOWN]:
            click.echo(printable(f"not released: {refused.shard}:{refused.row}: {refused.why}"), err=True)
        if len(done.refused) > _SHOWN:
            click.echo(f"and {len(done.refused) - _SHOWN:,} more; --json names them all", err=True)
        where = f" -> {printable(run.folder.path('release'))}/, known to the next run by {printable(done.allow)}" if done.allow else ""
        click.echo(f"{done.records:,} records released, {len(done.refused):,} refused{where}")
    sys.exit(1 if done.refused else 0)
