"""README speaks the truth: its commands run, its snippets load, what it names exists."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from decontam.config import load_config, rules_of, shipped
from decontam.prove import failures
from decontam.rules import rule_from
from decontam.stages import STAGES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


def blocks(language: str) -> list[str]:
    return [content for name, content in BLOCKS if name == language]


def test_the_first_command_runs_on_its_samples(tmp_path: Path) -> None:
    """Its installed part, with this interpreter; a fresh environment is CI's affair."""
    steps = [step.strip() for step in blocks("sh")[0].strip().split("&&")]
    for step in steps[2:]:
        _, *arguments = shlex.split(step)
        done = subprocess.run([sys.executable, "-m", "decontam", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)

        assert 0 == done.returncode, done.stderr
    promised = next(line for block in blocks("") for line in block.splitlines() if " records: " in line)

    assert promised.split(" -> ")[0] in done.stdout
    assert (tmp_path / "out/manifest.json").exists()


def test_the_second_command_is_what_ci_calls() -> None:
    assert blocks("sh")[1].strip().split("&& ")[-1].endswith("python -m pytest")
    assert "README.md" in (ROOT / ".ci/run").read_text("utf-8")


def test_yaml_snippets_load(tmp_path: Path) -> None:
    config, pack = map(yaml.safe_load, blocks("yaml"))
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    load_config(tmp_path / "c.yaml")
    for entry in pack["rules"]:
        assert [] == list(failures(rule_from(entry, pack["stage"], "README.md")))


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (0, "redacted {'id': 1, 'text': 'write to <EMAIL>'} [('pii/email.address', Span(start=9, end=47))]\n"),
        (1, "[{'text': 'Plain words.'}, {'text': 'write to <EMAIL>'}]\n"),
    ],
)
def test_the_python_snippets_run(number: int, says: str, tmp_path: Path) -> None:
    env = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", blocks("python")[number]], capture_output=True, text=True, check=True, env=env)

    assert says == done.stdout


def test_the_datatrove_snippet_makes_a_pipeline(tmp_path: Path) -> None:
    *imports, pipeline = blocks("py")[0].strip().splitlines()
    code = "\n".join([*imports, f"assert 3 == len({pipeline})"])

    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_what_readme_shows_of_a_scan_is_what_a_rule_says() -> None:
    rules = {rule.name: rule for rule in rules_of(load_config())}
    shown = blocks("")[1]
    name = re.search(r"(signatures/\S+)", shown).group(1)

    assert rules[name].why in shown


def test_every_stage_and_config_is_named() -> None:
    assert all(f"`{name}`" in README for name in [*STAGES, *(set(shipped()) - {"default"})])


def test_the_map_names_every_module() -> None:
    code_map = (ROOT / "decontam/README.md").read_text("utf-8")

    assert [] == [path.stem for path in (ROOT / "decontam").glob("*.py") if path.stem not in code_map and not path.stem.startswith("__")]
