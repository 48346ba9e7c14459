"""Kernels: loops over bytes and hashes that numba compiles, and that Python runs unchanged, slowly, where numba is not.

Compiled code is cached beside the source, or in the user's cache where that cannot be written. Importing numba takes a
second and 100 MB, so only modules that a stage needs may import this one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

njit: Any
try:
    from numba import njit
except ImportError:
    njit = None


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, compiled. It takes and returns arrays and numbers; its arithmetic on uint64 wraps around."""
    if njit is not None:
        return njit(cache=True, nogil=True, boundscheck=False)(function)

    @wraps(function)
    def plain(*arguments: Any) -> Any:
        _warn()
        with np.errstate(over="ignore"):
            return function(*arguments)

    return plain


_warned = False


def _warn() -> None:
    global _warned  # noqa: PLW0603 - once for each process, as warnings are meant
    if not _warned:
        _warned = True
        warnings.warn("numba is not installed: tokens are read some hundred times slower, with the same results", stacklevel=3)
