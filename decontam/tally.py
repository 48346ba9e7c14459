"""Tally: counts that add up. It is a commutative sum, so how a run was sharded never shows in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from decontam.types import Action, Verdict

OUTCOMES = ("kept", "tagged", "redacted", "quarantined", "dropped", "errored")
"""What can become of a record that was read; each record counts under exactly one."""

OUTCOME = dict(zip(Action, OUTCOMES, strict=False))


@dataclass
class Tally:
    """`records` and `bytes` count what was read; the rest says what became of it.

    `outcomes` counts records, `errors` the errored ones by reason; `findings` counts findings by `stage/rule`;
    `documents`, `stages`, `kinds` and `providers` count records with at least one such finding; `remarks` count records by what
    stages said beside their findings. `sizes` adds up the bytes of records by outcome; `lengths` counts records by the power of
    two below which their bytes lie: "10" is 512 to 1023.
    """

    records: int = 0
    bytes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    documents: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    providers: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    lengths: Counter[str] = field(default_factory=Counter)

    def add(self, verdict: Verdict, size: int) -> None:
        """Count a record of `size` bytes that was screened."""
        self._count(OUTCOME[verdict.action], size)
        self.remarks.update(verdict.remarks)
        if verdict.findings:
            found = verdict.findings
            self.findings.update([finding.name for finding in found])
            self.documents.update({finding.name for finding in found})
            self.stages.update({finding.stage for finding in found})
            self.kinds.update({finding.kind for finding in found})
            self.providers.update({finding.provider for finding in found if finding.provider})

    def add_error(self, reason: str, size: int) -> None:
        """Count a record of `size` bytes that could not be screened."""
        self._count("errored", size)
        self.errors[reason] += 1

    def _count(self, outcome: str, size: int) -> None:
        self.records += 1
        self.bytes += size
        self.outcomes[outcome] += 1
        self.sizes[outcome] += size
        self.lengths[_POWERS[size.bit_length()]] += 1

    @property
    def balanced(self) -> bool:
        """Everything that was read is accounted for."""
        return self.records == sum(self.outcomes.values()) and self.outcomes["errored"] == sum(self.errors.values())

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.records + other.records,
            self.bytes + other.bytes,
            *(getattr(self, name) + getattr(other, name) for name in COUNTERS),
        )

    def __iadd__(self, other: Tally) -> Tally:
        self.records += other.records
        self.bytes += other.bytes
        for name in COUNTERS:
            getattr(self, name).update(getattr(other, name))
        return self

    def to_dict(self) -> dict[str, Any]:
        counters = {name: dict(sorted(getattr(self, name).items())) for name in COUNTERS}
        return {"records": self.records, "bytes": self.bytes, **counters}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Tally:
        return cls(values["records"], values["bytes"], *(Counter(values.get(name, {})) for name in COUNTERS))


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of any number of tallies, in time that grows with their number alone."""
    done = Tally()
    for tally in tallies:
        done += tally
    return done


_POWERS = tuple(map(str, range(64)))
COUNTERS = ("outcomes", "errors", "findings", "documents", "stages", "kinds", "providers", "remarks", "sizes", "lengths")
