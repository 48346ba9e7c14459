"""Reports: what became of the records of a log: counts that add up, and where the first of each kind of trouble stands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from decontam.logs.units import MALFORMED, TOO_LARGE

FOREIGN = "foreign"
"""JSON that no reader knows."""
CUT = "cut"
"""Cut off; what could be read of it was read."""
FIRST = 5  # places of each kind that are kept


class Trouble(NamedTuple):
    """A record that could not be read, or not to its end: which, where, what is wrong. It holds no text of the record."""

    reason: str
    number: int
    start: int
    end: int
    message: str


@dataclass
class Report:
    """`records` = `understood` + `foreign` + `malformed` + `too_large`; `without_text` and `cut` are among the understood.

    `noise` counts lines that hold no record at all, as server logs have them.
    """

    source: str
    records: int = 0
    understood: int = 0
    without_text: int = 0
    references: int = 0
    cut: int = 0
    foreign: int = 0
    malformed: int = 0
    too_large: int = 0
    noise: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    troubles: list[Trouble] = field(default_factory=list)

    def trouble(self, reason: str, number: int, start: int, end: int, message: str) -> None:
        """Count a trouble, and keep its place if it is one of the first of its kind."""
        count = getattr(self, reason) + 1
        setattr(self, reason, count)
        if count <= FIRST:
            self.troubles.append(Trouble(reason, number, start, end, message))

    def unread(self) -> int:
        """How many records could not be read at all."""
        return self.foreign + self.malformed + self.too_large

    def lines(self) -> list[str]:
        """The report in words, a line for each thing that went wrong."""
        said = [
            f"{self.source}: {self.records:,} records, {self.references:,} texts"
            + (f", {self.unread():,} could not be read" if self.unread() else "")
            + (f", {self.cut:,} are cut off" if self.cut else "")
        ]
        return [
            *said,
            *(
                f"{self.source}: record {each.number}, bytes {each.start:,} to {each.end:,}: {each.reason}: {each.message}"
                for each in self.troubles
            ),
        ]


REASONS = (FOREIGN, MALFORMED, TOO_LARGE, CUT)
