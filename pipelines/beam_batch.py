"""Screen shards in a Beam pipeline.

    python pipelines/beam_batch.py --input data/ --out out/ [--config strict] [any option of Beam, such as --runner]

Writes what is kept as zst JSON lines, what is taken out and what was found as Parquet, and what could not be read as JSON lines.
"""

from __future__ import annotations

import argparse

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from decontam.adapters.beam import Decontaminate
from decontam.adapters.beam_shards import ReadShards, WriteShards


def main() -> None:
    """Run the pipeline and print its counters."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--config")
    given, rest = parser.parse_known_args()
    with beam.Pipeline(options=PipelineOptions(rest)) as pipeline:
        kept, quarantined, findings, errors = pipeline | "Read" >> ReadShards(given.input) | "Screen" >> Decontaminate(given.config)
        kept | "Kept" >> WriteShards(f"{given.out}/kept")
        quarantined | "Quarantined" >> beam.io.WriteToParquet(f"{given.out}/quarantine/part", file_name_suffix=".parquet")
        findings | "Findings" >> beam.io.WriteToParquet(f"{given.out}/findings/part", file_name_suffix=".parquet")
        errors | "Errors" >> WriteShards(f"{given.out}/errors")
    for counter in pipeline.result.metrics().query(beam.metrics.MetricsFilter().with_namespace("decontam"))["counters"]:
        print(f"{counter.committed:>10,}  {counter.key.metric.name}")


if __name__ == "__main__":
    main()
