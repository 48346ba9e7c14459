"""decontam attest: what can be said of a run to who was not there."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from decontam.errors import printable

_NAME = "attestation"


@click.command("attest", no_args_is_help=True)
@click.argument("out")
@click.option("--to", metavar="DIR", help="Where attestation.md and attestation.json go; - prints the Markdown. [default: OUT]")
@click.option("--provider", "providers", multiple=True, help="Say of this provider too what is known, found or not; repeatable.")
@click.option("--verify", "verified", is_flag=True, help="Read every file of OUT again first, and say what came of it.")
@click.option("--verdicts", metavar="FILE", help="The log of verdicts, where it does not lie in OUT.")
def command(out: str, to: str | None, providers: tuple[str, ...], verified: bool, verdicts: str | None) -> None:
    """Write for a data card or a vendor's question what was screened, by what, how well that works, what was found, and what is unknown."""
    from decontam import finished
    from decontam.audit.attest import attest, markdown
    from decontam.audit.verify import verify
    from decontam.folders import Folder
    from decontam.quarantine.ledger import log_of

    run = finished.opened(out)
    checked = verify(out, verdicts=verdicts) if verified else None
    with log_of(run, verdicts) as log:
        told = attest(run, log, checked, providers)
    if to == "-":
        click.echo(markdown(told), nl=False)
        return
    folder = run.folder if to is None else Folder(to)
    if to is not None and not folder.remote:
        Path(to).mkdir(parents=True, exist_ok=True)
    for name, content in ((f"{_NAME}.md", markdown(told).encode()), (f"{_NAME}.json", orjson.dumps(told, option=orjson.OPT_INDENT_2))):
        with folder.publishing(name) as file:
            file.write(content)
        click.echo(printable(folder.path(name)))
