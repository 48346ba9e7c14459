"""The pipeline that every engine runs: shards in, all outputs and sites written, books balanced, the tally on stdout.

    python -m tests.cluster.beam_job IN OUT CONFIG DIES [any option of Beam]

DIES is "-", or ID, or ID@PID: the first worker that has screened the record with that id kills itself as `kill -9` does, or that process.
The file OUT/died tells later workers that it is done.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from decontam.adapters.beam import DecontaminatePages
from decontam.adapters.beam_books import balance
from decontam.adapters.beam_shards import ReadShards, WriteShards
from decontam.adapters.beam_sites import AddSites, JudgeSites
from decontam.errors import BooksError

OUTPUTS = ("kept", "quarantined", "findings", "errors")


def dying(dies: str, marker: str) -> Callable[[Any], Any]:
    """Passes elements on, and kills a process at one of them, once."""
    at, _, victim = dies.partition("@")
    needle = f'"{at}"'.encode()

    def pass_on(line: Any) -> Any:
        if needle in line.line and not Path(marker).exists():
            Path(marker).write_text(victim or str(os.getpid()))
            os.kill(int(victim or os.getpid()), signal.SIGKILL)
        return line

    return pass_on


def main(source: str, out: str, config: str, dies: str, *options: str) -> None:
    folders = {name: f"{out}/{name}" for name in OUTPUTS}
    Path(out).mkdir(parents=True, exist_ok=True)
    with beam.Pipeline(options=PipelineOptions(list(options))) as pipeline:
        # Lines go through their coder, as they do wherever an engine chooses to.
        lines = pipeline | "Read" >> ReadShards(source, config) | beam.Reshuffle()
        screened = lines | "Screen" >> DecontaminatePages(config)
        kept = screened.kept if dies == "-" else screened.kept | "Die" >> beam.Map(dying(dies, f"{out}/died"))
        kept | "Kept" >> WriteShards(folders["kept"])
        screened.quarantined | "Quarantined" >> WriteShards(folders["quarantined"])
        screened.findings | "Findings" >> WriteShards(folders["findings"])
        screened.errors | "Errors" >> WriteShards(folders["errors"])
        counts = screened.pages | AddSites()
        counts | JudgeSites(config) | "Sites" >> WriteShards(f"{out}/sites")
    try:
        tally = balance(pipeline.result, folders)
    except BooksError as error:
        print(error, file=sys.stderr)
        sys.exit(3)
    print(json.dumps(tally.to_dict()))


if __name__ == "__main__":
    main(*sys.argv[1:])
