"""decontam rules: what is looked for, and whether each rule keeps its word."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from decontam.rules import Rule


def _rules(packs: tuple[str, ...], config_name: str | None) -> tuple[Rule, ...]:
    from decontam.config import load_config, rules_of
    from decontam.errors import RuleError
    from decontam.rules import read_packs

    if not packs:
        return rules_of(load_config(config_name))
    paths = [path for pack in packs for path in (sorted(Path(pack).glob("*.yaml")) if Path(pack).is_dir() else [Path(pack)])]
    try:
        return read_packs(paths)
    except OSError as error:
        raise RuleError(f"{error.filename}: {error.strerror}") from None


@click.group("rules")
def command() -> None:
    """List, show and test rules."""


_config_option = click.option("--config", "config_name", metavar="FILE", help="Take the rules that this config switches on.")


@command.command("list")
@click.argument("packs", nargs=-1)
@_config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each rule.")
def list_(packs: tuple[str, ...], config_name: str | None, as_json: bool) -> None:
    """List the rules of the default config, of another one, or of PACKS."""
    rules = _rules(packs, config_name)
    for rule in rules:
        if as_json:
            row = {"rule": rule.name, "revision": rule.revision, "kind": rule.kind, "provider": list(rule.provider),
                   "strength": rule.strength.name.lower(), "why": rule.why, "source": rule.source}  # fmt: skip
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            click.echo(f"{rule.name:<52} {rule.kind:<24} {rule.strength.name.lower():<11} {', '.join(rule.provider)}")
    if not as_json:
        click.echo(f"{len(rules)} rules", err=True)


@command.command("show")
@click.argument("name")
@_config_option
def show(name: str, config_name: str | None) -> None:
    """Show one rule with its examples; NAME is stage/rule, or the id alone."""
    from decontam.errors import RuleError, did_you_mean
    from decontam.prove import examples

    rules = {rule.name: rule for rule in _rules((), config_name)}
    found = [rule for rule in rules.values() if name in (rule.name, rule.id)]
    if not found:
        raise RuleError(f"no rule {name!r}{did_you_mean(name, [*rules, *(rule.id for rule in rules.values())])}")
    for rule in found:
        shown: dict[str, Any] = {key: value for key, value in asdict(rule).items() if value not in ((), "", None)}
        shown["strength"] = rule.strength.name.lower()
        for part in ("catches", "spares", "known_misses"):
            shown.pop(part, None)
        for key, value in shown.items():
            click.echo(f"{key:<12} {value if not isinstance(value, tuple) else ', '.join(value)}")
        for part, text, marked in examples(rule):
            spans = ", ".join(repr(text[start:end]) for start, end in marked)
            click.echo(f"{part:<12} {text!r}" + (f"  -> {spans}" if spans else ""))


@command.command("test")
@click.argument("packs", nargs=-1)
@_config_option
def test(packs: tuple[str, ...], config_name: str | None) -> None:
    """Prove rules against their own examples: those of the default config, of another one, or of PACKS."""
    from decontam.prove import failures

    rules = _rules(packs, config_name)
    broken = 0
    for rule in rules:
        for failure in failures(rule):
            broken += 1
            click.echo(failure)
    click.echo(f"{len(rules)} rules, {broken} failures", err=True)
    sys.exit(1 if broken else 0)
