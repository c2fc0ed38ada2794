"""Is the drop smaller or larger than the margin? The rule that picks the test for what was seen."""

from __future__ import annotations

import math

from regress.stats.exact import MAX_N, Tail, exact_p
from regress.stats.intervals import bonett_price_p_below
from regress.stats.paired import p_above, tango_interval, tango_z
from regress.stats.student_t import p_above_t


def margin_test(
    lost: int, gained: int, n: int, margin: float, *, clusters: int | None = None, design_effect: float = 1.0
) -> tuple[float, float]:
    """(p that the drop is smaller than the margin, p that it is larger), each one-sided at delta = -margin.

    Independent items: exact up to n = 2000; beyond, Tango's score test against the drop and Bonett and Price's limit
    for it. Items in `clusters`: Tango's statistic over the root of the design effect, as t with one degree of freedom
    less than there are clusters; two clusters at least, or both are 1. Raises ValueError for impossible counts and
    margins that are not between 0 and 1.
    """
    if not 0.0 < margin < 1.0:
        raise ValueError(f"margin={margin} is not between 0 and 1")
    if clusters is not None:
        return clustered_score_test(lost, gained, n, -margin, clusters, design_effect)
    if n <= MAX_N:
        return exact_p(lost, gained, n, margin, Tail.ABOVE), exact_p(lost, gained, n, margin, Tail.BELOW)
    return p_above(tango_z(lost, gained, n, -margin)), bonett_price_p_below(lost, gained, n, -margin)


def clustered_score_test(
    lost: int, gained: int, n: int, delta0: float, clusters: int, design_effect: float
) -> tuple[float, float]:
    """(p for delta > delta0, p for delta < delta0) where items come in clusters."""
    if clusters < 2:
        return 1.0, 1.0
    statistic = tango_z(lost, gained, n, delta0) / math.sqrt(design_effect)
    return p_above_t(statistic, clusters - 1), p_above_t(-statistic, clusters - 1)


def score_interval(lost: int, gained: int, n: int, level: float, design_effect: float = 1.0) -> tuple[float, float]:
    """Tango's interval; the distances from the estimate grow with the root of the design effect."""
    low, high = tango_interval(lost, gained, n, level)
    if design_effect == 1.0:
        return low, high
    centre, widen = (gained - lost) / n, math.sqrt(design_effect)
    return max(-1.0, centre - widen * (centre - low)), min(1.0, centre + widen * (high - centre))
