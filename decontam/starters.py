"""Starters: the pipeline of an engine that comes to what `decontam run` comes to under a config, as text to run and to change."""

from __future__ import annotations

from collections.abc import Mapping
from pprint import pformat
from string import Template
from typing import Any

import yaml

from decontam.config import Config, load_config

_ANY = ("*", 0.0, None)  # what a row of actions means where it says nothing
_DATATROVE = '''"""Screens shards as `decontam run` does under $name, with datatrove.

python THIS.py IN OUT TASKS                            on this machine
python THIS.py IN OUT TASKS slurm partition=cpu        on Slurm, with any option of datatrove's executor
python THIS.py IN OUT TASKS ray                        on the Ray cluster that RAY_ADDRESS names

IN and OUT are folders that all machines see, or URLs; the same holds for files that OPTIONS name.
"""

import os
import sys

from datatrove.executor import LocalPipelineExecutor

from decontam.adapters.datatrove import Decontam, DecontamReader, DecontamWriter, books
from decontam.adapters.datatrove_parts import executor_on, options_from, watched
from decontam.config import load_config

OPTIONS = $options  # over the defaults


def main(source, out, tasks, cluster=None, *given):
    config = load_config(None, OPTIONS)
    steps = [
        DecontamReader(source, errors=f"{out}/errors", config=config, add_file_path=False),
        Decontam(config, quarantine=f"{out}/quarantine"),
        DecontamWriter(f"{out}/kept", expand_metadata=True),
    ]
    if cluster:
        executor = executor_on(cluster, steps, int(tasks), f"{out}/logs", options_from(given))
    else:
        executor = LocalPipelineExecutor(steps, tasks=int(tasks), workers=min(int(tasks), os.cpu_count()), logging_dir=f"{out}/logs")
    watched(executor, seconds=3600)  # more than a task takes
    tally = books(f"{out}/quarantine")
    print(f"{tally.records:,} documents: {', '.join(f'{name} {count:,}' for name, count in sorted(tally.outcomes.items()))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
'''
_BEAM = '''"""Screens shards as `decontam run` does under $name, with Beam.

python THIS.py --input IN --out OUT [any option of Beam, such as --runner]

IN and OUT are folders that all machines see, or URLs; the same holds for files that OPTIONS name.
"""

import argparse

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from decontam.adapters.beam import Decontaminate
from decontam.adapters.beam_shards import ReadShards, WriteShards
from decontam.config import load_config

OPTIONS = $options  # over the defaults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True)
    parser.add_argument("--out", required=True)
    given, rest = parser.parse_known_args()
    config = load_config(None, OPTIONS)
    with beam.Pipeline(options=PipelineOptions(rest)) as pipeline:
        kept, quarantined, findings, errors = pipeline | "Read" >> ReadShards(given.input, config) | "Screen" >> Decontaminate(config)
        kept | "Kept" >> WriteShards(f"{given.out}/kept")
        quarantined | "Quarantined" >> beam.io.WriteToParquet(f"{given.out}/quarantine/part", file_name_suffix=".parquet")
        findings | "Findings" >> beam.io.WriteToParquet(f"{given.out}/findings/part", file_name_suffix=".parquet")
        errors | "Errors" >> WriteShards(f"{given.out}/errors")
    for counter in pipeline.result.metrics().query(beam.metrics.MetricsFilter().with_namespace("decontam"))["counters"]:
        print(f"{counter.committed:>10,}  {counter.key.metric.name}")


if __name__ == "__main__":
    main()
'''
_BEAM_YAML = """# Screens shards as `decontam run` does under $name, with Beam YAML.
#
#   python -m apache_beam.yaml.main --yaml_pipeline_file=THIS.yaml --jinja_variables='{"input": "IN", "out": "OUT"}'
#
# IN and OUT are folders that all machines see, or URLs; the same holds for files that the overrides name.
pipeline:
  transforms:
    - type: ReadShards
      name: Read
      config:
        inputs: "{{ input }}"
    - type: Decontaminate
      input: Read
      config:
        overrides: $options
        error_handling:
          output: unreadable
    - type: WriteShards
      name: Kept
      input: Decontaminate.kept
      config:
        folder: "{{ out }}/kept"
    - type: WriteToParquet
      name: Quarantined
      input: Decontaminate.quarantined
      config:
        path: "{{ out }}/quarantine/part"
    - type: WriteToParquet
      name: Findings
      input: Decontaminate.findings
      config:
        path: "{{ out }}/findings/part"
    - type: WriteShards
      name: Unreadable
      input: Decontaminate.unreadable
      config:
        folder: "{{ out }}/errors"

providers:
  - type: python
    config: {}
    transforms:
      ReadShards: decontam.adapters.beam_shards.ReadShards
      Decontaminate: decontam.adapters.beam.from_yaml
      WriteShards: decontam.adapters.beam_shards.WriteShards
"""


def starter(kind: str, name: str | None) -> str:
    """The pipeline of `datatrove`, `beam` or `beam-yaml` under a config: a file, one that comes with decontam, or None for the default.

    What differs from the defaults stands in it, so that the file need not travel. Raises ConfigError.
    """
    options = over_defaults(load_config(name))
    told = name or "the default config"
    if kind == "beam-yaml":
        dumped = yaml.safe_dump(options, sort_keys=False, allow_unicode=True, width=110)
        below = "\n".join(f"          {line}" for line in dumped.splitlines())
        # Braces that stand close together would be read as Jinja's.
        shown = f"\n{{% raw %}}{below}{{% endraw %}}" if options else "{}"
        return Template(_BEAM_YAML).substitute(name=told, options=shown)
    template = Template(_DATATROVE if kind == "datatrove" else _BEAM)
    return template.substitute(name=told, options=pformat(options, width=120, sort_dicts=False))


def over_defaults(config: Config) -> dict[str, Any]:
    """The options that make a config of the defaults."""
    default, options = load_config().to_dict(), config.to_dict()
    found: dict[str, Any] = _differing(default, options)
    if "actions" in found.get("policy", {}):
        rows = options["policy"]["actions"]
        own = len(rows) - len(default["policy"]["actions"])
        found["policy"]["actions"] = [{key: value for key, value in row.items() if value not in _ANY} for row in rows[:own]]
    return found


def _differing(default: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for key, value in options.items():
        before = default.get(key)
        if value == before and key in default:
            continue
        found[key] = _differing(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return found
