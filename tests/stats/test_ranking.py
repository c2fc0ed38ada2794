"""The area under the ROC curve against scikit-learn and scipy, its interval against its definition and simulations."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from regress.stats.ranking import area, area_interval, areas, permutation_p


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([1.0, 2.0], [False, True], 1.0),
        ([2.0, 1.0], [False, True], 0.0),
        ([1.0, 1.0], [False, True], 0.5),  # a tie counts half
        ([1.0, 2.0, 2.0, 3.0], [False, True, False, True], 0.875),
    ],
)
def test_area(scores: list[float], positive: list[bool], expected: float) -> None:
    assert area(np.array(scores), np.array(positive)) == expected


def test_areas_are_those_of_the_libraries() -> None:
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 12, (60, 20)) / 4.0  # with ties
    positive = rng.random((60, 20)) < 0.3
    found = areas(scores, positive)
    for column in range(20):
        chosen = positive[:, column]
        assert found[column] == pytest.approx(roc_auc_score(chosen, scores[:, column]))
        u = mannwhitneyu(scores[chosen, column], scores[~chosen, column]).statistic
        assert found[column] == pytest.approx(u / (chosen.sum() * (~chosen).sum()))


@pytest.mark.parametrize("positive", [[True, True], [False, False]])
def test_one_group_has_no_area(positive: list[bool]) -> None:
    with pytest.raises(ValueError, match="positives"):
        area(np.array([1.0, 2.0]), np.array(positive))


@pytest.mark.parametrize("seen", [0.0, 0.3, 0.5, 0.8, 0.97, 1.0])
def test_limits_lie_where_the_variance_there_reaches(seen: float) -> None:
    """Hanley and McNeil's variance, written as they did, with equal group sizes, where method 5 is it exactly."""
    n, z = 40, NormalDist().inv_cdf(0.975)

    def variance(t: float) -> float:
        q1, q2 = t / (2 - t), 2 * t * t / (1 + t)
        return (t * (1 - t) + (n - 1) * (q1 - t * t) + (n - 1) * (q2 - t * t)) / (n * n)

    low, high = area_interval(seen, n, n, 0.95)
    assert low <= seen <= high
    assert high - low > 0.04
    for limit in (low, high):
        if limit not in (0.0, 1.0):
            assert abs(limit - seen) == pytest.approx(z * math.sqrt(variance(limit)), abs=1e-9)


def test_mirrored_areas_have_mirrored_limits() -> None:
    low, high = area_interval(0.7, 30, 80, 0.9)
    assert area_interval(0.3, 30, 80, 0.9) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(
    ("seen", "positives", "negatives", "level"),
    [(1.1, 5, 5, 0.95), (math.nan, 5, 5, 0.95), (0.5, 0, 5, 0.95), (0.5, 5, 5, 1.0)],
)
def test_impossible_arguments(seen: float, positives: int, negatives: int, level: float) -> None:
    with pytest.raises(ValueError, match="impossible"):
        area_interval(seen, positives, negatives, level)


@pytest.mark.parametrize("distance", [0.0, 0.5, 1.5, 3.0])
def test_the_interval_covers_as_often_as_it_says(distance: float) -> None:
    """Normal scores `distance` apart have the area Phi(distance / sqrt 2); 3 standard errors are .017."""
    rng = np.random.default_rng(2)
    truth = NormalDist().cdf(distance / math.sqrt(2))
    tries, m, n = 1500, 40, 60
    scores = rng.normal(size=(m + n, tries))
    scores[:m] += distance
    positive = np.repeat((np.arange(m + n) < m)[:, None], tries, axis=1)
    limits = [area_interval(seen, m, n, 0.95) for seen in areas(scores, positive)]
    assert np.mean([low <= truth <= high for low, high in limits]) > 0.933


@pytest.mark.parametrize(
    ("seen", "p"),
    [
        (0.9, 0.25),  # beyond all three: one of four
        (0.8, 0.5),  # a tie speaks against it
        (0.1, 1.0),
    ],
)
def test_permutation_p(seen: float, p: float) -> None:
    assert permutation_p(seen, np.array([0.5, 0.8, 0.6])) == p
