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


@command.command("coverage")
@click.argument("packs", nargs=-1)
@_config_option
@click.option("--stage", default="signatures", show_default=True, help="The stage whose rules are counted.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each provider and kind.")
def coverage(packs: tuple[str, ...], config_name: str | None, stage: str, as_json: bool) -> None:
    """Count the rules of each provider and kind: all of them / those whose source says in what recording they were seen."""
    counted: dict[str, dict[str, list[int]]] = {}
    for rule in _rules(packs, config_name):
        if rule.stage == stage:
            for provider in rule.provider or ("-",):
                count = counted.setdefault(provider, {}).setdefault(rule.kind, [0, 0])
                count[0] += 1
                count[1] += is_seen(rule)
    if as_json:
        for provider, kinds in sorted(counted.items()):
            for kind, (rules, seen) in sorted(kinds.items()):
                click.echo(json.dumps({"provider": provider, "kind": kind, "rules": rules, "seen": seen}))
        return
    columns = sorted({kind for kinds in counted.values() for kind in kinds})
    for number, kind in enumerate(columns):
        click.echo(f"{_letter(number)} {kind}")
    click.echo(f"{'provider':<26}" + "".join(f"{_letter(number):>7}" for number in range(len(columns))) + f"{'all':>9}")
    for provider, kinds in sorted(counted.items(), key=lambda item: -sum(count[0] for count in item[1].values())):
        cells = [f"{kinds[kind][0]}/{kinds[kind][1]}" if kind in kinds else "." for kind in columns]
        total = "/".join(str(sum(count[part] for count in kinds.values())) for part in (0, 1))
        click.echo(f"{provider:<26}" + "".join(f"{cell:>7}" for cell in cells) + f"{total:>9}")


def is_seen(rule: Rule) -> bool:
    """Whether the source of a rule names a recording in which it was seen."""
    return "seen in" in rule.source.replace("not seen in", "")


def _letter(number: int) -> str:
    return chr(ord("a") + number)


@command.command("diff")
@click.argument("old", type=click.Path(exists=True))
@click.argument("new", type=click.Path(exists=True))
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each rule that differs.")
def diff(old: str, new: str, as_json: bool) -> None:
    """Say what an upgrade from pack OLD to pack NEW changes; files, or folders of them."""
    before, after = ({rule.name: rule for rule in _rules((pack,), None)} for pack in (old, new))
    count = {"added": 0, "removed": 0, "changed": 0}
    for name in sorted(before.keys() | after.keys()):
        if name in before and name in after and before[name].revision == after[name].revision:
            continue
        what = "added" if name not in before else "removed" if name not in after else "changed"
        count[what] += 1
        fields = _differing(before[name], after[name]) if what == "changed" else {}
        rule = after.get(name) or before[name]
        if as_json:
            click.echo(json.dumps({"rule": name, "change": what, "kind": rule.kind, "provider": list(rule.provider),
                                   "strength": rule.strength.name.lower(), "fields": fields}, ensure_ascii=False))  # fmt: skip
        else:
            click.echo(f"{what:<8} {name:<52} {rule.kind:<24} {rule.strength.name.lower()}")
            for field, (was, now) in fields.items():
                click.echo(f"           {field}: {was} -> {now}")
    click.echo(", ".join(f"{number} {what}" for what, number in count.items()), err=True)


def _differing(old: Rule, new: Rule) -> dict[str, list[str]]:
    """Each field of a rule that decides what it finds, as it was and as it is."""
    was, now = asdict(old), asdict(new)
    said = {"why", "source", "catches", "spares", "known_misses", "gate", "revision", "program"}
    return {key: [_short(was[key]), _short(now[key])] for key in was if key not in said and was[key] != now[key]}


def _short(value: Any) -> str:
    text = value.name.lower() if hasattr(value, "name") else str(value)
    return text if len(text) <= 60 else f"{text[:40]}...{text[-17:]}"
