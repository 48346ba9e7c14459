"""Teach: what verdicts say of the rules, and of the config that weighs them.

A verdict is on a record; it counts for each rule that had a say in taking it out. Records that reviewers were shown as a random
sample stand for 1/probability records each, so estimates are for all that a rule took out, whatever the sample favoured. Records that were
judged because somebody looked for them say nothing about the others; they are counted apart.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from decontam import tables
from decontam.config import check, load_config
from decontam.errors import InputError
from decontam.finished import Finished
from decontam.quarantine.releasing import ALLOW
from decontam.quarantine.simulating import Moved, Simulated, simulate, source_of
from decontam.quarantine.verdicts import Event, Verdicts, standing
from decontam.quarantine.yamltext import edited
from decontam.rates import wilson
from decontam.recall import findings_of
from decontam.types import Action, Strength

_JUDGED = ("confirm", "release", "unsure")


class Judged(NamedTuple):
    """One judged record: the best score of each rule that had a say, what was said, and the probability of being in the sample."""

    shard: str
    row: int
    scores: Mapping[str, float]
    verdict: str
    probability: float | None


class Precision(NamedTuple):
    """How often a rule was right. `records` it took out; `judged` of these in samples, with what was said, `apart` besides.

    `rate` is weighted, `effective` the number of records that would say as much if none had a weight; the interval is Wilson's, 95 %.
    Where nothing was judged, rate is None. Unsure ones count for nothing.
    """

    rule: str
    records: int
    judged: int
    confirmed: int
    released: int
    unsure: int
    apart: int
    rate: float | None
    low: float
    high: float
    effective: float


def judged(run: Finished, log: Verdicts) -> tuple[list[Judged], Counter[str]]:
    """The judged records, and how many records each rule took out."""
    said: dict[str, dict[int, list[Event]]] = {}
    for event in log.events():
        said.setdefault(event.shard, {}).setdefault(event.row, []).append(event)
    found: list[Judged] = []
    records: Counter[str] = Counter()
    for shard in run.shards("quarantine"):
        mine = said.get(shard, {})
        for row in tables.read_columns(run.folder, f"quarantine/{shard}.parquet", ["row", "findings"]):
            scores = _scores(row)
            records.update(scores.keys())
            events = standing(mine.get(row["row"], ()))
            verdict = next((event.verdict for event in reversed(events) if event.verdict in _JUDGED), None)
            if verdict is not None:
                shown = next((event.probability for event in reversed(events) if event.probability is not None), None)
                found.append(Judged(shard, row["row"], scores, verdict, shown))
    return found, records


def _scores(row: Mapping[str, Any]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for finding in findings_of(row):
        if finding.strength > Strength.MENTION:
            scores[finding.name] = max(finding.score, scores.get(finding.name, 0.0))
    return scores


def precision_of(rule: str, found: Iterable[Judged], records: int = 0) -> Precision:
    """How often a rule was right, by some judged records."""
    mine = [each for each in found if rule in each.scores]
    sampled = [each for each in mine if each.probability is not None]
    counts = Counter(each.verdict for each in sampled)
    weights = [(1 / each.probability, each.verdict == "confirm") for each in sampled if each.verdict != "unsure" and each.probability]
    total = sum(weight for weight, _ in weights)
    if not total:
        return Precision(rule, records, len(sampled), 0, 0, counts["unsure"], len(mine) - len(sampled), None, 0.0, 1.0, 0.0)
    rate = sum(weight for weight, right in weights if right) / total
    effective = total * total / sum(weight * weight for weight, _ in weights)
    low, high = wilson(rate * effective, effective)
    return Precision(
        rule,
        records,
        len(sampled),
        counts["confirm"],
        counts["release"],
        counts["unsure"],
        len(mine) - len(sampled),
        rate,
        low,
        high,
        effective,
    )


def precision(run: Finished, log: Verdicts) -> list[Precision]:
    """How often each rule was right that took records out, the ones that were wrong most surely first."""
    found, records = judged(run, log)
    told = [precision_of(rule, found, count) for rule, count in records.items()]
    return sorted(told, key=lambda each: (each.rate is None, each.high, each.rule))


@dataclass(frozen=True)
class Proposal:
    """What to change in a config, and why, in a line each. `rows` go before the actions, `allow` and `disable` to what is there."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    allow: list[dict[str, Any]] = field(default_factory=list)
    disable: dict[str, list[str]] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rows or self.allow or self.disable)


class Taught(NamedTuple):
    """A proposal, the change of the config file as a unified diff, the new file, what it would change, and how it would have judged.

    `sides` counts the judged records that would no longer be taken out, by what was said of them.
    """

    proposal: Proposal
    diff: str
    content: str
    simulated: Simulated | None
    sides: Counter[str]


def proposed(run: Finished, log: Verdicts, target: float, least: int, today: date) -> Proposal:
    """What would make rules right as often as `target`; of rules with fewer than `least` effective verdicts nothing is said."""
    found, records = judged(run, log)
    proposal = Proposal()
    for rule in sorted(records):
        told = precision_of(rule, found, records[rule])
        if told.rate is None or told.effective < least or told.high >= target:
            proposal.allow.extend(_by_source(rule, found, target, least, today, proposal.why))
            continue
        stage, _, id = rule.partition("/")
        said = f"{rule}: {told.rate:.0%} [{told.low:.0%}, {told.high:.0%}] of what it took out was rightly taken"
        if threshold := _threshold(rule, found, target, least):
            proposal.rows.append({"rule": rule, "score": threshold, "action": _action(run, rule)})
            proposal.rows.append({"rule": rule, "action": "tag"})
            proposal.why.append(f"{said}; from a score of {threshold:g} on it reaches {target:.0%}")
        elif told.high < (1 - target) and stage in run.about["config"]["stages"] and rule in run.about["rules"]:
            proposal.disable.setdefault(stage, []).append(id)
            proposal.why.append(f"{said}; it is silenced")
        else:
            proposal.rows.append({"rule": rule, "action": "tag"})
            proposal.why.append(f"{said}; alone it only tags")
    if run.folder.exists(ALLOW) and not run.folder.remote:
        proposal.allow.extend(_released(run, today, proposal.why))
    return proposal


def _threshold(rule: str, found: Sequence[Judged], target: float, least: int) -> float | None:
    """The lowest score from which on the rule is right often enough; None where scores do not tell right from wrong."""
    scores = sorted(
        {each.scores[rule] for each in found if rule in each.scores and each.probability is not None and each.verdict != "unsure"}
    )
    for score in scores[1:]:
        told = precision_of(rule, [each for each in found if each.scores.get(rule, 0.0) >= score])
        if told.rate is not None and told.rate >= target and told.effective >= least:
            return score
    return None


def _action(run: Finished, rule: str) -> str:
    """The dearest action that the policy of a run has for a rule."""
    from fnmatch import fnmatchcase

    rows = run.about["config"]["policy"]["actions"]
    fitting = [Action[row["action"].upper()] for row in rows if fnmatchcase(rule, row["rule"])]
    return max(fitting, default=Action.QUARANTINE).name.lower()


def _by_source(rule: str, found: Sequence[Judged], target: float, least: int, today: date, why: list[str]) -> Iterator[dict[str, Any]]:
    """Allowances for the folders of shards in which alone a rule is wrong."""
    by: dict[str, list[Judged]] = {}
    for each in found:
        if rule in each.scores:
            by.setdefault(source_of(each.shard), []).append(each)
    for source, mine in sorted(by.items()) if len(by) > 1 else ():
        told = precision_of(rule, mine)
        if told.rate is not None and told.effective >= least and told.high < target:
            said = f"{told.rate:.0%} [{told.low:.0%}, {told.high:.0%}] of what it took out there was rightly taken"
            why.append(f"{rule} in {source}: {said}; it is allowed there")
            pattern = "*" if source == "." else f"{source}/*"
            yield {"rule": rule, "source": pattern, "reason": said, "by": "reviewers", "expires": _next_year(today)}


def _released(run: Finished, today: date, why: list[str]) -> Iterator[dict[str, Any]]:
    path = str(Path(run.folder.path(ALLOW)).absolute())
    if all(allowed.get("records") != path for allowed in run.about["config"]["policy"]["allow"]):
        why.append("records that reviewers gave back are known by their content")
        yield {"records": path, "reason": "given back by reviewers", "by": "reviewers", "expires": _next_year(today)}


def _next_year(today: date) -> str:
    return f"{today.year + 1}-{today.month:02}-{min(today.day, 28):02}"


def teach(run: Finished, log: Verdicts, config: str | None = None, target: float = 0.9, least: int = 10,
          today: date | None = None, moved: Callable[[Moved, str | None], object] = lambda each, verdict: None) -> Taught:  # fmt: skip
    """Propose thresholds, rules to silence and allowances as a change of a config file; by default of the config of the run.

    `moved` is told each record that would fare otherwise, and what was said of it. Raises ConfigError, InputError.
    """
    name, text = _config_text(run, config)
    day = today or date.today()
    proposal = proposed(run, log, target, least, day)
    if not proposal:
        return Taught(proposal, "", text, None, Counter())
    content = edited(text, proposal.rows, proposal.allow, proposal.disable)
    diff = "".join(difflib.unified_diff(text.splitlines(True), content.splitlines(True), name, f"{name} (proposed)"))
    said = {(shard, row): event.verdict for (shard, row), event in log.current().items()}
    sides: Counter[str] = Counter()

    def heard(each: Moved) -> None:
        verdict = said.get((each.shard, each.row))
        if each.before == "quarantined" and each.after not in {"quarantined", "dropped"}:
            sides[verdict or "not judged"] += 1
        moved(each, verdict)

    options = yaml.safe_load(content)
    made = check(options, "the proposed config") if config is None else _loaded(content, Path(config))
    return Taught(proposal, diff, content, simulate(run, made, heard, day), sides)


def _config_text(run: Finished, config: str | None) -> tuple[str, str]:
    if config is None:
        return "config.yaml", yaml.safe_dump(run.about["config"], sort_keys=False, allow_unicode=True)
    try:
        return Path(config).name, Path(config).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"--config {config}: {error}; name a YAML file of your own, or leave it out to start from that of the run"
        ) from None


def _loaded(content: str, path: Path) -> Any:
    """The config in a text, its paths relative to the file that it is to replace."""
    import tempfile

    with tempfile.NamedTemporaryFile("w", dir=path.resolve().parent, suffix=".yaml", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        return load_config(file.name)
