"""A rate from a detector's verdict on every case and a person's on a few: two-phase sampling, stratified by verdict.

Where labels are drawn from the very cases that were counted, half of what the detector flagged and half of the rest,
the share of positives is estimated in either stratum and weighted with the stratum's size. That is Rogan and Gladen's
rate with the sensitivity and specificity of the weighted labels, but its variance is smaller and needs no independent
labels (Tenenbein 1970, JASA 65:1350-1361; Cochran 1977, Sampling Techniques, chapter 12).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from regress.stats.calibration import Estimate, critical
from regress.stats.intervals import wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Cases with one verdict of the detector: how many, how many of them labelled at random, how many positive."""

    size: int
    labelled: int
    positive: int

    def __post_init__(self) -> None:
        if not 0 <= self.positive <= self.labelled <= self.size or (self.size and not self.labelled):
            raise ValueError(f"impossible counts: {self}")

    @property
    def share(self) -> float:
        """Of positives among the labelled; 0 in a stratum without cases."""
        return self.positive / self.labelled if self.labelled else 0.0

    @property
    def variance(self) -> float:
        """Of the share, with one label added to either kind: no spread among few labels is no certainty."""
        if not self.labelled:
            return 0.0
        share = (self.positive + 1.0) / (self.labelled + 2.0)
        return share * (1.0 - share) / (self.labelled + 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """A share with the interval that its labels leave it."""

    value: float
    low: float
    high: float


def sensitivity(flagged: Stratum, rest: Stratum, level: float) -> Accuracy | None:
    """The share of positives that is flagged, F/(F + R) of the estimated positives; None where no label is positive.

    The interval combines Wilson's of both strata by the MOVER rule (Zou & Donner 2008, Statistics in Medicine
    27:1693-1702) on the scale where the two form a difference, log F - log R, with the cases' own spread.
    """
    return _part(_Share.positives(flagged, level), _Share.positives(rest, level), _cases_spread(flagged, rest, level))


def specificity(flagged: Stratum, rest: Stratum, level: float) -> Accuracy | None:
    """The share of negatives that is not flagged, likewise; None where no label is negative."""
    return _part(_Share.negatives(rest, level), _Share.negatives(flagged, level), _cases_spread(flagged, rest, level))


def rate(flagged: Stratum, rest: Stratum) -> float:
    """The share of positives among all cases, each stratum weighted with its size."""
    return (flagged.size * flagged.share + rest.size * rest.share) / _whole(flagged, rest)


def mean_difference(scores: Sequence[float], strata: Sequence[Stratum], *, design_effect: float = 1.0) -> Estimate:
    """The mean over paired cases of what the candidate's verdict is worth less what the base's is.

    Its variance has two parts: the cases are a sample (the spread of the scores), and so are the labels (that of every
    stratum's share, times its squared weight). A case that is labelled for both sides makes the second part smaller;
    that is not claimed.

    Args:
        scores: one for each case: the share of positives in its candidate's stratum less that in its base's.
        strata: those of both sides.
        design_effect: by which clustered cases widen the first part, at least 1.
    """
    n = len(scores)
    if n < 2 or not design_effect >= 1.0:
        raise ValueError(f"{n} cases, design effect {design_effect}")
    mean = math.fsum(scores) / n
    between = math.fsum((score - mean) ** 2 for score in scores) / (n - 1) / n
    within = math.fsum((stratum.size / n) ** 2 * stratum.variance for stratum in strata)
    return Estimate(value=mean, variance=design_effect * between + within)


@dataclass(frozen=True, slots=True)
class _Share:
    """How many cases of one kind a stratum holds, as estimated, with limits."""

    count: float
    low: float
    high: float

    @classmethod
    def positives(cls, stratum: Stratum, level: float) -> _Share:
        return cls._of(stratum, stratum.positive, level)

    @classmethod
    def negatives(cls, stratum: Stratum, level: float) -> _Share:
        return cls._of(stratum, stratum.labelled - stratum.positive, level)

    @classmethod
    def _of(cls, stratum: Stratum, k: int, level: float) -> _Share:
        if not stratum.size:
            return cls(0.0, 0.0, 0.0)
        low, high = wilson(k, stratum.labelled, level)
        return cls(stratum.size * k / stratum.labelled, stratum.size * low, stratum.size * high)


def _part(inside: _Share, outside: _Share, spread: float) -> Accuracy | None:
    """What `inside` is of both; where the labels show none on one side, the limit of the rule as it goes to 0."""
    total = inside.count + outside.count
    if total == 0.0:
        return None
    if inside.count == 0.0:
        return Accuracy(value=0.0, low=0.0, high=inside.high / (inside.high + outside.count))
    if outside.count == 0.0:
        return Accuracy(value=1.0, low=inside.count / (inside.count + outside.high), high=1.0)
    ratio = math.log(inside.count / outside.count)
    down = math.hypot(math.log(inside.count / inside.low), math.log(outside.high / outside.count), spread)
    up = math.hypot(math.log(inside.high / inside.count), math.log(outside.count / outside.low), spread)
    return Accuracy(value=inside.count / total, low=_logistic(ratio - down), high=_logistic(ratio + up))


def _cases_spread(flagged: Stratum, rest: Stratum, level: float) -> float:
    """Half the interval of log(flagged / rest): the strata's sizes are a sample's too. 0 where one is empty."""
    if not (flagged.size and rest.size):
        return 0.0
    return critical(level) * math.sqrt(1.0 / flagged.size + 1.0 / rest.size)


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def _whole(*strata: Stratum) -> int:
    total = sum(stratum.size for stratum in strata)
    if not total:
        raise ValueError("no cases at all")
    return total
