"""The command line: arguments in, exit codes out; what happens in between lives elsewhere.

Exit codes: 0 done. 1 finished, but some shards failed (`scan --exit-code`: something was found; `find`, `why`: nothing was; `rules
test`: a rule fails; `verify`: something is not as it was; `gate`: a shard is refused; `quarantine release` and `expire`: a record is).
2 the user's mistake; nothing was written. 3 the books do not balance.
"""

from __future__ import annotations

import sys
from typing import Any

import click

import decontam
from decontam.errors import BooksError, DecontamError, printable

_LAYOUT = "\n\t"


class Commands(click.Group):
    """Commands are imported when they are called, so that `decontam --help` and worker processes start fast.

    Each is the `command` of a module of that name in a package.
    """

    package = "decontam.cli"
    modules: tuple[str, ...] = (
        "run",
        "scan",
        "find",
        "sites",
        "index",
        "report",
        "quarantine",
        "verify",
        "gate",
        "why",
        "attest",
        "sign",
        "rules",
        "model",
        "config",
        "samples",
    )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.modules)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.modules:
            return None
        from importlib import import_module

        command: click.Command = import_module(f"{self.package}.{name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from decontam.errors import did_you_mean

        if args and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"no command {args[0]!r}{did_you_mean(args[0], self.modules)}")
        return super().resolve_command(ctx, args)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(decontam.__version__, prog_name="decontam")
def cli() -> None:
    """Keep LLM output, API traces, personal data and secrets out of training data."""


def main() -> None:
    """The `decontam` command."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; run the same command again to go on where it was", err=True)
        sys.exit(130)
    except BooksError as error:
        click.echo(f"decontam: the books do not balance: {error}", err=True)
        sys.exit(3)
    except DecontamError as error:
        click.echo(f"decontam: {printable(str(error), keep=_LAYOUT)}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"decontam: {where}{error.strerror or error}; make room or give access, and run the same command again", err=True)
        sys.exit(1)
