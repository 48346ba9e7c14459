"""decontam sign: put a name under a run."""

from __future__ import annotations

from pathlib import Path

import click

from decontam.errors import InputError


@click.command("sign", no_args_is_help=True)
@click.argument("out")
@click.option("--key", required=True, metavar="FILE", help="PEM file with an Ed25519 key: openssl genpkey -algorithm ed25519 -out FILE")
@click.option("--verdicts", metavar="FILE", help="The log of verdicts, where it does not lie in OUT.")
def command(out: str, key: str, verdicts: str | None) -> None:
    """Sign the run digest of OUT, and what was done to it since: verdicts so far, releases, expiries.

    OUT is not verified first; what is signed is what its proof says.
    """
    from decontam import finished, signing
    from decontam.manifest import operator
    from decontam.quarantine import ledger
    from decontam.quarantine.verdicts import Verdicts

    signer = signing.Signer.of(key)
    run = finished.opened(out)
    digest = ledger.run_of(run)
    if run.about.get("state") != "done":
        raise InputError(f"{out}: the run is not done ({run.about.get('state')}); run the same command again first")
    log = None if run.folder.remote and verdicts is None else ledger.verdicts_path(run, verdicts)
    if log is not None and Path(log).exists():
        with Verdicts(log) as said:
            if ledger.unsealed(run.folder, said):
                ledger.append(run.folder, digest, said, "checkpoint", operator(), "signed")
    made = signing.sign(run.folder, signer, digest, ledger.head(run.folder))
    click.echo(f"run digest {digest} signed by key {made['key']}")
