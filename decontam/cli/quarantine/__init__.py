"""decontam quarantine: what was taken out, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from decontam.cli import Commands

verdicts_option: Callable[[Any], Any] = click.option(
    "--verdicts", metavar="FILE", help="The log of verdicts, where it does not lie in OUT."
)
json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


class _Quarantine(Commands):
    package = "decontam.cli.quarantine"
    modules = ("serve", "dump", "import", "judge", "release", "expire", "simulate", "precision", "teach")

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in {"serve", "dump", "import"}:
            return super().get_command(ctx, name)
        from decontam.cli.quarantine import review

        return review.command.get_command(ctx, name)


@click.command("quarantine", cls=_Quarantine)
def command() -> None:
    """Look at what a run has taken out, judge it, hand it to others, give it back, destroy what may not be kept."""
