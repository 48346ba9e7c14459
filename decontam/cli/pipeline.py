"""decontam pipeline: from the command line to a cluster."""

from __future__ import annotations

import click


@click.command("pipeline", no_args_is_help=True)
@click.argument("kind", type=click.Choice(["datatrove", "beam", "beam-yaml"]))
@click.option("--config", "name", metavar="FILE", help="A YAML file, or the name of a config that comes with decontam.")
def command(kind: str, name: str | None) -> None:
    """Print the pipeline of an engine that does what decontam run does under a config; it says how to run it."""
    from decontam.starters import starter

    click.echo(starter(kind, name), nl=False)
