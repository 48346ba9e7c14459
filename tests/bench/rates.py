"""Rates with their uncertainty, for the benches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def wilson(hits: int, n: int) -> str:
    """A rate with its 95 % interval."""
    if not n:
        return "-"
    z, p = 1.96, hits / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return f"{p:6.1%} [{max(0, low):.1%}, {min(1, high):.1%}] of {n:,}"


def print_rates(title: str, groups: Mapping[str, Sequence[bool]]) -> None:
    print(title)
    for name, hits in groups.items():
        print(f"  {name:<38} {wilson(sum(hits), len(hits))}")
