"""decontam finish: the run of many parts as if it had been one."""

from __future__ import annotations

import sys

import click


@click.command("finish", no_args_is_help=True)
@click.argument("out")
@click.option("--sign-key", metavar="FILE", help="Sign the run digest with the Ed25519 key in this PEM file.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(out: str, sign_key: str | None, log_format: str) -> None:
    """Write report, metrics, manifest and proof of a run whose parts (decontam run --part I/N) are all through.

    Where one is not, it says which and why (exit code 2); where an output is gone that a tally tells of, which (3).
    """
    from decontam.cli.run import end
    from decontam.finished import opened
    from decontam.finishing import finish

    quarantine = opened(out).about["config"]["output"].get("quarantine")
    report = finish(out, sign_key)
    end(report, out, quarantine, log_format)
    sys.exit(1 if report["problems"] else 0)
