"""decontam samples: something to try the other commands on."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("samples")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> None:
    """Write small sample shards to FOLDER: invented people, generated secrets, excerpts of real recordings."""
    from decontam.errors import InputError
    from decontam.samples import write

    try:
        for path in write(folder):
            click.echo(path)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; choose a folder that can be written") from None
