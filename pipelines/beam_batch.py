"""Screen shards in a Beam pipeline.

    python pipelines/beam_batch.py --input data/ --out out/ [--config strict] [any option of Beam, such as --runner]

Writes what is kept as zst JSON lines, what is taken out and what was found as Parquet, and what could not be read as JSON lines; then
counts what lies there. Exit code 3: the engine lost something, or wrote it twice.
"""

from __future__ import annotations

import argparse
import sys

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from decontam.adapters.beam import Decontaminate
from decontam.adapters.beam_books import balance
from decontam.adapters.beam_shards import ReadShards, WriteShards
from decontam.errors import BooksError


def main() -> None:
    """Run the pipeline, check its books and print its counters."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--config")
    given, rest = parser.parse_known_args()
    names = {"kept": "kept", "quarantined": "quarantine", "findings": "findings", "errors": "errors"}
    folders = {output: f"{given.out}/{name}" for output, name in names.items()}
    with beam.Pipeline(options=PipelineOptions(rest)) as pipeline:
        kept, quarantined, findings, errors = pipeline | "Read" >> ReadShards(given.input) | "Screen" >> Decontaminate(given.config)
        kept | "Kept" >> WriteShards(folders["kept"])
        quarantined | "Quarantined" >> beam.io.WriteToParquet(f"{folders['quarantined']}/part", file_name_suffix=".parquet")
        findings | "Findings" >> beam.io.WriteToParquet(f"{folders['findings']}/part", file_name_suffix=".parquet")
        errors | "Errors" >> WriteShards(folders["errors"])
    try:
        tally = balance(pipeline.result, folders)
    except BooksError as error:
        print(f"decontam: {error}", file=sys.stderr)
        sys.exit(3)
    for name, number in [("records", tally.records), *sorted(tally.outcomes.items()), *sorted(tally.findings.items())]:
        print(f"{number:>10,}  {name}")


if __name__ == "__main__":
    main()
