"""What a rate means that an imperfect detector counted: its accuracy on labelled cases, and the corrected rate.

A detector that finds a share Se of the positives (sensitivity) and clears a share Sp of the negatives (specificity)
flags t = Se*P + (1 - Sp)*(1 - P) of all cases where P are positive. Solving for P corrects the rate; what was learned
about Se and Sp from few labels goes into its variance. All rates are shares, 0..1; differences are candidate - base.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from regress.stats.intervals import wilson

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Labelled cases by what the detector said of them; labels were drawn without looking at the detector.

    Raises ValueError for a negative count, and where there is not one positive and one negative.
    """

    true_positive: int
    false_negative: int
    false_positive: int
    true_negative: int

    def __post_init__(self) -> None:
        if min(self.true_positive, self.false_negative, self.false_positive, self.true_negative) < 0:
            raise ValueError(f"impossible counts: {self}")
        if not self.positives or not self.negatives:
            raise ValueError(f"{self.positives} positives and {self.negatives} negatives: there must be one of each")

    @property
    def positives(self) -> int:
        return self.true_positive + self.false_negative

    @property
    def negatives(self) -> int:
        return self.false_positive + self.true_negative

    @property
    def sensitivity(self) -> float:
        return self.true_positive / self.positives

    @property
    def specificity(self) -> float:
        return self.true_negative / self.negatives

    def sensitivity_interval(self, level: float) -> tuple[float, float]:
        """Wilson's interval of the sensitivity."""
        return wilson(self.true_positive, self.positives, level)

    def specificity_interval(self, level: float) -> tuple[float, float]:
        """Wilson's interval of the specificity."""
        return wilson(self.true_negative, self.negatives, level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A rate or a difference of rates, and the variance of its error. Neither is cut off at 0 or 1."""

    value: float
    variance: float


def youden(sensitivity: float, specificity: float) -> float:
    """Se + Sp - 1: the part of a true difference that the detector shows (Youden 1950, Cancer 3:32-35).

    Raises ValueError where it is not above 0: such a detector tells positives from negatives no better than a coin.
    """
    if not (0.0 <= sensitivity <= 1.0 and 0.0 <= specificity <= 1.0):
        raise ValueError(f"sensitivity={sensitivity}, specificity={specificity} are not shares")
    index = sensitivity + specificity - 1.0
    if not index > 0.0:
        raise ValueError(f"sensitivity {sensitivity:.3f} + specificity {specificity:.3f} is not above 1")
    return index


def scaled_margin(margin: float, sensitivity: float, specificity: float) -> float:
    """The difference between two flagged rates that a true difference of `margin` shows: margin * (Se + Sp - 1)."""
    if not 0.0 < margin <= 1.0:
        raise ValueError(f"margin={margin} is not between 0 and 1")
    return margin * youden(sensitivity, specificity)


def rogan_gladen(flagged: int, n: int, table: Table) -> Estimate:
    """The rate of positives among `n` cases of which `flagged` were flagged: (t + Sp - 1) / (Se + Sp - 1).

    The variance is [t(1-t)/n + P^2 Se(1-Se)/n_Se + (1-P)^2 Sp(1-Sp)/n_Sp] / (Se+Sp-1)^2: the cases' and the labels'
    (Rogan & Gladen 1978, American Journal of Epidemiology 107:71-76). The labels are no part of the n cases.
    """
    _check_flagged(flagged, n)
    return _correct(
        flagged / n, float(n), (table.sensitivity, float(table.positives)), (table.specificity, float(table.negatives))
    )


def lang_reiczigel(flagged: int, n: int, table: Table, level: float) -> tuple[float, float]:
    """Interval of the corrected rate that holds its level for few labels and for Se or Sp near 1.

    Adds z^2 cases to the n, half of them flagged, and one label right and one wrong to either side; then shifts the
    centre for the skew (Lang & Reiczigel 2014, Preventive Veterinary Medicine 113:13-22). Cut off at 0 and 1.
    """
    z = critical(level)
    centre = _adjusted(flagged, n, table, z)[0]
    half = z * math.sqrt(centre.variance)
    return min(1.0, max(0.0, centre.value - half)), max(0.0, min(1.0, centre.value + half))


def corrected_difference(
    base: tuple[int, int, Table], candidate: tuple[int, int, Table], level: float, *, both_flagged: int | None = None
) -> tuple[float, float]:
    """Interval of the difference between two corrected rates, each with its own detector accuracy.

    Delta method over both sides as Lang & Reiczigel adjust them, less the covariance of the two flagged rates where the
    same cases were asked of both.

    Args:
        base: how many were flagged, of how many, and that side's labels.
        candidate: the same, with an independent set of labels.
        level: of confidence.
        both_flagged: of paired cases, how many were flagged on both sides; None for unpaired ones.
    """
    z = critical(level)
    (b, index_b), (c, index_c) = _adjusted(*base, z), _adjusted(*candidate, z)
    covariance = 0.0
    if both_flagged is not None:
        (k_b, n, _), (k_c, n_c, _) = base, candidate
        if n != n_c or not max(0, k_b + k_c - n) <= both_flagged <= min(k_b, k_c):
            raise ValueError(f"impossible pairs: {both_flagged} flagged on both sides, {k_b} of {n} and {k_c} of {n_c}")
        covariance = (both_flagged / n - (k_b / n) * (k_c / n)) / n
    variance = b.variance + c.variance - 2.0 * covariance / (index_b * index_c)
    half = z * math.sqrt(max(0.0, variance))
    delta = c.value - b.value
    return min(1.0, max(-1.0, delta - half)), max(-1.0, min(1.0, delta + half))


def _adjusted(flagged: int, n: int, table: Table, z: float) -> tuple[Estimate, float]:
    """Lang and Reiczigel's shifted centre and its variance, and the adjusted Youden index."""
    _check_flagged(flagged, n)
    youden(table.sensitivity, table.specificity)  # additions must not rescue a detector that shows nothing
    se, n_se = (table.true_positive + 1) / (table.positives + 2), table.positives + 2.0
    sp, n_sp = (table.true_negative + 1) / (table.negatives + 2), table.negatives + 2.0
    more = n + z * z
    plain = _correct((flagged + z * z / 2.0) / more, more, (se, n_se), (sp, n_sp))
    rate = plain.value
    shift = 2.0 * z * z * (rate * se * (1.0 - se) / n_se - (1.0 - rate) * sp * (1.0 - sp) / n_sp)
    return Estimate(value=rate + shift, variance=plain.variance), se + sp - 1.0


def _correct(flagged: float, n: float, se: tuple[float, float], sp: tuple[float, float]) -> Estimate:
    """Rogan and Gladen's rate and variance from shares, each with the number of cases behind it."""
    index = youden(se[0], sp[0])
    rate = (flagged + sp[0] - 1.0) / index
    spread = (
        flagged * (1.0 - flagged) / n
        + rate**2 * se[0] * (1.0 - se[0]) / se[1]
        + (1.0 - rate) ** 2 * sp[0] * (1.0 - sp[0]) / sp[1]
    )
    return Estimate(value=rate, variance=spread / index**2)


def _check_flagged(flagged: int, n: int) -> None:
    if n < 1 or not 0 <= flagged <= n:
        raise ValueError(f"impossible counts: {flagged} flagged of {n}")


def critical(level: float) -> float:
    """The standard normal's two-sided limit: 1.645 at a level of 0.9."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level={level} is not between 0 and 1")
    return _NORMAL.inv_cdf(0.5 + level / 2.0)
