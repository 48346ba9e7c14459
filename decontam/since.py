"""Since: a chain that knows what an earlier run found in its kept shards, and looks only for what that run did not look for.

It comes to what the whole chain comes to, text for text. A record is looked at with all rules where the earlier run has redacted it,
where a rule found something in it that is gone or another one now, and where a new rule finds something: rules of one stage may
overlap. All others have the findings that they had. Stages without rules are asked every time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from decontam import finished, proof, tables
from decontam.chain import Chain, measured, timed
from decontam.config import Config, chain_of, rules_of
from decontam.errors import InputError, ShardError
from decontam.finished import Finished
from decontam.policy import Policy
from decontam.recall import findings_of, reported
from decontam.types import Action, Finding, Measure, Record, Verdict

_NOTHING_FOUND = Verdict(Action.KEEP)
_STAYED = {"keep", "tag", "redact"}
_SAME = ("text_key", "id_key", "screen", "provenance_keys")


def parent_of(out: str) -> tuple[Finished, str]:
    """An earlier run and its run digest. Raises InputError where it is none whose kept shards can be gone on from."""
    run = finished.opened(out)
    told = proof.read(run.folder)
    if told is None or not proof.stands(run.folder, told):
        raise InputError(f"--since {out}: its proof is missing or does not hold; decontam verify says why")
    if run.about.get("state") != "done":
        raise InputError(f"--since {out}: that run is not done ({run.about.get('state')}); run its command again first")
    if run.about["config"]["output"]["kept"] == "none":
        raise InputError(f"--since {out}: that run kept no shards (--kept none); screen its inputs instead")
    return run, str(told["run"])


def fitting(run: Finished, config: Config) -> None:
    """Raises InputError where a config screens other texts than the earlier run did."""
    for name in _SAME:
        if getattr(config.input, name) != getattr(run.config.input, name):
            raise InputError(
                f"--since {run.folder.root}: input.{name} is not what it was there, so its findings are of other texts; screen them whole"
            )


@dataclass
class Since:
    """A chain for the kept shards of `run`. `fresh` has the new rules alone."""

    whole: Chain
    fresh: Chain
    run: Finished
    known: Mapping[str, str]
    """Rules that ran before and are the same now, with their revisions."""
    kept: frozenset[str]
    """Names of stages whose findings are taken from the earlier run."""
    _rows: dict[int, tuple[Finding, ...] | None] = field(default_factory=dict, init=False)

    @property
    def policy(self) -> Policy:
        return self.whole.policy

    def timed(self, seconds: dict[str, float]) -> Since:
        """The same, adding up in `seconds` how long each stage takes."""
        return replace(self, whole=timed(self.whole, seconds), fresh=timed(self.fresh, seconds))

    def screen(self, record: Record) -> Verdict:
        """The verdict on a record of the kept shard that was begun."""
        earlier = self._rows.get(record.meta["row"], ())
        if earlier is None:
            return self.whole.screen(record)
        measures: list[tuple[str, Measure]] = []
        fresh = self.fresh.found(record, measures)
        if any(finding.stage in self.kept for finding in fresh):
            return self.whole.screen(record)
        verdict = self._decided(record, earlier, fresh) if earlier or fresh else _NOTHING_FOUND
        return measured(verdict, measures) if measures else verdict

    def _decided(self, record: Record, earlier: Sequence[Finding], fresh: Sequence[Finding]) -> Verdict:
        fields = {part.path: number for number, part in enumerate(record.fields)}
        stages = {stage.name: number for number, stage in enumerate(self.whole.stages)}
        together = sorted([*earlier, *fresh], key=lambda finding: (fields.get(finding.field, -1), stages[finding.stage]))
        return self.whole.decide(record, together)

    def begin(self, shard: str) -> str:
        """Get ready for a kept shard; its SHA-256 as the earlier run wrote it.

        Raises ShardError where that run wrote none, OSError where its findings cannot be read.
        """
        told = orjson.loads(self.run.folder.read(f"tallies/{shard}.json") or b"{}").get("outputs", {})
        if f"kept/{shard}" not in told:
            raise ShardError(f"{self.run.folder.path(f'kept/{shard}')}: not from that run; decontam verify names what else is not")
        removed = self.run.removed(shard)
        self._rows = {
            row["row"] - bisect_left(removed, row["row"]): self._usable(row)
            for found in tables.read(self.run.folder, f"findings/{shard}.parquet")
            for row in found
            if row["action"] in _STAYED
        }
        return str(told[f"kept/{shard}"]["sha256"])

    def _usable(self, row: Mapping[str, Any]) -> tuple[Finding, ...] | None:
        """What was found in a record that is as it was; None where it has to be looked at whole."""
        findings = [finding for finding in findings_of(row) if finding.stage in self.kept]
        same = all(self.known.get(finding.name) == finding.revision for finding in findings)
        return tuple(map(reported, findings)) if same and row["action"] != "redact" else None


def chain_since(config: Config, out: str) -> Since:
    """The chain of a config over the kept shards of an earlier run. Raises ConfigError, RuleError, InputError."""
    run = finished.opened(out)
    rules = {rule.name: rule.revision for rule in rules_of(config)}
    known = {name: revision for name, revision in rules.items() if run.about["rules"].get(name) == revision}
    whole = chain_of(config)
    ran = {name.partition("/")[0] for name in run.about["rules"]}
    kept = frozenset(name for name in ran if (options := config.stages.get(name)) is not None and options.enabled)
    return Since(whole, chain_of(config, without=frozenset(known)), run, known, kept)
