"""Student's t distribution."""

from __future__ import annotations

import math
from statistics import NormalDist

SERIES_FROM = 30
"""Degrees of freedom from which on the series' quantiles are right to 1e-6, up to probabilities of .999."""


def p_above_t(statistic: float, degrees: int) -> float:
    """One-sided p-value of a t statistic with `degrees` of freedom: P(T >= statistic)."""
    from scipy.special import stdtr  # noqa: PLC0415  0.2 s that only some suites pay

    return float(stdtr(degrees, -statistic))


def t_quantile(probability: float, degrees: int) -> float:
    """The value below which a share `probability` of the distribution lies.

    Without scipy, since every report has such intervals: with many degrees of freedom by the series around the normal
    quantile (Abramowitz & Stegun 1964, 26.7.5), with few by bisection of the closed form (26.7.3 and 26.7.4).
    """
    if not 0.0 < probability < 1.0 or degrees < 1:
        raise ValueError(f"probability={probability}, degrees={degrees}: no quantile")
    if degrees < SERIES_FROM:
        return _by_bisection(probability, degrees)
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4.0,
        (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0,
        (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0,
        (79.0 * z**9 + 776.0 * z**7 + 1482.0 * z**5 - 1920.0 * z**3 - 945.0 * z) / 92160.0,
    )
    return math.fsum((z, *(term / degrees**power for power, term in enumerate(terms, start=1))))


def _by_bisection(probability: float, degrees: int) -> float:
    """In the angle whose tangent is t / sqrt(degrees), which lies between -pi/2 and pi/2."""
    low, high = -math.pi / 2.0, math.pi / 2.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _below(middle, degrees) < probability else (low, middle)
    return math.sqrt(degrees) * math.tan((low + high) / 2.0)


def _below(angle: float, degrees: int) -> float:
    """P(T <= sqrt(degrees) tan(angle)), a finite sum for whole degrees."""
    cosine = math.cos(angle)
    odd = degrees % 2
    term, total = cosine**odd, 0.0
    for power in range(odd, degrees - 1, 2):
        total += term
        term *= cosine**2 * (power + 1) / (power + 2)
    inside = (angle + math.sin(angle) * total) * 2.0 / math.pi if odd else math.sin(angle) * total
    return 0.5 + inside / 2.0
