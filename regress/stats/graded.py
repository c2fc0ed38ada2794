"""Paired differences of graded scores in 0..1, or of item means over several replies: is their mean beyond a bound?

A difference is candidate minus base of one item, -1 to 1. Items of one cluster count together: the cluster-robust
standard error of a mean (Miller 2024, arXiv 2411.00640, eq. 4) with t(C - 1) in place of t(n - 1).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from regress.stats.cluster import squared_residuals
from regress.stats.paired import p_above, tango_z
from regress.stats.student_t import p_above_t, t_quantile

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanDifference:
    """A mean difference, or another change, with its standard error and the degrees of freedom of its t statistic."""

    n: int
    delta: float
    standard_error: float
    degrees: int


def mean_difference(differences: Sequence[float], clusters: Sequence[Hashable] | None = None) -> MeanDifference:
    """Mean and standard error of at least two differences, clustered where labels are given, one for each.

    Raises ValueError for anything that is not a number from -1 to 1, NaN included, and for fewer than two clusters.
    """
    n = len(differences)
    if n < 2 or not all(-1.0 <= d <= 1.0 for d in differences):
        raise ValueError(f"{n} differences, not all of them numbers from -1 to 1")
    mean = math.fsum(differences) / n
    independent = math.fsum((d - mean) ** 2 for d in differences) / (n * (n - 1))
    if clusters is None:
        return MeanDifference(n=n, delta=mean, standard_error=math.sqrt(independent), degrees=n - 1)
    count = len(set(clusters))
    if len(clusters) != n or count < 2:
        raise ValueError(f"{n} differences, {len(clusters)} labels of {count} clusters")
    clustered = squared_residuals(differences, clusters) / n**2
    return MeanDifference(
        n=n, delta=mean, standard_error=math.sqrt(max(independent, clustered)), degrees=min(count, n) - 1
    )


def t_test(difference: MeanDifference, margin: float) -> tuple[float, float]:
    """(p that the drop is smaller than the margin, p that it is larger): paired t at -margin, one-sided each.

    Where hardly anything differs the t test sees no spread and would be certain of anything. So no p-value falls below
    what n pairs without a flip give in Tango's test: a rare loss may just not have been among them.
    """
    if not 0.0 < margin < 1.0:
        raise ValueError(f"margin={margin} is not between 0 and 1")
    unseen = p_above(abs(tango_z(0, 0, difference.n, -margin)))
    excess = difference.delta + margin
    if difference.standard_error == 0.0:
        return (unseen, 1.0) if excess > 0.0 else (1.0, unseen) if excess < 0.0 else (1.0, 1.0)
    t = excess / difference.standard_error
    above, below = p_above_t(t, difference.degrees), p_above_t(-t, difference.degrees)
    return max(above, unseen), max(below, unseen)


def p_mean_above(difference: MeanDifference, bound: float) -> float:
    """One-sided p-value of 'the mean difference is larger than the bound'; never below that of n pairs all alike."""
    excess = difference.delta - bound
    if difference.standard_error == 0.0:
        return 0.5**difference.n if excess > 0.0 else 1.0
    return max(p_above_t(excess / difference.standard_error, difference.degrees), 0.5**difference.n)


def t_interval(difference: MeanDifference, level: float, *, bounded: bool = True) -> tuple[float, float]:
    """Two-sided t interval for the mean difference; one that is `bounded` lies in -1..1."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level={level} is not between 0 and 1")
    half = t_quantile(0.5 + level / 2.0, difference.degrees) * difference.standard_error
    low, high = difference.delta - half, difference.delta + half
    return (max(-1.0, low), min(1.0, high)) if bounded else (low, high)


def bca_interval(
    differences: Sequence[float], level: float, *, seed: int = 0, replicates: int = 4000
) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval (Efron 1987, JASA 82:171-185): a cross-check of the t interval.

    Without any spread there is nothing to resample: the interval is -1..1, which decides nothing.
    """
    values = np.asarray(differences, dtype=np.float64)
    n = len(values)
    if n < 2 or not np.all(np.isfinite(values)):
        raise ValueError(f"{n} differences, not all of them finite")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level={level} is not between 0 and 1")
    if np.ptp(values) == 0.0:
        return -1.0, 1.0
    rng = np.random.default_rng(seed)
    means = np.array([values[rng.integers(0, n, n)].mean() for _ in range(replicates)])
    observed = values.mean()
    share = (np.sum(means < observed) + 0.5 * np.sum(means == observed)) / replicates
    bias = _NORMAL.inv_cdf(min(max(float(share), 0.5 / replicates), 1.0 - 0.5 / replicates))
    residuals = values - observed
    acceleration = float(np.sum(residuals**3)) / (6.0 * float(np.sum(residuals**2)) ** 1.5)

    def limit(probability: float) -> float:
        z = bias + _NORMAL.inv_cdf(probability)
        adjusted = _NORMAL.cdf(bias + z / (1.0 - acceleration * z))
        return float(np.quantile(means, adjusted))

    return limit((1.0 - level) / 2.0), limit((1.0 + level) / 2.0)
