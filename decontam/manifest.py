"""Manifest: what a run was, for those who ask later. It names inputs, outputs, rules and options; it holds no text."""

from __future__ import annotations

import getpass
import hashlib
import platform
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

import decontam
from decontam.config import BUILTIN, Config, artefacts_of, key_of, pack_paths
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


@lru_cache(maxsize=1)
def _code() -> tuple[str, str]:
    here = Path(decontam.__file__).parent
    # What Python and numba compile is made anew on each machine.
    files = (path for path in here.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    # The shipped configs lie elsewhere in a checkout; what a run takes from them is in its own.
    names = sorted(name for path in files if not (name := path.relative_to(here).as_posix()).startswith("configs/"))
    lines = [f"{hashlib.sha256((here / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    return decontam.__version__, hashlib.sha256("".join(lines).encode()).hexdigest()


def code() -> dict[str, str]:
    """The version of this code and the SHA-256 of its files: of a line `<sha256>  <name>` for each, by name."""
    version, digest = _code()
    return {"version": version, "sha256": digest}


def packs_of(config: Config) -> dict[str, str]:
    """The SHA-256 of each pack of the stages that are on, by its path; ours are called `builtin/<stage>/<file>`."""
    found = {}
    for stage, options in config.stages.items():
        for pack in options.packs if options.enabled else ():
            for path in pack_paths(stage, (pack,)):
                found[f"{BUILTIN}/{stage}/{path.name}" if pack == BUILTIN else str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


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
        "packs": packs_of(config),
        **artefacts_of(config),
        "code": code(),
        "parent": None,
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
            {"name": name, **({"path": there} if (there := elsewhere(name)) else {}), **_without_blocks(output)}
            for result in results
            for name, output in result["outputs"].items()
        ],
        "failed": dict(failed),
        "skipped": [skip._asdict() for skip in skipped],
    }


def _without_blocks(output: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest tells of an output; where a change would be lies in proof/leaves.parquet."""
    return {key: value for key, value in output.items() if key != "blocks"}
