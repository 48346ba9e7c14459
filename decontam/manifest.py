"""Manifest: what a run was, for those who ask later. It names inputs, outputs, rules and options; it holds no text."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

import decontam
from decontam.config import Config, artefacts_of, key_of
from decontam.inputs import Skipped
from decontam.rules import Rule

SCHEMA = 1
NAME = "manifest.json"


def now() -> str:
    """The time, UTC, to the second, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def operator() -> str:
    """Who runs this, as far as the machine knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def opened(command: Iterable[str], config: Config, rules: Iterable[Rule], fingerprint: str, began: str,
           shards: Iterable[str]) -> dict[str, Any]:  # fmt: skip
    """The manifest of a run that has begun; it is written before anything else."""
    return {
        "schema": SCHEMA,
        "state": "running",
        "fingerprint": fingerprint,
        "command": list(command),
        "operator": operator(),
        "began": began,
        "ended": None,
        "decontam": decontam.__version__,
        "python": platform.python_version(),
        "config": config.to_dict(),
        "key": key.id if (key := key_of(config)) else None,
        "shards": list(shards),
        "rules": {rule.name: rule.revision for rule in rules},
        **artefacts_of(config),
    }


def closed(manifest: Mapping[str, Any], results: Iterable[Mapping[str, Any]], failed: Mapping[str, str],
           skipped: Iterable[Skipped], state: str, ended: str,
           elsewhere: Callable[[str], str | None] = lambda name: None) -> dict[str, Any]:  # fmt: skip
    """The manifest of a run that has ended, with every input and output.

    An output lies in the folder of the manifest under its name, unless `elsewhere` knows another `path` for it.
    """
    results = list(results)
    return {
        **manifest,
        "state": state,
        "ended": ended,
        "inputs": [result["input"] for result in results],
        "outputs": [
            {"name": name, **({"path": there} if (there := elsewhere(name)) else {}), **output}
            for result in results
            for name, output in result["outputs"].items()
        ],
        "failed": dict(failed),
        "skipped": [skip._asdict() for skip in skipped],
    }
