"""How well scores tell two groups apart: the area under the ROC curve, its interval, and a permutation p-value.

The area is the probability that a random member of the positive group scores above a random one of the other, ties
counted half (Mann & Whitney 1947). One half: the scores tell nothing.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]

_HALVINGS = 60  # of the unit interval: below the spacing of doubles


def areas(scores: Floats, positive: Flags) -> Floats:
    """The area for each column; `scores` and `positive` are (rows, columns). Raises ValueError for an empty group."""
    from scipy.stats import rankdata  # noqa: PLC0415  a second that only its callers pay

    positives = positive.sum(axis=0)
    negatives = len(positive) - positives
    if scores.shape != positive.shape or not positives.all() or not negatives.all():
        raise ValueError(f"{scores.shape} scores, and {positives.min()} to {positives.max()} positives")
    ranks = rankdata(scores, axis=0)
    above = np.where(positive, ranks, 0.0).sum(axis=0) - positives * (positives + 1) / 2.0
    result: Floats = above / (positives * negatives)
    return result


def area(scores: Floats, positive: Flags) -> float:
    """The area for one set of scores, `scores` and `positive` both (rows,)."""
    return float(areas(scores[:, None], positive[:, None])[0])


def area_interval(
    seen: float, positives: int, negatives: int, level: float, *, inflation: float = 1.0
) -> tuple[float, float]:
    """Score interval of an area, never of width zero; `inflation` multiplies the variance, at least 1.

    All areas t with |t - seen| <= z * sqrt(V(t)), where V is Hanley & McNeil's variance (1982, Radiology 143:29-36)
    with both group sizes less one replaced by their mean: method 5 of Newcombe (2006, Statistics in Medicine
    25:559-573). Raises ValueError for impossible arguments.
    """
    if not 0.0 <= seen <= 1.0 or min(positives, negatives) < 1 or not 0.0 < level < 1.0 or not inflation >= 1.0:
        raise ValueError(f"impossible: an area of {seen} from {positives} and {negatives}, level {level}")
    z = NormalDist().inv_cdf(0.5 + level / 2.0) * math.sqrt(inflation)

    def limit(end: float) -> float:
        inside, outside = seen, end
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2.0
            if abs(middle - seen) <= z * math.sqrt(area_variance(middle, positives, negatives)):
                inside = middle
            else:
                outside = middle
        return inside

    return limit(0.0), limit(1.0)


def area_variance(t: float, positives: int, negatives: int) -> float:
    """Hanley & McNeil's, with both group sizes less one replaced by their mean."""
    others = (positives + negatives) / 2.0 - 1.0
    spread = 1.0 + others * (1.0 - t) / (2.0 - t) + others * t / (1.0 + t)
    return t * (1.0 - t) * spread / (positives * negatives)


def permutation_p(seen: float, permuted: Floats) -> float:
    """One-sided p-value of a statistic among those of permuted labels, the unpermuted one counted with them.

    Never zero (Phipson & Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9:39).
    """
    return float((1 + np.count_nonzero(permuted >= seen)) / (1 + len(permuted)))
