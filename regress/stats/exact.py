"""Exact unconditional tests of a paired difference at a margin: no normal approximation, whatever the flip rate.

The hypothesis delta = -margin leaves one nuisance parameter, the flip rate psi = P(lost) + P(gained). All outcomes
(lost, gained) are ordered by Tango's statistic at -margin; a p-value is the largest probability, over psi, of an
outcome at least as extreme as the one seen (Barnard 1947; for matched pairs Hsueh, Liu & Chen 2001, Biometrics
57:478-483). The statistic falls with every loss and rises with every gain, so the boundary is the worst case of the
whole hypothesis.

The supremum leaves out flip rates that the data rule out (Berger & Boos 1994, JASA 89:1012-1016), since near psi = 1
the few outcomes are so coarse that every test would pay for a flip rate nobody has. Theirs is a confidence interval for
psi, with which one more loss can lower a p-value: the interval moves with the flips. Here only one side is bounded, and
by the count whose growth makes the outcome less extreme anyway (losses for PASS, gains for FAIL), so order is kept.
"""

from __future__ import annotations

import math
from enum import StrEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from regress.stats.paired import check_counts, p_above, tango_z

MAX_N = 2000
"""Largest n that is enumerated; above it the approximations err by less than the lattice does."""

RULED_OUT = 1e-9
"""One minus the confidence of the bound on psi, and more than the windows leave out: added to every p-value."""

_GRID = 64  # psi: dense near the margin, where gains become impossible and the probability changes fastest
_PEAKS = 3  # of the grid, looked at more closely
_ZOOM = 9  # points between a peak's neighbours, twice

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Tail(StrEnum):
    """What a small p-value speaks for."""

    ABOVE = "above"  # the drop is smaller than the margin: PASS
    BELOW = "below"  # the drop is larger: FAIL


def exact_p(lost: int, gained: int, n: int, margin: float, tail: Tail) -> float:
    """P-value of delta <= -margin (`Tail.ABOVE`) or of delta >= -margin (`Tail.BELOW`).

    `lost`, `gained` and `n` count pairs as in `paired`, 0 < margin < 1. Raises ValueError for impossible counts, other
    margins and n > MAX_N. Exact up to one half; beyond, where nothing is decided, it is the normal approximation's.
    """
    check_counts(lost, gained, n)
    if not 0.0 < margin < 1.0 or n > MAX_N:
        raise ValueError(f"margin={margin}, n={n}: exact tests take 0 < margin < 1 and n <= {MAX_N}")
    z = tango_z(lost, gained, n, -margin)
    approximate = p_above(z) if tail is Tail.ABOVE else p_above(-z)
    if approximate > 0.5:
        return approximate
    most = 2.0 * _upper_bound(lost, n) - margin if tail is Tail.ABOVE else 2.0 * _upper_bound(gained, n) + margin
    return min(0.5, size(n, margin, z, tail, min(max(most, margin), 1.0)) + RULED_OUT)


@lru_cache(maxsize=4096)
def size(n: int, margin: float, z: float, tail: Tail, most: float = 1.0) -> float:
    """Largest probability, over all flip rates up to `most` at delta = -margin, of a statistic at or beyond `z`."""
    region = _Region(n, margin, z, tail)
    grid = margin + (most - margin) * np.linspace(0.0, 1.0, _GRID) ** 2
    values = region.probabilities(grid)
    best = float(values.max())
    for peak in np.argsort(values)[-_PEAKS:]:
        low, high = grid[max(peak - 1, 0)], grid[min(peak + 1, _GRID - 1)]
        for _ in range(2):
            closer = np.linspace(low, high, _ZOOM)
            near = region.probabilities(closer)
            best = max(best, float(near.max()))
            top = int(near.argmax())
            low, high = closer[max(top - 1, 0)], closer[min(top + 1, _ZOOM - 1)]
    return min(1.0, best)


@lru_cache(maxsize=256)
def critical_value(n: int, margin: float, alpha: float, tail: Tail, most: float = 0.5) -> float:
    """The least extreme |z| whose size is at most alpha while no more than `most` of the pairs flip, to 1e-4."""
    sign = 1.0 if tail is Tail.ABOVE else -1.0
    low, high = 0.0, 40.0
    while high - low > 1e-4:
        middle = (low + high) / 2.0
        if size(n, margin, sign * middle, tail, most) <= alpha:
            high = middle
        else:
            low = middle
    return high


def power(n: int, margin: float, critical: float, tail: Tail, flip_rate: float, drop: float) -> float:
    """Chance of a statistic beyond `critical` when `drop` is the true one and `flip_rate` the share that flips."""
    flips = max(flip_rate, abs(drop))
    region = _Region(n, margin, critical if tail is Tail.ABOVE else -critical, tail)
    return region.probability((flips + drop) / 2.0, (flips - drop) / 2.0)


class _Region:
    """All outcomes at least as extreme as `z`: for each number of losses, the gains from which (up to which) they are.

    Their probability is a sum over a window of seven standard deviations (and 20) around the expected counts.
    """

    def __init__(self, n: int, margin: float, z: float, tail: Tail) -> None:
        self._n = n
        self._above = tail is Tail.ABOVE
        self._margin = margin
        self._border = self._find_border(z)
        self._log_factorial = _log_factorials(n)

    def probabilities(self, flip_rates: Floats) -> Floats:
        """At delta = -margin, for each flip rate."""
        m = self._margin
        return np.array([self.probability((psi + m) / 2.0, max(psi - m, 0.0) / 2.0) for psi in flip_rates])

    def probability(self, p_lost: float, p_gained: float) -> float:
        """Of the region, when each pair is lost with `p_lost` and gained with `p_gained`."""
        n, log_factorial = self._n, self._log_factorial
        lost = _window(n, p_lost)[:, None]
        gained = _window(n, p_gained)[None, :]
        rest = n - lost - gained
        border = self._border[lost]
        inside = (gained >= border) if self._above else (gained <= border)
        inside &= rest >= 0
        rest = np.maximum(rest, 0)
        logs = (
            log_factorial[n]
            - log_factorial[lost]
            - log_factorial[gained]
            - log_factorial[rest]
            + lost * _log(p_lost)
            + gained * _log(p_gained)
            + rest * _log(max(1.0 - p_lost - p_gained, 0.0))
        )
        return float(np.exp(logs[inside]).sum())

    def _find_border(self, z: float) -> Ints:
        """For 0..n losses, by bisection: the fewest gains with a statistic of at least z, or the most with at most z.

        Where there are none the border lies beyond every outcome (n + 1, or -1).
        """
        lost = np.arange(self._n + 1)
        slack = 1e-9 * (1.0 + abs(z))  # outcomes that tie with the one seen belong to the region
        low, high = np.full(self._n + 1, -1), np.full(self._n + 1, self._n + 1)
        while np.any(high - low > 1):
            middle = (low + high) // 2
            values = _tango_z(lost, np.clip(middle, 0, self._n), self._n, -self._margin)
            reached = values >= z - slack if self._above else values > z + slack
            high = np.where(reached, middle, high)
            low = np.where(reached, low, middle)
        return high if self._above else low


def _tango_z(lost: Ints, gained: Ints, n: int, delta0: float) -> Floats:
    """`paired.tango_z` for arrays, with -1 < delta0 < 0, where the restricted variance is never zero."""
    b = -(lost + gained) + (2.0 * n - gained + lost) * delta0
    c = -lost * delta0 * (1.0 - delta0)
    q = (np.sqrt(np.maximum(b * b - 8.0 * n * c, 0.0)) - b) / (4.0 * n)
    spread: Floats = np.sqrt(n * np.maximum(2.0 * q + delta0 * (1.0 - delta0), 1e-300))
    return np.asarray((gained - lost - n * delta0) / spread, dtype=np.float64)


@lru_cache(maxsize=4096)
def _upper_bound(k: int, n: int) -> float:
    """Clopper-Pearson upper limit of a rate after k of n, at confidence 1 - RULED_OUT."""
    log_factorial = _log_factorials(n)
    up_to_k = np.arange(k + 1)
    choices = log_factorial[n] - log_factorial[up_to_k] - log_factorial[n - up_to_k]
    low, high = k / n, 1.0
    while high - low > 1e-6:
        p = (low + high) / 2.0
        if np.exp(choices + up_to_k * _log(p) + (n - up_to_k) * _log(1.0 - p)).sum() > RULED_OUT:
            low = p
        else:
            high = p
    return high


def _window(n: int, p: float) -> Ints:
    reach = 7.0 * math.sqrt(n * p * (1.0 - p)) + 20.0
    return np.arange(max(0, math.floor(n * p - reach)), min(n, math.ceil(n * p + reach)) + 1)


def _log(p: float) -> float:
    return math.log(p) if p > 0.0 else -1e6  # times a count of 0 it is 0; times any other, exp() of it is 0


@lru_cache(maxsize=64)
def _log_factorials(n: int) -> Floats:
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
