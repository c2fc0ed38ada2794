"""Looking at the data before all of it is there: boundaries that spend alpha, and an e-process for 'the rest agrees'.

Group-sequential tests see a score process: at the information fraction t (the share of the items asked), z times the
root of t behaves like a Brownian motion at time t, its drift being what z has in expectation once everything is asked.
Lan & DeMets (1983, Biometrika 70:659-663) fix how much of alpha may be spent up to t; the boundary of each look follows
by integrating the not yet stopped paths forward (Armitage, McPherson & Rowe 1969, JRSS A 132:235-244).

The e-process answers another question, about the run and not about the population: given what was asked so far in
random order, can the mean over all N items still lie on the other side of the margin?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from regress.stats.paired import p_above

MAX_ALPHA = 0.5
"""Above one half a one-sided test decides nothing."""

SMALLEST_P = 1e-9
"""Sequential p-values are not told apart below this."""

_NORMAL = NormalDist()
_REACH = 7.0  # standard deviations below the mean that the integrals start at
_NODES_PER_SD = 3.0  # Gauss-Legendre nodes in one standard deviation of a look's narrower step: errs by less than 1e-9
_MOST_NODES = 1200
_NEVER = 38.0  # a bound whose probability is zero in double precision
_BOLDEST = 0.75  # share of the wealth that one bet may lose
_TIE = 1e-12  # rounding of N times the margin

Floats = npt.NDArray[np.float64]


class Spending(StrEnum):
    """How alpha is spent over the information fraction t (Lan & DeMets 1983), one-sided."""

    OBRIEN_FLEMING = "obrien-fleming"  # 2 - 2 Phi(z_{alpha/2} / sqrt t): almost nothing early
    POCOCK = "pocock"  # alpha ln(1 + (e - 1) t): nearly evenly

    def spent(self, alpha: float, fraction: float) -> float:
        """Alpha spent up to the information fraction."""
        if self is Spending.POCOCK:
            return alpha * math.log1p((math.e - 1.0) * fraction)
        return 2.0 * p_above(_NORMAL.inv_cdf(1.0 - alpha / 2.0) / math.sqrt(fraction))


def boundaries(fractions: Sequence[float], alpha: float, spending: Spending) -> tuple[float, ...]:
    """Upper bounds for z at each information fraction, one-sided: crossing any has probability alpha under the null.

    `fractions` increase and end at 1; 0 < alpha <= 1/2. Raises ValueError otherwise, NaN included.
    """
    rising = all(before < after for before, after in pairwise((0.0, *fractions)))
    if not fractions or fractions[-1] != 1.0 or not rising:
        raise ValueError(f"information fractions {list(fractions)} do not increase from above 0 to 1")
    if not 0.0 < alpha <= MAX_ALPHA:
        raise ValueError(f"alpha={alpha} is not between 0 and {MAX_ALPHA}")
    return _boundaries(tuple(fractions), alpha, spending)


@lru_cache(maxsize=1024)
def _boundaries(fractions: tuple[float, ...], alpha: float, spending: Spending) -> tuple[float, ...]:
    times = (0.0, *fractions)
    sds = [math.sqrt(after - before) for before, after in pairwise(times)]
    spent = [0.0, *(spending.spent(alpha, t) for t in fractions)]
    nodes, weights = np.zeros(1), np.ones(1)  # paths not stopped yet: where they are, and with what probability
    bounds = []
    for look, t in enumerate(fractions):
        bound = _solve(nodes, weights, sds[look], math.sqrt(t), spent[look + 1] - spent[look])
        bounds.append(bound / math.sqrt(t))
        if t < 1.0:
            low = -_REACH * math.sqrt(t)
            narrow = min(sds[look], sds[look + 1])
            count = min(_MOST_NODES, math.ceil(_NODES_PER_SD * (bound - low) / narrow) + 16)
            where, width = _legendre(count)
            after = low + (bound - low) * where  # (J,)
            weights = width * (bound - low) * (_density((after[:, None] - nodes) / sds[look]) @ weights) / sds[look]
            nodes = after
    return tuple(bounds)


def _solve(nodes: Floats, weights: Floats, sd: float, scale: float, probability: float) -> float:
    """The bound that paths at `nodes` exceed after a step of `sd` with the given probability.

    Newton's steps on the logarithm of the tail, which is nearly a parabola; bisection where one leaves the bracket.
    """
    if probability <= 0.0 or _exceeds(nodes, weights, sd, _NEVER * scale) >= probability:
        return _NEVER * scale
    low, high = -_REACH * scale, _NEVER * scale
    bound = scale * min(max(_NORMAL.inv_cdf(1.0 - min(max(probability, 1e-16), 0.9)), -_REACH), _NEVER)
    for _ in range(100):
        tail = _exceeds(nodes, weights, sd, bound)
        low, high = (bound, high) if tail > probability else (low, bound)
        slope = float(_density((bound - nodes) / sd) @ weights) / sd
        step = bound + tail * math.log(tail / probability) / slope if tail > 0.0 and slope > 0.0 else math.nan
        if abs(step - bound) < 1e-10 * scale:
            return step
        bound = step if low < step < high else (low + high) / 2.0
    return bound


def _exceeds(nodes: Floats, weights: Floats, sd: float, bound: float) -> float:
    tails = np.array([p_above(z) for z in ((bound - nodes) / sd).tolist()])
    return float(tails @ weights)


def _density(z: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi), dtype=np.float64)


@lru_cache(maxsize=256)
def _legendre(count: int) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes and weights on 0..1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1.0) / 2.0, weights / 2.0


def sequential_p(z: Sequence[float], fractions: Sequence[float], spending: Spending) -> float:
    """Smallest alpha whose boundaries one of the looks seen so far has crossed.

    `z` holds the statistics of the first looks, possibly of fewer than `fractions` plans: because the test stopped, or
    because it still runs. Valid whatever the reason for stopping (a stagewise p-value would not be), so that Holm may
    combine it with p-values of suites that ran to their end. 1 where not even alpha = 1/2 is crossed, where nothing is
    decided; at least SMALLEST_P. Raises ValueError for more looks than planned, and for NaN.
    """
    if len(z) > len(fractions) or any(map(math.isnan, z)):
        raise ValueError(f"{len(z)} looks of {len(fractions)} planned, or not numbers: {list(z)}")

    def crossed(alpha: float) -> bool:
        bounds = boundaries(fractions, alpha, spending)
        return any(value >= bound for value, bound in zip(z, bounds, strict=False))

    if not crossed(MAX_ALPHA):
        return 1.0
    if crossed(SMALLEST_P):
        return SMALLEST_P
    low, high = math.log(SMALLEST_P), math.log(MAX_ALPHA)
    while high - low > 1e-6:
        middle = (low + high) / 2.0
        low, high = (low, middle) if crossed(math.exp(middle)) else (middle, high)
    return math.exp(high)


def conditional_power(z: float, fraction: float, drift: float, critical: float) -> float:
    """Chance that z will be at least `critical` in the end, given z at an information fraction.

    `drift` is the expectation of the final z under the truth that is assumed for the rest (Jennison & Turnbull 2000,
    Group Sequential Methods, section 10.2). The looks in between are left out.
    """
    if not 0.0 < fraction <= 1.0 or not all(map(math.isfinite, (z, drift, critical))):
        raise ValueError(f"z={z} at the fraction {fraction}, drift={drift}, critical={critical}")
    rest = 1.0 - fraction
    expected = z * math.sqrt(fraction) + drift * rest
    if rest == 0.0:
        return 1.0 if expected >= critical else 0.0
    return p_above((critical - expected) / math.sqrt(rest))


class AgreementProcess:
    """Two e-processes that ask, item by item in random order: what will the mean over all N items be?

    `e_pass` is evidence against 'the mean of all N differences is at most -margin', `e_fail` against 'it is at least
    -margin'. Each is the wealth of a gambler who starts with 1 and bets on the next item knowing the ones before:
    without replacement, the mean of what is left under the hypothesis follows from what was seen (Waudby-Smith & Ramdas
    2020, Confidence sequences for sampling without replacement, NeurIPS; 2024, Estimating means of bounded random
    variables by betting, JRSS B 86:1-27). Under its hypothesis a wealth ever reaches 1 / alpha with a probability of at
    most alpha (Ville 1939), so one may look after every item.

    The claim is about these N items only: how the whole run would come out, not what the candidate does elsewhere. The
    order must be random; sorted items break it.
    """

    def __init__(self, total: int, margin: float) -> None:
        if total < 1 or not 0.0 < margin < 1.0:
            raise ValueError(f"total={total}, margin={margin}: at least one item, and a margin between 0 and 1")
        self._total = total
        self._seen = 0
        self._sum = 0
        self._flips = 0
        self._above = _Gambler(-margin)
        self._below = _Gambler(margin)  # of the mirrored differences

    def update(self, difference: int) -> None:
        """The next item: -1 lost, 0 the same, 1 gained. Raises ValueError for others and after the last item."""
        if difference not in (-1, 0, 1) or self._seen == self._total:
            raise ValueError(f"difference {difference} after {self._seen} of {self._total} items")
        left = self._total - self._seen
        mean, variance = self._sum / (self._seen + 1), (self._flips + 0.5) / (self._seen + 1)
        self._above.bet(difference, (self._total * self._above.bound - self._sum) / left, mean, variance)
        self._below.bet(-difference, (self._total * self._below.bound + self._sum) / left, -mean, variance)
        self._seen, self._sum, self._flips = self._seen + 1, self._sum + difference, self._flips + abs(difference)

    @property
    def e_pass(self) -> float:
        """Wealth against 'the drop is at least the margin'; infinite once not even losing all the rest makes it so."""
        worst = self._sum - (self._total - self._seen)
        return math.inf if worst > self._total * self._above.bound + _TIE * self._total else self._above.wealth

    @property
    def e_fail(self) -> float:
        """Wealth against 'the drop is at most the margin'; infinite once not even gaining all the rest makes it so."""
        best = self._sum + (self._total - self._seen)
        return math.inf if -best > self._total * self._below.bound + _TIE * self._total else self._below.wealth

    @property
    def p_pass(self) -> float:
        """Anytime p-value: one over the largest wealth so far."""
        return min(1.0, 1.0 / max(self._above.most, self.e_pass))

    @property
    def p_fail(self) -> float:
        return min(1.0, 1.0 / max(self._below.most, self.e_fail))


class _Gambler:
    """Wealth of betting that values in -1..1 have a mean above `bound`."""

    def __init__(self, bound: float) -> None:
        self.bound = bound
        self.wealth = 1.0
        self.most = 1.0

    def bet(self, value: int, rest: float, mean: float, variance: float) -> None:
        """Stake on the next value: `rest` is the mean of what is left under the hypothesis, the other two are guesses.

        The stake nearly maximises the expected log of the wealth and never risks all of it.
        """
        if -1.0 < rest < 1.0:  # else the hypothesis is certainly true or certainly false
            edge = mean - rest
            stake = min(max(edge / (variance + edge * edge), 0.0), _BOLDEST / (1.0 + rest))
            self.wealth *= 1.0 + stake * (value - rest)
            self.most = max(self.most, self.wealth)
