"""Several tests at once, or one after another."""

from __future__ import annotations

import math
from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given (Holm 1979, Scandinavian Journal of Statistics 6:65-70).

    Raises ValueError for anything outside 0..1, NaN included.
    """
    _check(p_values)
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Step-up adjusted p-values, which bound the false discovery rate (Benjamini & Hochberg 1995, JRSS B 57:289-300).

    In the order given. Raises ValueError for anything outside 0..1, NaN included.
    """
    _check(p_values)
    count = len(p_values)
    adjusted = [0.0] * count
    running = 1.0
    for rank, index in sorted(enumerate(sorted(range(count), key=p_values.__getitem__), start=1), reverse=True):
        running = min(running, p_values[index] * count / rank)
        adjusted[index] = running
    return adjusted


def spent_alpha(alpha: float, attempt: int) -> float:
    """What the `attempt`-th try (from 1) spends of alpha: 6 alpha / (pi² attempt²), which add up to alpha."""
    if attempt < 1 or not 0.0 < alpha < 1.0:
        raise ValueError(f"attempt {attempt} at alpha {alpha}")
    return 6.0 * alpha / (math.pi * attempt) ** 2


def _check(p_values: Sequence[float]) -> None:
    if any(not 0.0 <= p <= 1.0 for p in p_values):
        raise ValueError(f"not p-values: {list(p_values)}")
