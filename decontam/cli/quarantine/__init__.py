"""decontam quarantine: what was taken out, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from decontam.cli import Commands

verdicts_option: Callable[[Any], Any] = click.option(
    "--verdicts", metavar="FILE", help="The log of verdicts, where it does not lie in OUT."
)  # fmt: skip
json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


class _Quarantine(Commands):
    package = "decontam.cli.quarantine"
    modules = ("judge", "release", "expire", "simulate")


@click.command("quarantine", cls=_Quarantine)
def command() -> None:
    """Judge what was taken out, give it back, destroy what may not be kept, and learn from it."""
