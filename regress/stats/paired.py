"""Paired binary outcomes: is the difference above or below a bound?

Everywhere `lost` counts pairs that went right -> wrong, `gained` wrong -> right, `n` all pairs, and the difference is
delta = (gained - lost) / n, candidate minus base.
"""

from __future__ import annotations

import math
from statistics import NormalDist

_NORMAL = NormalDist()


def check_counts(lost: int, gained: int, n: int) -> None:
    """Raise ValueError unless 0 <= lost + gained <= n and n >= 1."""
    if n < 1 or lost < 0 or gained < 0 or lost + gained > n:
        raise ValueError(f"impossible counts: lost={lost}, gained={gained}, n={n}")


def restricted_variance(lost: float, gained: float, n: float, delta0: float) -> float:
    """Variance of one pair's difference under delta = delta0, at the restricted maximum-likelihood estimate.

    Tango (1998), Statistics in Medicine 17:891-908: with q the restricted estimate of P(lost), the variance of a pair
    is 2q + delta0 (1 - delta0).
    """
    a = 2.0 * n
    b = -(lost + gained) + (2.0 * n - gained + lost) * delta0
    c = -lost * delta0 * (1.0 - delta0)
    q = (math.sqrt(max(b * b - 4.0 * a * c, 0.0)) - b) / (2.0 * a)
    return max(2.0 * q + delta0 * (1.0 - delta0), 0.0)


def tango_z(lost: int, gained: int, n: int, delta0: float) -> float:
    """Tango's score statistic for delta = delta0; large and positive speaks for delta > delta0.

    Returns +-inf where the restricted variance is zero and the observed difference is not delta0 (no data could look
    like this under the null), and 0 where it equals delta0.
    """
    check_counts(lost, gained, n)
    if not -1.0 <= delta0 <= 1.0:
        raise ValueError(f"delta0={delta0} is not a difference of two rates")
    excess = gained - lost - n * delta0
    spread = math.sqrt(n * restricted_variance(lost, gained, n, delta0))
    if spread == 0.0:
        return math.copysign(math.inf, excess) if abs(excess) > 1e-12 else 0.0
    return excess / spread


def tango_interval(lost: int, gained: int, n: int, level: float) -> tuple[float, float]:
    """Two-sided score interval for delta at confidence `level`: every delta0 that the score test does not reject."""
    check_counts(lost, gained, n)
    if not 0.0 < level < 1.0:
        raise ValueError(f"level={level} is not between 0 and 1")
    z = _NORMAL.inv_cdf(0.5 + level / 2.0)
    estimate = (gained - lost) / n
    return _crossing(lost, gained, n, estimate, -1.0, z), _crossing(lost, gained, n, estimate, 1.0, -z)


def _crossing(lost: int, gained: int, n: int, inside: float, outside: float, z: float) -> float:
    """Where the score statistic, which falls as delta0 grows, crosses z between the estimate and +-1 (bisection)."""
    sign = 1.0 if z > 0 else -1.0
    if sign * tango_z(lost, gained, n, outside) <= sign * z:
        return outside
    for _ in range(60):  # 2 / 2**60: below double precision
        middle = (inside + outside) / 2.0
        if sign * tango_z(lost, gained, n, middle) > sign * z:
            outside = middle
        else:
            inside = middle
    return (inside + outside) / 2.0


def p_above(z: float) -> float:
    """One-sided p-value of a standard normal statistic for 'above': P(Z >= z)."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def mcnemar_midp_gain(lost: int, gained: int) -> float:
    """One-sided mid-p McNemar test of gain > 0: P(X > gained) + P(X = gained)/2 for X ~ Binomial(lost + gained, 1/2).

    Fagerland, Lydersen & Laake (2013), BMC Medical Research Methodology 13:91. Without flips nothing is known: 0.5.
    """
    if lost < 0 or gained < 0:
        raise ValueError(f"impossible counts: lost={lost}, gained={gained}")
    flips = lost + gained
    log_half = -flips * math.log(2.0)
    terms = [
        math.exp(math.lgamma(flips + 1) - math.lgamma(k + 1) - math.lgamma(flips - k + 1) + log_half)
        for k in range(gained, flips + 1)
    ]
    return min(1.0, math.fsum(terms) - terms[0] / 2.0)


def mcnemar_midp_loss(lost: int, gained: int) -> float:
    """The same for any loss."""
    return mcnemar_midp_gain(lost=gained, gained=lost)


def sign_test(more: int, fewer: int) -> float:
    """P-value of at least `more` of all discordant pairs by chance, exact and conservative (McNemar's exact test).

    Raises ValueError for negative counts.
    """
    if more < 0 or fewer < 0:
        raise ValueError(f"{more} and {fewer} discordant pairs")
    total = more + fewer
    return float(sum(math.comb(total, k) for k in range(more, total + 1)) / 2**total)
