"""Screens a folder of shards with datatrove on this machine.

python pipelines/datatrove_local.py IN OUT [TASKS]
"""

from __future__ import annotations

import os
import sys

from datatrove.executor import LocalPipelineExecutor

from decontam.adapters.datatrove import Decontam, DecontamReader, DecontamWriter, books


def main(source: str, out: str, tasks: int = 1) -> None:
    """Files are shared out to `tasks`; run it again to finish what was interrupted."""
    LocalPipelineExecutor(
        [
            DecontamReader(source, errors=f"{out}/errors", add_file_path=False),
            Decontam(quarantine=f"{out}/quarantine"),
            DecontamWriter(f"{out}/kept", expand_metadata=True),
        ],
        tasks=tasks,
        workers=min(tasks, os.cpu_count() or 1),
        logging_dir=f"{out}/logs",
    ).run()
    tally = books(f"{out}/quarantine")
    print(f"{tally.records:,} documents: {', '.join(f'{name} {count:,}' for name, count in sorted(tally.outcomes.items()))}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
