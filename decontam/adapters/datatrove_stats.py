"""datatrove's statistics, gathered: its own way costs a step microseconds for each value of each document."""

from __future__ import annotations

from array import array
from collections import Counter

from datatrove.utils.stats import MetricStats, Stats

_VALUES = 10_000


class Gathered:
    """Counts, lengths of texts in characters, and seconds of a step, in the way of `stat_update` and `update_doc_stats`."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lengths = array("q")
        self._about = MetricStats()
        self.seconds = 0.0

    def count(self, *labels: str) -> None:
        """One more of each."""
        for label in labels:
            self._counts[label] += 1

    def length(self, characters: int) -> None:
        """A text of so many characters."""
        self._lengths.append(characters)
        if len(self._lengths) == _VALUES:
            self._settle()

    def _settle(self) -> None:
        count, total = len(self._lengths), sum(self._lengths)
        if count:
            mean = total / count
            spread = sum((value - mean) ** 2 for value in self._lengths)
            self._about += MetricStats(total, count, mean, min(self._lengths), max(self._lengths), spread)
            self._lengths = array("q")

    def hand_over(self, stats: Stats) -> None:
        """Add everything to the statistics of a step, and begin anew."""
        self._settle()
        for label, number in self._counts.items():
            stats[label] += MetricStats(number, number, 1.0, 1, 1)
        if self._about.n:
            stats["doc_len"] += self._about
        if self.seconds:
            stats.time_stats.unit = "task"
            stats.time_stats.update(self.seconds)
        self._begin()
