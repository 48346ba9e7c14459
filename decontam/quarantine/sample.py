"""Sample: some records of a quarantine, drawn at random from strata, each with the probability with which it was drawn.

A rule that took out ten records is judged as surely as one that took out a million, and whoever counts the verdicts can
still say what they mean for all records: each stands for 1/probability of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from decontam.quarantine.index import Index


class Drawn(NamedTuple):
    """A record in a sample: its number in the index, its stratum, the probability that a record of that stratum is drawn."""

    number: int
    stratum: str
    probability: float


def shares(sizes: Mapping[str, int], most: int) -> dict[str, int]:
    """How many records to draw from strata of these sizes, `most` in all: as evenly as their sizes allow.

    Where there are more strata than records to draw, the largest ones get one each.

    >>> shares({"a": 2, "b": 100, "c": 100}, 12)
    {'a': 2, 'b': 5, 'c': 5}
    >>> shares({"a": 2, "b": 1, "c": 3}, 2)
    {'a': 1, 'b': 0, 'c': 1}
    """
    given = dict.fromkeys(sizes, 0)
    left = min(most, sum(sizes.values()))
    while left:
        able = sorted((name for name in sizes if given[name] < sizes[name]), key=lambda name: (-sizes[name], name))
        each = max(1, left // len(able))
        for name in able:
            more = min(each, sizes[name] - given[name], left)
            given[name] += more
            left -= more
    return given


def sample(index: Index, most: int, by: str = "rule", seed: int = 0) -> list[Drawn]:
    """At most `most` records, by number; the same ones for the same seed and quarantine.

    `by` is rule, stage, provider or source: a record is in the stratum of the finding that weighs most in it.
    """
    sizes = index.strata(by)
    given = shares(sizes, most)
    drawn = index.drawn(by, given, seed)
    return [Drawn(number, stratum, given[stratum] / sizes[stratum]) for number, stratum in drawn.items()]


def everything(index: Index) -> list[Drawn]:
    """All records; each was certain to be there."""
    return [Drawn(number, "(all)", 1.0) for number in range(index.count)]
