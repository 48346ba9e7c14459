"""decontam quarantine expire: destroy what may not be kept."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone

import click

from decontam.cli.quarantine import json_option, verdicts_option
from decontam.errors import printable

_SHOWN = 20


@click.command("expire", no_args_is_help=True)
@click.argument("out")
@click.option("--config", "config_name", metavar="FILE", help="Take quarantine.retention from this config. [default: that of the run]")
@click.option("--by", help="Who destroys; a label. [default: the user of this machine]")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@verdicts_option
@json_option
def command(out: str, config_name: str | None, by: str | None, dry_run: bool, verdicts: str | None, as_json: bool) -> None:
    """Destroy the bytes of quarantined records that quarantine.retention lets nobody keep any longer; the evidence stays.

    Records on hold, and those that wait for their release, are refused; then the exit code is 1.
    """
    from decontam import finished
    from decontam.config import load_config
    from decontam.errors import InputError
    from decontam.manifest import operator
    from decontam.quarantine import ledger
    from decontam.quarantine.expiring import due, expire
    from decontam.quarantine.verdicts import Verdicts

    run = finished.opened(out)
    ledger.run_of(run)
    retention = (load_config(config_name) if config_name else run.config).quarantine.retention
    if not retention:
        raise InputError(
            "no quarantine.retention says how long records may be kept; set it in a config, {pii: 30d}, and name it with --config"
        )
    with Verdicts(ledger.verdicts_path(run, verdicts)) as log:
        done = due(run, log, retention, datetime.now(timezone.utc)) if dry_run else expire(run, log, retention, by or operator())
    if as_json:
        refused = [dict(zip(("shard", "row", "why"), each, strict=True)) for each in done.refused]
        told = {"schema": 1, "dry_run": dry_run, "expired": done.records, "rows": done.rows, "refused": refused}
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        for shard, row, why in done.refused[:_SHOWN]:
            click.echo(printable(f"not expired: {shard}:{row}: {why}"), err=True)
        if len(done.refused) > _SHOWN:
            click.echo(f"and {len(done.refused) - _SHOWN:,} more; --json names them all", err=True)
        click.echo(f"{done.records:,} records {'would expire' if dry_run else 'expired'}, {len(done.refused):,} refused")
    sys.exit(1 if done.refused else 0)
