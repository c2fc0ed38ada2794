"""Intervals for one rate and for the difference of two paired ones, and McNemar's tests: the classical methods.

The gate decides with `paired` and `exact`; these serve reports, calibration and large samples. Everywhere `lost` counts
pairs that went right -> wrong, `gained` wrong -> right, and delta = (gained - lost) / n.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from regress.stats.paired import check_counts, p_above

_NORMAL = NormalDist()


def _critical(level: float) -> float:
    if not 0.0 < level < 1.0:
        raise ValueError(f"level={level} is not between 0 and 1")
    return _NORMAL.inv_cdf(0.5 + level / 2.0)


def _check_share(k: int, n: int) -> None:
    if n < 1 or not 0 <= k <= n:
        raise ValueError(f"impossible counts: {k} of {n}")


def wilson(k: int, n: int, level: float) -> tuple[float, float]:
    """Score interval of a rate after k of n (Wilson 1927, JASA 22:209-212)."""
    z = _critical(level)
    _check_share(k, n)
    p, spread = k / n, z * z / n
    centre = (p + spread / 2.0) / (1.0 + spread)
    half = z * math.sqrt(p * (1.0 - p) / n + spread / (4.0 * n)) / (1.0 + spread)
    return max(0.0, centre - half) if k else 0.0, min(1.0, centre + half) if k < n else 1.0


def clopper_pearson(k: int, n: int, level: float) -> tuple[float, float]:
    """Exact interval of a rate after k of n (Clopper & Pearson 1934, Biometrika 26:404-413)."""
    from scipy.special import betaincinv  # noqa: PLC0415  0.2 s that only its callers pay

    _critical(level)
    _check_share(k, n)
    tail = (1.0 - level) / 2.0
    low = float(betaincinv(k, n - k + 1, tail)) if k else 0.0
    high = float(betaincinv(k + 1, n - k, 1.0 - tail)) if k < n else 1.0
    return low, high


def newcombe(both_pass: int, lost: int, gained: int, both_fail: int, level: float) -> tuple[float, float]:
    """Delta from the Wilson limits of the two marginal rates and their correlation.

    Method 10 of Newcombe (1998), Statistics in Medicine 17:2635-2650, with the continuity-corrected correlation.
    """
    n = both_pass + lost + gained + both_fail
    check_counts(lost, gained, n)
    if min(both_pass, both_fail) < 0:
        raise ValueError(f"impossible counts: {both_pass}, {both_fail}")
    base, candidate = both_pass + lost, both_pass + gained
    low_b, high_b = wilson(base, n, level)
    low_c, high_c = wilson(candidate, n, level)
    margins = base * (n - base) * candidate * (n - candidate)
    agreement = float(both_pass * both_fail - lost * gained)
    if agreement > 0:
        agreement = max(agreement - n / 2.0, 0.0)
    phi = agreement / math.sqrt(margins) if margins else 0.0
    p_b, p_c = base / n, candidate / n

    def reach(from_c: float, from_b: float) -> float:
        return math.sqrt(max(from_c**2 - 2.0 * phi * from_c * from_b + from_b**2, 0.0))

    delta = (gained - lost) / n
    low = delta - reach(p_c - low_c, high_b - p_b)
    high = delta + reach(high_c - p_c, p_b - low_b)
    return max(-1.0, low), min(1.0, high)


def bonett_price(lost: int, gained: int, n: int, level: float) -> tuple[float, float]:
    """Wald interval of delta with one pair added to each kind of flip (Bonett & Price 2012, JEBS 37:479-488)."""
    centre, error = _bonett_price(lost, gained, n)
    half = _critical(level) * error
    return max(-1.0, centre - half), min(1.0, centre + half)


def bonett_price_p_below(lost: int, gained: int, n: int, delta0: float) -> float:
    """One-sided p-value for delta < delta0: one minus the confidence at which the upper limit reaches delta0."""
    centre, error = _bonett_price(lost, gained, n)
    return p_above((delta0 - centre) / error)


def _bonett_price(lost: int, gained: int, n: int) -> tuple[float, float]:
    check_counts(lost, gained, n)
    p_lost, p_gained = (lost + 1) / (n + 2), (gained + 1) / (n + 2)
    variance = p_lost + p_gained - (p_gained - p_lost) ** 2
    return p_gained - p_lost, math.sqrt(variance / (n + 2))


def agresti_min(lost: int, gained: int, n: int, level: float) -> tuple[float, float]:
    """Wald interval of delta with half a pair added to each of the four cells (Agresti & Min 2005, SiM 24:729-740)."""
    check_counts(lost, gained, n)
    p_lost, p_gained = (lost + 0.5) / (n + 2), (gained + 0.5) / (n + 2)
    centre = p_gained - p_lost
    half = _critical(level) * math.sqrt((p_lost + p_gained - centre**2) / (n + 2))
    return max(-1.0, centre - half), min(1.0, centre + half)


def mcnemar(lost: int, gained: int) -> float:
    """Two-sided asymptotic McNemar test of delta = 0 (McNemar 1947); 1 without flips."""
    _check_flips(lost, gained)
    return 2.0 * p_above(abs(gained - lost) / math.sqrt(lost + gained)) if lost + gained else 1.0


def mcnemar_corrected(lost: int, gained: int) -> float:
    """With Edwards' continuity correction (1948)."""
    _check_flips(lost, gained)
    if not lost + gained:
        return 1.0
    return 2.0 * p_above(max(abs(gained - lost) - 1.0, 0.0) / math.sqrt(lost + gained))


def mcnemar_exact(lost: int, gained: int) -> float:
    """Two-sided exact conditional test: twice the smaller binomial tail, at most 1."""
    return min(1.0, 2.0 * math.fsum(_tail_terms(lost, gained)))


def mcnemar_midp(lost: int, gained: int) -> float:
    """Two-sided mid-p test: the exact one less the probability of what was seen (Fagerland et al. 2013)."""
    terms = _tail_terms(lost, gained)
    return min(1.0, 2.0 * math.fsum(terms) - terms[-1])


def _tail_terms(lost: int, gained: int) -> list[float]:
    """Binomial(flips, 1/2) probabilities of 0 up to the smaller count."""
    _check_flips(lost, gained)
    flips = lost + gained
    whole = math.lgamma(flips + 1) - flips * math.log(2.0)
    return [math.exp(whole - math.lgamma(k + 1) - math.lgamma(flips - k + 1)) for k in range(min(lost, gained) + 1)]


def _check_flips(lost: int, gained: int) -> None:
    if lost < 0 or gained < 0:
        raise ValueError(f"impossible counts: lost={lost}, gained={gained}")
