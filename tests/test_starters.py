"""What `decontam pipeline` prints: it runs, and comes to what the command line comes to under that config."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from decontam.config import load_config, shipped
from decontam.starters import over_defaults, starter

from .cluster.corpora import expected, from_datatrove
from .test_parity import Told, finding_of, lines_of

OWN = """
input: {text_key: [text, messages]}
policy:
  placeholders: {EMAIL: '{{ nobody }} $HOME {kind}'}
  actions:
    - {rule: "secrets/*", action: drop}
    - {rule: "signatures/*", strength: strong, action: tag}
"""


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_options_over_the_defaults_make_the_config_again(name: str) -> None:
    assert load_config(name) == load_config(None, over_defaults(load_config(name)))


def test_paths_lead_where_they_led(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN + "output: {quarantine: vault}\n")
    config = load_config(tmp_path / "own.yaml")

    assert config == load_config(None, over_defaults(config))
    assert str(tmp_path / "vault") in starter("beam", str(tmp_path / "own.yaml"))


@pytest.fixture(scope="module", params=["strict", "own"])
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Told]:
    """A config, a folder with shards, and what the command line makes of them."""
    root = tmp_path_factory.mktemp("starters")
    (root / "own.yaml").write_text(OWN)
    name = request.param if request.param in shipped() else str(root / f"{request.param}.yaml")
    return name, root / "in", expected("default", root, name)


def started(kind: str, name: str, folder: Path, *arguments: object, module: str | None = None) -> None:
    """Run what is printed."""
    script = folder / f"pipeline.{'yaml' if kind == 'beam-yaml' else 'py'}"
    printed = subprocess.run(
        [sys.executable, "-m", "decontam", "pipeline", kind, "--config", name], capture_output=True, text=True, check=True
    )
    script.write_text(printed.stdout)
    command = [sys.executable, *(["-m", module] if module else [str(script)]), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr[-3000:]


def from_beam(out: Path, told: Told) -> Told:
    """What a pipeline of Beam has left in a folder, with the counts as they are known: Beam hands them to who runs it."""
    kept = {row["id"]: row for path in out.glob("kept/*") for row in lines_of(path)}
    found: dict[str, list] = {}
    for row in ds.dataset(out / "findings").to_table().to_pylist():
        found.setdefault(row["id"], []).append(finding_of(row))
    return Told(kept, {id: sorted(findings) for id, findings in found.items()}, told.counts)


@pytest.mark.slow
def test_datatrove(config: tuple[str, Path, Told], tmp_path: Path) -> None:
    name, source, told = config
    started("datatrove", name, tmp_path, source, tmp_path / "out", 2)

    assert told == from_datatrove(tmp_path / "out", "default")


@pytest.mark.slow
def test_beam(config: tuple[str, Path, Told], tmp_path: Path) -> None:
    name, source, told = config
    started("beam", name, tmp_path, "--input", source, "--out", tmp_path / "out", "--runner=FnApiRunner")

    assert told == from_beam(tmp_path / "out", told)


@pytest.mark.slow
def test_beam_yaml(config: tuple[str, Path, Told], tmp_path: Path) -> None:
    name, source, told = config
    variables = json.dumps({"input": str(source), "out": str(tmp_path / "out")})
    given = [f"--yaml_pipeline_file={tmp_path}/pipeline.yaml", "--jinja_variables", variables, "--runner=FnApiRunner"]
    started("beam-yaml", name, tmp_path, *given, module="apache_beam.yaml.main")

    assert told == from_beam(tmp_path / "out", told)
