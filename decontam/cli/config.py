"""decontam config: what the options are and whether a file sets them right."""

from __future__ import annotations

import json

import click


@click.group("config")
def command() -> None:
    """Show, describe and check configurations."""


@command.command("show")
@click.argument("name", required=False)
def show(name: str | None) -> None:
    """Print a config with everything it inherits; the default one if none is named."""
    import yaml

    from decontam.config import load_config

    click.echo(yaml.safe_dump(load_config(name).to_dict(), sort_keys=False, allow_unicode=True), nl=False)


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema of a config, for editors."""
    from decontam.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@command.command("check")
@click.argument("name")
def check(name: str) -> None:
    """Check a config and the packs it names."""
    from datetime import date

    from decontam.config import chain_of, expired, load_config, rules_of

    config = load_config(name)
    chain = chain_of(config)
    for message in expired(config, date.today()):
        click.echo(message)
    click.echo(f"{name}: {len(chain.stages)} stages, {len(rules_of(config))} rules, ready")
