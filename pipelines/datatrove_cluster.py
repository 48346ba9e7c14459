"""Screens a folder of shards with datatrove on a cluster: Slurm, or the Ray cluster that RAY_ADDRESS names.

python pipelines/datatrove_cluster.py slurm IN OUT TASKS partition=cpu time=24:00:00 [any option of datatrove's executor]
python pipelines/datatrove_cluster.py ray IN OUT TASKS [cpus_per_task=2 ...]

IN and OUT are folders that all machines see, or URLs. CONFIG in the environment names a config.
"""

from __future__ import annotations

import os
import sys

from decontam.adapters.datatrove import Decontam, DecontamReader, DecontamWriter, books
from decontam.adapters.datatrove_parts import executor_on, options_from, watched

STALL = 3600  # seconds; more than a task takes


def main(cluster: str, source: str, out: str, tasks: str, *options: str) -> None:
    """Files are shared out to `tasks`; run it again to finish what was interrupted."""
    config = os.environ.get("CONFIG")
    pipeline = [
        DecontamReader(source, errors=f"{out}/errors", config=config, add_file_path=False),
        Decontam(config, quarantine=f"{out}/quarantine"),
        DecontamWriter(f"{out}/kept", expand_metadata=True),
    ]
    watched(executor_on(cluster, pipeline, int(tasks), f"{out}/logs", options_from(options)), STALL)
    tally = books(f"{out}/quarantine")
    print(f"{tally.records:,} documents: {', '.join(f'{name} {count:,}' for name, count in sorted(tally.outcomes.items()))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
