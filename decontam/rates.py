"""Rates with their uncertainty."""

from __future__ import annotations

import math

_Z = 1.96  # of a normal distribution, 95 % lie within so many standard deviations


def wilson(hits: float, n: float) -> tuple[float, float]:
    """The 95 % Wilson interval of the rate `hits` of `n`; both may be weighted counts, `n` an effective one.

    >>> tuple(round(end, 3) for end in wilson(9, 10)), wilson(0, 0)
    ((0.596, 0.982), (0.0, 1.0))
    """
    if n <= 0:
        return 0.0, 1.0
    p = hits / n
    middle, half = p + _Z * _Z / (2 * n), _Z * math.sqrt(p * (1 - p) / n + _Z * _Z / (4 * n * n))
    whole = 1 + _Z * _Z / n
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)
