"""Screen shards in a Beam pipeline, and say which share of each site's pages a language model wrote.

    python pipelines/beam_sites.py --input data/ --out out/ [--config mine.yaml] [--fpr 0.001] [any option of Beam]

Records need a URL (`input.url_key`). Writes what is kept as zst JSON lines, the sites as `decontam sites --json` says them, and the counts
behind them, which add up with those of other pipelines.
"""

from __future__ import annotations

import argparse

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from decontam.adapters.beam import DecontaminatePages
from decontam.adapters.beam_shards import ReadShards, WriteShards
from decontam.adapters.beam_sites import AddSites, JudgeSites


def main() -> None:
    """Run the pipeline."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--config")
    parser.add_argument("--fpr", type=float, default=0.002)
    given, rest = parser.parse_known_args()
    with beam.Pipeline(options=PipelineOptions(rest)) as pipeline:
        screened = pipeline | "Read" >> ReadShards(given.input) | "Screen" >> DecontaminatePages(given.config)
        screened.kept | "Kept" >> WriteShards(f"{given.out}/kept")
        counts = screened.pages | "Add" >> AddSites()
        counts | "Counts" >> beam.io.WriteToParquet(f"{given.out}/counts/part", file_name_suffix=".parquet")
        sites = counts | "Judge" >> JudgeSites(given.config, given.fpr)
        sites | "Sites" >> beam.io.WriteToParquet(f"{given.out}/sites/part", file_name_suffix=".parquet")


if __name__ == "__main__":
    main()
