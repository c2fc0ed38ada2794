"""What n items can and cannot tell, before anybody is asked (normal approximations of the tests in `paired`).

`flip_rate` (psi) is the share of items whose outcome differs between base and candidate, in either direction; it is
what drives n. `margin` is the largest acceptable drop, `drop` a true one, both as rates.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from regress.stats.paired import restricted_variance

_NORMAL = NormalDist()


def _check(margin: float, flip_rate: float, alpha: float) -> None:
    if not 0.0 < margin < 1.0 or not 0.0 <= flip_rate <= 1.0 or not 0.0 < alpha < 1.0:
        raise ValueError(f"impossible plan: margin={margin}, flip_rate={flip_rate}, alpha={alpha}")


def _spreads(margin: float, flip_rate: float, drop: float) -> tuple[float, float, float]:
    """(sd under the null delta = -margin, sd under the truth, flip rate), one pair, at the expected counts."""
    flips = max(flip_rate, abs(drop))  # a drop of d needs at least d flips
    lost, gained = (flips + drop) / 2.0, (flips - drop) / 2.0
    return math.sqrt(restricted_variance(lost, gained, 1.0, -margin)), math.sqrt(max(flips - drop * drop, 0.0)), flips


def _chance(distance: float, spread: float) -> float:
    if spread == 0.0:
        return 1.0 if distance > 0.0 else 0.0
    return _NORMAL.cdf(distance / spread)


def pass_power(n: int, margin: float, flip_rate: float, alpha: float, drop: float = 0.0) -> float:
    """Chance that a suite of n items says PASS when the true drop is `drop`."""
    _check(margin, flip_rate, alpha)
    null_sd, sd, _ = _spreads(margin, flip_rate, drop)
    z = _NORMAL.inv_cdf(1.0 - alpha)
    return _chance((margin - drop) * math.sqrt(n) - z * null_sd, sd)


def fail_power(n: int, margin: float, flip_rate: float, alpha: float, drop: float) -> float:
    """Chance that a suite of n items says FAIL when the true drop is `drop`."""
    _check(margin, flip_rate, alpha)
    null_sd, sd, _ = _spreads(margin, flip_rate, drop)
    z = _NORMAL.inv_cdf(1.0 - alpha)
    return _chance((drop - margin) * math.sqrt(n) - z * null_sd, sd)


def needed_n(margin: float, flip_rate: float, alpha: float, power: float, drop: float = 0.0) -> int | None:
    """Items that a verdict needs with probability `power` when `drop` is the true one (PASS if below the margin).

    n = (z_alpha sqrt(v0) + z_power sd)² / (margin - drop)², v0 the restricted variance at -margin. None for a drop
    that equals the margin, which no number of items tells apart from it.
    """
    _check(margin, flip_rate, alpha)
    null_sd, sd, _ = _spreads(margin, flip_rate, drop)
    root = _NORMAL.inv_cdf(1.0 - alpha) * null_sd + _NORMAL.inv_cdf(power) * sd
    distance = abs(margin - drop)
    return max(1, math.ceil((root / distance) ** 2)) if distance > 1e-4 else None


def alpha_with_reserve(alpha: float, power: float) -> float:
    """The p-value at which as many new items would pass a test at `alpha` with `power`, were the estimate the truth.

    A result that is just significant is found again half of the time; this one lies z_power further out.
    """
    _check(0.5, 0.0, alpha)
    return 1.0 - _NORMAL.cdf(_NORMAL.inv_cdf(1.0 - alpha) + max(0.0, _NORMAL.inv_cdf(power)))


def needed_n_mean(sd: float, margin: float, alpha: float, power: float, drop: float = 0.0) -> int | None:
    """Items that a verdict on a mean needs, `sd` being the spread of one item's difference; None at the margin.

    However alike the items seen, a drop of the margin can sit in those not seen: at least so many are needed that
    Tango's test without a single loss would pass (Tango 1998), as `graded.t_test` demands.
    """
    _check(margin, 0.0, alpha)
    z = _NORMAL.inv_cdf(1.0 - alpha)
    unseen = math.ceil(z * z * (1.0 - margin) / margin)
    distance = abs(margin - drop)
    if distance <= 1e-4:
        return None
    return max(unseen, math.ceil(((z + _NORMAL.inv_cdf(power)) * sd / distance) ** 2))


def detectable_drop(n: int, margin: float, flip_rate: float, alpha: float, power: float) -> float | None:
    """Smallest true drop that is called FAIL with probability `power`; None when not even losing everything is."""
    if fail_power(n, margin, flip_rate, alpha, 1.0) < power:
        return None
    low, high = margin, 1.0
    for _ in range(50):
        middle = (low + high) / 2.0
        if fail_power(n, margin, flip_rate, alpha, middle) >= power:
            high = middle
        else:
            low = middle
    return high
