"""Screens JSON lines with Ray Data, on the cluster that RAY_ADDRESS names or on this machine.

python pipelines/ray_data.py IN OUT [CONFIG]

OUT gets Parquet with a row for each record, by outcome: `document` goes on, `held` was taken out. Exit code 3 where rows are missing or doubled.
"""

from __future__ import annotations

import sys
from collections import Counter

import pyarrow.dataset as ds
import ray

from decontam.adapters.arrow import Screen, books
from decontam.errors import BooksError


def main(source: str, out: str, config: str = "default") -> None:
    """Lines are read as Latin-1, which every byte is, and are the same bytes again: Ray Data stops at what is not UTF-8."""
    lines = ray.data.read_text(source, encoding="latin-1").filter(lambda row: bool(row["text"].strip(" \t\r\x0b\f")))
    screen = Screen(config, "text", encoding="latin-1")
    lines.map_batches(screen, batch_format="pyarrow").write_parquet(out, partition_cols=["outcome"])
    written = ds.dataset(out, partitioning="hive")
    counts = Counter(outcome for batch in written.to_batches(columns=["outcome"]) for outcome in batch["outcome"].to_pylist())
    tallies = written.to_table(columns=["tally"], filter=ds.field("outcome") == "tally")["tally"].to_pylist()
    tally = books(lines.count(), counts, tallies)
    print(f"{tally.records:,} records: {', '.join(f'{name} {count:,}' for name, count in sorted(tally.outcomes.items()))}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BooksError as error:
        print(error, file=sys.stderr)
        sys.exit(3)
