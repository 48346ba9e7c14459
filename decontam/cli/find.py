"""decontam find: which records of a run held a value."""

from __future__ import annotations

import json
import sys

import click

from decontam.errors import ConfigError, InputError, printable
from decontam.keys import KeySource

_COLUMNS = ("line", "shard", "row", "id", "rule", "kind", "action", "outcome")


def _source(config_name: str | None, env: str | None, file: str | None) -> KeySource:
    given = [name for name in (config_name, env, file) if name is not None]
    if len(given) > 1:
        raise ConfigError("--config, --key-env, --key-file: name one place for the key")
    if config_name is None:
        if not given:
            raise ConfigError("findings know values by keyed hashes; say where the key is with --config, --key-env or --key-file")
        return KeySource(env=env, file=file)
    from decontam.config import load_config

    source = load_config(config_name).policy.key
    if source is None:
        raise ConfigError(f"{config_name}: names no policy.key; use the config of the run, --key-env or --key-file")
    return source


@click.command("find", no_args_is_help=True)
@click.argument("out")
@click.option("--value-file", required=True, metavar="FILE", help="The values, one a line; - is stdin. They are never an argument.")
@click.option("--config", "config_name", metavar="FILE", help="The config of the run, which says where the key is.")
@click.option("--key-env", metavar="NAME", help="The environment variable that holds the key.")
@click.option("--key-file", metavar="FILE", help="The file that holds the key.")
@click.option("--kind", metavar="KIND", help="Look for values of one kind only, like EMAIL.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each find.")
def command(out: str, value_file: str, config_name: str | None, key_env: str | None, key_file: str | None, kind: str | None,
            as_json: bool) -> None:  # fmt: skip
    """Name the shards and rows of OUT that held a value, for requests for erasure and access.

    Values are named by their line in FILE and never shown. Nothing is screened again: the findings of a run that had a
    policy.key are enough. Exits with 1 where nothing is found.
    """
    from decontam.find import found, opened

    key = _source(config_name, key_env, key_file).read()
    folder, about = opened(out, key)
    try:
        with click.open_file(value_file, encoding="utf-8") as lines:
            values = [(number, value) for number, line in enumerate(lines, 1) if (value := line.strip())]
    except UnicodeDecodeError:
        raise InputError(f"--value-file {value_file}: not UTF-8") from None
    except OSError as error:
        raise InputError(f"--value-file {value_file}: {error.strerror}") from None
    if about["state"] != "done":
        click.echo(
            f"{printable(out)}: the run is not done ({about['state']}); shards without findings may not have been screened", err=True
        )
    rows = list(found(folder, values, key, kind and kind.upper()))
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    elif rows:
        _show(rows)
    missed = [str(number) for number, _ in values if number not in {row["line"] for row in rows}]
    places = len({(row["shard"], row["row"]) for row in rows})
    click.echo(f"{len(values) - len(missed)} of {len(values)} values found in {places:,} records", err=True)
    if missed:
        click.echo(f"not found: line {', '.join(missed)}", err=True)
    sys.exit(0 if rows else 1)


def _show(rows: list[dict[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*_COLUMNS, box=None)
    for row in rows:
        table.add_row(*(printable(str(row[name])) for name in _COLUMNS))
    console = Console(highlight=False, markup=False)
    console.print(table, width=max(console.width, 120))
