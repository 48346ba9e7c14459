"""Screens shards with Ray Data, on the cluster that RAY_ADDRESS names or on this machine.

python pipelines/ray_data.py IN OUT [CONFIG]

OUT gets Parquet with a row for each record, by outcome: `document` goes on, `held` was taken out. Exits with 3 where rows are missing
or doubled.
"""

from __future__ import annotations

import sys
from collections import Counter

import pyarrow.dataset as ds
import ray

from decontam.adapters.arrow import Read, Screen, books
from decontam.errors import BooksError
from decontam.inputs import discover


def main(source: str, out: str, config: str = "default") -> None:
    """Shards are read as `decontam run` reads them: Ray Data's own reader ends lines at ten characters, U+2028 for one."""
    shards = [{"path": shard.path, "name": shard.name} for shard in discover([source])[0]]
    lines = ray.data.from_items(shards, override_num_blocks=len(shards)).map_batches(Read(config), batch_size=1, batch_format="pyarrow")
    lines.map_batches(Screen(config, "line"), batch_format="pyarrow").write_parquet(out, partition_cols=["outcome"])
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
