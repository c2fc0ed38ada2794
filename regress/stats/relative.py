"""Changes of totals and their ratios, paired by row: how much longer, slower, more often?

A row holds what one item gave on both sides (tokens, seconds). A statistic is a function of the columns' totals, so
that leaving a row out is a subtraction: its spread comes from the delete-one jackknife (Tukey 1958; Efron & Stein 1981,
Annals of Statistics 9:586-596), over whole clusters where rows share one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from regress.stats.graded import MeanDifference

Floats = npt.NDArray[np.float64]

Statistic = Callable[[Floats], Floats]
"""Totals of the columns, (m, k), to m values."""


def jackknife(rows: Floats, statistic: Statistic, clusters: Sequence[Hashable] | None = None) -> MeanDifference | None:
    """The statistic of all rows, (n, k), and its delete-one spread; None where there is none to see.

    That is with fewer than two rows or clusters, and where the statistic is not finite, with every row or without one.
    """
    n = len(rows)
    groups = rows if clusters is None else _summed(rows, clusters)
    count = len(groups)
    if count < 2:
        return None
    totals = rows.sum(axis=0, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(totals)[0])
        each = statistic(totals - groups)
    if not math.isfinite(value) or not np.all(np.isfinite(each)):
        return None
    variance = (count - 1) / count * float(np.sum((each - each.mean()) ** 2))
    return MeanDifference(n=n, delta=value, standard_error=math.sqrt(variance), degrees=count - 1)


def two_way(cells: Floats, statistic: Statistic) -> MeanDifference | None:
    """The same for rows that were measured in several rounds, (n, rounds, k): prompts differ, and so do moments.

    The variances over rows and over rounds are added, which counts their interaction twice (Cameron, Gelbach & Miller
    2011, JBES 29:238-249 subtract it once): never too small. Degrees of freedom after Satterthwaite (1946), rounded
    down.
    """
    if cells.ndim != 3:
        raise ValueError(f"cells of shape {cells.shape}, not rows x rounds x columns")
    by_row, by_round = jackknife(cells.sum(axis=1), statistic), jackknife(cells.sum(axis=0), statistic)
    if by_row is None or by_round is None:
        return None
    parts = [(by_row.standard_error**2, by_row.degrees), (by_round.standard_error**2, by_round.degrees)]
    variance = sum(part for part, _ in parts)
    squares = sum(part**2 / degrees for part, degrees in parts)
    degrees = math.floor(variance**2 / squares) if squares else by_round.degrees
    return MeanDifference(n=by_row.n, delta=by_row.delta, standard_error=math.sqrt(variance), degrees=max(1, degrees))


def rate_change(totals: Floats) -> Floats:
    """Columns (base's count, its time, candidate's count, its time): the ratio of the two rates - 1."""
    base, candidate = totals[:, 0] / totals[:, 1], totals[:, 2] / totals[:, 3]
    return np.asarray(candidate / base - 1.0, dtype=np.float64)


def share_change(totals: Floats) -> Floats:
    """Columns (base's part, its whole, candidate's part, its whole): candidate's share minus base's."""
    return np.asarray(totals[:, 2] / totals[:, 3] - totals[:, 0] / totals[:, 1], dtype=np.float64)


def quantile_change(
    base: Sequence[float], candidate: Sequence[float], quantile: float, level: float, *, seed: int = 0
) -> tuple[float, tuple[float, float] | None]:
    """(ratio of the two quantiles - 1, its interval): percentile bootstrap over pairs (Efron & Tibshirani 1993, 13.3).

    No interval from fewer than ten pairs. Raises ValueError for values that are not positive.
    """
    pairs = np.array([base, candidate], dtype=np.float64)  # (2, n)
    n = pairs.shape[1]
    if not n or not np.all(pairs > 0.0) or not 0.0 < level < 1.0:
        raise ValueError(f"{n} pairs, level {level}: quantiles need positive values")

    def change(samples: Floats) -> Floats:
        low, high = np.quantile(samples, quantile, axis=-1)
        return np.asarray(high / low - 1.0)

    value = float(change(pairs[:, None, :])[0])
    if n < 10:
        return value, None
    drawn = np.random.default_rng(seed).integers(0, n, (2000, n))
    low, high = np.quantile(change(pairs[:, drawn]), [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return value, (float(low), float(high))


def _summed(rows: Floats, clusters: Sequence[Hashable]) -> Floats:
    if len(clusters) != len(rows):
        raise ValueError(f"{len(rows)} rows and {len(clusters)} cluster labels")
    number = {label: index for index, label in enumerate(dict.fromkeys(clusters))}
    groups = np.zeros((len(number), rows.shape[1]))
    np.add.at(groups, [number[label] for label in clusters], rows)
    return groups
