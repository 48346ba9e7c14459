"""Simulating: what another config would have made of a run, from what was found, without looking at a text again.

Everything that a policy weighs is written down with the findings but for values, of which there is only a keyed hash. What an allowance
that lists values or domains covers is taken from what the run decided about the same allowance, from the hash, or from the record in
quarantine; where none of these is there, it is taken as not covered, and counted as undecided. Rules that did not run cannot be simulated
(`decontam run --since` runs them), nor can other texts of a record, nor other redactions of those that stay redacted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, NamedTuple

from decontam import tables
from decontam.allowances import Allowance, RecordList
from decontam.config import Config, StageOptions, chain_of, key_of, rules_of
from decontam.finished import Finished
from decontam.keys import Key
from decontam.layout import Layout, layout_of
from decontam.policy import Policy
from decontam.quarantine.releasing import record_in
from decontam.recall import findings_of, lengths_of, reported
from decontam.redaction import hash_of
from decontam.tally import OUTCOME
from decontam.types import Action, Finding, Record, Span

_TOKEN = 4  # bytes of text that a token takes about, where nobody counts them
UNDECIDED = {"value": "whether an allowance covers a value is not known", "revision": "a rule is another one than it was"}
"""Why some records cannot be decided for sure; they are decided as if no allowance covered the value, or as if the rule were the same."""


class Moved(NamedTuple):
    """A record that would fare otherwise: what became of it and what would; sizes in bytes, None where they are not known."""

    shard: str
    row: int
    id: str
    before: str
    after: str
    size: int | None
    text_bytes: int | None


@dataclass
class Sum:
    """Records with their bytes and about so many tokens."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0

    def add(self, moved: Moved) -> None:
        self.documents += 1
        self.bytes += moved.size or 0
        self.tokens += (moved.text_bytes or 0) // _TOKEN


@dataclass
class Simulated:
    """What would be otherwise. `won` and `lost` are by source: the folder of a shard."""

    records: int = 0
    """Records with findings, all of which were decided again."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """What would become of them."""
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    won: dict[str, Sum] = field(default_factory=dict)
    lost: dict[str, Sum] = field(default_factory=dict)
    undecided: Counter[str] = field(default_factory=Counter)
    unmeasured: int = 0
    """Records among those won or lost whose size was not written down."""
    new_rules: tuple[str, ...] = ()
    other_input: bool = False
    other_stages: tuple[str, ...] = ()
    """Stages that were off or had other options: what they would find now is not simulated."""

    def told(self) -> dict[str, Any]:
        """As JSON-safe values."""
        sources = sorted(self.won.keys() | self.lost.keys())
        return {
            "schema": 1,
            "records": self.records,
            "outcomes": dict(sorted(self.outcomes.items())),
            "changes": [{"from": before, "to": after, "records": n} for (before, after), n in sorted(self.changes.items())],
            "sources": {
                source: {"won": vars(self.won.get(source, Sum())), "lost": vars(self.lost.get(source, Sum()))} for source in sources
            },
            "undecided": dict(sorted(self.undecided.items())),
            "unmeasured": self.unmeasured,
            "rules_not_run": list(self.new_rules),
            "other_input": self.other_input,
            "other_stages": list(self.other_stages),
        }


def source_of(shard: str) -> str:
    """The folder of a shard, by which sums are told apart.

    >>> source_of("web/2024/a.jsonl.gz"), source_of("a.jsonl")
    ('web/2024', '.')
    """
    return shard.rpartition("/")[0] or "."


def simulate(run: Finished, config: Config, moved: Callable[[Moved], object] = lambda each: None, today: date | None = None) -> Simulated:
    """What `config` would have made of a run. `moved` is told each record that would fare otherwise.

    Raises ConfigError, InputError; OSError where a table cannot be read.
    """
    told = Simulated()
    deciding = _Deciding.of(run, config, today or date.today(), told)
    for shard in run.shards("findings"):
        for row, action in deciding.again(run, shard, told):
            before, after = OUTCOME[Action[row["action"].upper()]], OUTCOME[action]
            told.records += 1
            told.outcomes[after] += 1
            if before == after:
                continue
            each = Moved(shard, row["row"], row["id"], before, after, row.get("size"), row.get("text_bytes"))
            told.changes[before, after] += 1
            _sum(told, each)
            moved(each)
    return told


_TAKEN = {"quarantined", "dropped"}


def _sum(told: Simulated, moved: Moved) -> None:
    if (moved.before in _TAKEN) == (moved.after in _TAKEN):
        return
    sums = told.won if moved.before in _TAKEN else told.lost
    sums.setdefault(source_of(moved.shard), Sum()).add(moved)
    told.unmeasured += moved.size is None


@dataclass(frozen=True)
class _Deciding:
    """A policy at work on findings that were written down. `earlier` are the allowances that the run had."""

    config: Config
    policy: Policy
    lists: tuple[RecordList, ...]
    earlier: tuple[Allowance, ...]
    rules: Mapping[str, str]
    ran: Mapping[str, str]
    key: Key | None
    layout: Layout

    @classmethod
    def of(cls, run: Finished, config: Config, today: date, told: Simulated) -> _Deciding:
        had, ran = run.config, run.about["rules"]
        rules = {rule.name: rule.revision for rule in rules_of(config)}
        told.new_rules = tuple(sorted(name for name in rules if name not in ran))
        told.other_input = config.input != had.input
        told.other_stages = tuple(
            name for name, options in config.stages.items() if options.enabled and _differs(options, had.stages.get(name))
        )
        chain, key = chain_of(config, today), key_of(config)
        known = key if key is not None and key.id == run.about.get("key") else None
        earlier = tuple(allowed for allowed in had.policy.allow if allowed.expires >= str(run.about["began"])[:10])
        return cls(config, chain.policy, chain.lists, earlier, rules, ran, known, layout_of(had))

    def again(self, run: Finished, shard: str, told: Simulated) -> Iterator[tuple[dict[str, Any], Action]]:
        """Each row of findings of a shard, and what the policy makes of it."""
        asks = any((allowed.values or allowed.domains or allowed.records) and allowed not in self.earlier for allowed in self.policy.allow)
        held = _rows(run, f"quarantine/{shard}.parquet") if asks else iter(())
        ahead = next(held, None)
        for row in _rows(run, f"findings/{shard}.parquet"):
            mine = None
            if ahead is not None and ahead["row"] == row["row"]:
                mine, ahead = ahead, next(held, None)
            yield row, self._action(row, shard, mine, told)

    def _action(self, row: dict[str, Any], shard: str, held: dict[str, Any] | None, told: Simulated) -> Action:
        stored = [finding for finding in findings_of(row) if self._runs(finding)]
        whole = held is not None and held["exact"] and held["record"] is not None
        record = record_in(held, self.layout, shard) if held is not None and whole else None
        texts = {path: text for path, text, _ in record.fields} if isinstance(record, Record) else None
        found = [self._listed(finding) for finding in stored]
        if isinstance(record, Record):
            found = [reported(finding) for finding in stored]
            for known in self.lists:
                found = known.marked(record, found)
        covering = _Covering(self, shard, texts, {(each.name, each.field, each.span): each for each in stored})
        settled = self.policy.settled(found, covering.allowance)
        if any(self.rules.get(each.name, each.revision) != each.revision for each in stored):
            told.undecided["revision"] += 1
        elif covering.unknown:
            told.undecided["value"] += 1
        return self.policy.weigh(settled, lengths_of(stored), shard).action

    def _listed(self, finding: Finding) -> Finding:
        """A finding as it was reported, on those of our lists on which it was."""
        paths = [known.path for known in self.lists if known.path in finding.detail.get("listed", ())]
        bare = reported(finding)
        return replace(bare, detail={**bare.detail, "listed": paths}) if paths else bare

    def _runs(self, finding: Finding) -> bool:
        """Whether what found it would run too; of stages without rules, whether they are on."""
        if finding.name in self.ran:
            return finding.name in self.rules
        options = self.config.stages.get(finding.stage)
        return options is not None and options.enabled


@dataclass
class _Covering:
    """Which allowance covers a finding of one record. `texts` are those of the record, where they are at hand."""

    deciding: _Deciding
    source: str
    texts: Mapping[str, str] | None
    stored: Mapping[tuple[str, str, Span], Finding]
    unknown: bool = False

    def allowance(self, finding: Finding) -> Allowance | None:
        for allowed in self.deciding.policy.allow:
            covers = self._covers(allowed, finding)
            if covers:
                return allowed
            self.unknown |= covers is None
        return None

    def _covers(self, allowed: Allowance, finding: Finding) -> bool | None:
        """None where that cannot be told."""
        if not allowed.fits(finding, self.source):
            return False
        if self.texts is not None:
            return allowed.covers(finding, self.source, self.texts.get(finding.field, "")[slice(*finding.span)])
        if allowed.records and allowed.records not in finding.detail.get("listed", ()):
            return False if allowed in self.deciding.earlier else None
        if not allowed.values and not allowed.domains:
            return True
        stored = self.stored[finding.name, finding.field, finding.span]
        if allowed in self.deciding.earlier:
            said = str(stored.detail.get("settled", ""))
            mine = said == f"allowed: {allowed.reason} ({allowed.by})"
            return True if mine else None if said.startswith("allowed: ") else False
        return self._by_hash(allowed, stored)

    def _by_hash(self, allowed: Allowance, stored: Finding) -> bool | None:
        key, value = self.deciding.key, stored.detail.get("value")
        if key is None or value is None or allowed.domains:
            return None
        if any(hash_of(stored.kind, listed, key) == value for listed in allowed.values):
            return True
        return None if any(listed.startswith("sha256:") for listed in allowed.values) else False


def _differs(options: StageOptions, had: StageOptions | None) -> bool:
    return had is None or not had.enabled or options.options != had.options


def _rows(run: Finished, name: str) -> Iterator[dict[str, Any]]:
    for rows in tables.read(run.folder, name):
        yield from rows
