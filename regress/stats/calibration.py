"""A rate seen through an imperfect detector, corrected by what people labelled (Rogan & Gladen 1978).

Everywhere `found` and `refused` follow the detector of refusals: sensitivity is P(found | refused), specificity
P(not found | not refused), both with the counts that they were estimated from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from regress.stats.intervals import wilson

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A detector against people's labels, on one variant's replies."""

    refused_found: int
    refused_missed: int
    answered_found: int
    answered_left: int

    def __post_init__(self) -> None:
        counts = (self.refused_found, self.refused_missed, self.answered_found, self.answered_left)
        if min(counts) < 0 or self.refused < 1 or self.answered < 1:
            raise ValueError(f"{counts}: labels of both kinds are needed")

    @property
    def refused(self) -> int:
        return self.refused_found + self.refused_missed

    @property
    def answered(self) -> int:
        return self.answered_found + self.answered_left

    @property
    def sensitivity(self) -> float:
        return self.refused_found / self.refused

    @property
    def specificity(self) -> float:
        return self.answered_left / self.answered

    def intervals(self, level: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """Wilson intervals of sensitivity and specificity."""
        return wilson(self.refused_found, self.refused, level), wilson(self.answered_left, self.answered, level)

    @property
    def youden(self) -> float:
        """Sensitivity + specificity - 1: by how much a true change shrinks in the detector's eyes."""
        return self.sensitivity + self.specificity - 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """A corrected rate or difference with its standard error."""

    value: float
    standard_error: float

    def interval(self, level: float) -> tuple[float, float]:
        half = _NORMAL.inv_cdf(0.5 + level / 2.0) * self.standard_error
        return max(-1.0, self.value - half), min(1.0, self.value + half)


def corrected_rate(found: int, n: int, calibration: Calibration) -> Corrected:
    """True rate of refusals where the detector found so many of n.

    (p + Sp - 1) / (Se + Sp - 1), cut to 0..1. The variance adds the calibration's own (Rogan & Gladen 1978, American
    Journal of Epidemiology 107:71-76); each of its counts is smoothed by one half (Lang & Reiczigel 2014, Preventive
    Veterinary Medicine 113:13-22, use one), so that a detector without a seen error is not taken for infallible. Raises
    ValueError for impossible counts and a detector that is no better than chance.
    """
    if n < 1 or not 0 <= found <= n:
        raise ValueError(f"impossible counts: {found} of {n}")
    if calibration.youden <= 0.0:
        raise ValueError(
            f"sensitivity {calibration.sensitivity}, specificity {calibration.specificity}: no information"
        )
    p = found / n
    value = (p + calibration.specificity - 1.0) / calibration.youden
    inside = min(max(value, 0.0), 1.0)
    variance = (
        _smoothed_variance(found, n)
        + inside**2 * _smoothed_variance(calibration.refused_found, calibration.refused)
        + (1.0 - inside) ** 2 * _smoothed_variance(calibration.answered_left, calibration.answered)
    )
    return Corrected(value=inside, standard_error=math.sqrt(variance) / calibration.youden)


def corrected_difference(
    base: tuple[int, int], candidate: tuple[int, int], calibrations: tuple[Calibration, Calibration]
) -> Corrected:
    """Candidate minus base, each (found, n) corrected by its own calibration; as if they answered different items.

    Pairing would narrow the interval; leaving it out only widens it.
    """
    before = corrected_rate(*base, calibrations[0])
    after = corrected_rate(*candidate, calibrations[1])
    error = math.hypot(before.standard_error, after.standard_error)
    return Corrected(value=after.value - before.value, standard_error=error)


def scaled_margin(margin: float, calibration: Calibration) -> float:
    """What a true change of `margin` looks like to the detector: margin (Se + Sp - 1)."""
    if not 0.0 < margin < 1.0 or calibration.youden <= 0.0:
        raise ValueError(f"margin {margin} at a Youden index of {calibration.youden}")
    return margin * calibration.youden


def _smoothed_variance(k: int, n: int) -> float:
    p = (k + 0.5) / (n + 1.0)
    return p * (1.0 - p) / (n + 1.0)
