"""decontam verify: whether a run is what it was when it ended."""

from __future__ import annotations

import json
import sys

import click

from decontam.errors import printable

_SHOWN = 100


@click.command("verify", no_args_is_help=True)
@click.argument("out")
@click.option("--inputs", type=click.Choice(["check", "require", "skip"]), default="check", show_default=True,
              help="check reads those that are where they were; require counts it as a problem if one is not.")  # fmt: skip
@click.option("--digest", metavar="HEX", help="The run digest as it was noted elsewhere.")
@click.option("--public-key", metavar="FILE", help="PEM file with the Ed25519 key of who signed the run.")
@click.option("--verdicts", metavar="FILE", help="The log of verdicts, where it does not lie in OUT.")
@click.option("--workers", type=click.IntRange(1), help="Files that are read at once. [default: one per core]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(out: str, inputs: str, digest: str | None, public_key: str | None, verdicts: str | None, workers: int | None,
            as_json: bool) -> None:  # fmt: skip
    """Read every file of OUT again and name what changed, is missing, was added or swapped since the run.

    Exits with 1 if anything is. Who may write to OUT can also make its proof anew: only --digest and --public-key tell.
    """
    from decontam.audit.verify import verify
    from decontam.signing import public_key as read_key

    public = read_key(public_key) if public_key else None
    done = verify(out, inputs, workers or 0, digest, public, verdicts)  # type: ignore[arg-type]
    if as_json:
        click.echo(json.dumps(done.told(), ensure_ascii=False))
        sys.exit(0 if done.ok else 1)
    for problem in done.problems[:_SHOWN]:
        click.echo(printable(f"{problem.kind:<8} {problem.name}: {problem.why}"))
    if len(done.problems) > _SHOWN:
        click.echo(f"and {len(done.problems) - _SHOWN:,} more; --json names them all")
    if done.absent:
        click.echo(f"{len(done.absent):,} inputs are not where they were, such as {printable(done.absent[0])}; they were not read")
    for each in done.signatures:
        click.echo(f"signed by key {each['key']} at {each['at']}" + ("" if public_key else "; --public-key FILE says whether it holds"))
    if done.unsealed:
        click.echo(f"{done.unsealed:,} verdicts are newer than the last entry of the ledger; decontam sign seals them")
    if done.state not in {"done", None}:
        click.echo(f"the run itself is not done ({done.state}): shards are missing from it")
    said = "as it was" if done.ok else f"{len(done.problems):,} problems"
    click.echo(f"{done.files:,} files, {done.bytes:,} bytes, run digest {done.run}: {said}")
    sys.exit(0 if done.ok else 1)
