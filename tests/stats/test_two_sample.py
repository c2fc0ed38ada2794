"""The classifier two-sample test: its size on equal samples, its power on others, and its refits."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from regress.stats.ranking import area
from regress.stats.two_sample import FOLDS, two_sample


def kernel_of(points: np.ndarray) -> np.ndarray:
    return np.asarray(points @ points.T)


def halves(rows: int) -> np.ndarray:
    return np.arange(rows) >= rows // 2


def test_the_scores_are_those_of_a_classifier_refitted_fold_by_fold() -> None:
    rng = np.random.default_rng(3)
    points, second = rng.normal(size=(40, 6)), halves(40)
    found = two_sample(kernel_of(points), second, np.random.default_rng(7), permutations=0, ridge=0.5)
    fold = np.random.default_rng(7).permutation(40) % FOLDS
    expected = np.empty(40)
    for one in range(FOLDS):
        known = fold != one
        labels = second[known] - second[known].mean()
        model = KernelRidge(alpha=0.5, kernel="linear").fit(points[known], labels)
        expected[~known] = model.predict(points[~known])
    assert found.scores == pytest.approx(expected)
    assert found.area == pytest.approx(area(expected, second))


def test_equal_samples_are_told_apart_as_often_as_alpha_says() -> None:
    """400 tries at alpha .05: at most .05 and three standard errors of .011."""
    rng = np.random.default_rng(4)
    found = [
        two_sample(kernel_of(rng.standard_t(3, size=(40, 10))), halves(40), rng, permutations=39).p for _ in range(400)
    ]
    assert np.mean(np.array(found) <= 0.05) <= 0.083
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.08)


def test_uneven_groups_keep_the_size() -> None:
    rng = np.random.default_rng(5)
    second = np.arange(60) >= 48
    found = [two_sample(kernel_of(rng.normal(size=(60, 4))), second, rng, permutations=39).p for _ in range(400)]
    assert np.mean(np.array(found) <= 0.05) <= 0.083


def test_samples_that_differ_are_told_apart() -> None:
    rng = np.random.default_rng(6)
    points = rng.normal(size=(120, 5))
    points[60:, 0] += 2.0
    found = two_sample(kernel_of(points), halves(120), rng, permutations=99)
    assert found.p == 0.01  # the least that 99 permutations can give
    assert found.interval[0] > 0.7
    assert found.scores[60:].mean() > found.scores[:60].mean()


@pytest.mark.parametrize("distance", [0.0, 0.7, 1.5])
def test_the_interval_covers_the_area_of_another_classifier(distance: float) -> None:
    """Held against the mean area of many samples of the kind: 95 % less three standard errors of 150 tries."""
    rng = np.random.default_rng(9)
    found = []
    for _ in range(150):
        points = rng.normal(size=(60, 20))
        points[30:, 0] += distance
        found.append(two_sample(kernel_of(points), halves(60), rng, permutations=60))
    truth = np.mean([one.area for one in found])
    assert np.mean([one.interval[0] <= truth <= one.interval[1] for one in found]) >= 0.9


def test_refits_widen_the_interval() -> None:
    """Of pure noise in many dimensions the areas scatter more than those of scores that come from elsewhere."""
    kernel = kernel_of(np.random.default_rng(10).normal(size=(100, 200)))
    plain, wide = (
        two_sample(kernel, halves(100), np.random.default_rng(1), permutations=count).interval for count in (18, 99)
    )
    assert wide[1] - wide[0] > 1.05 * (plain[1] - plain[0])


def test_rows_that_stand_there_twice_change_nothing_but_the_power() -> None:
    """Two halves of one set of duplicated rows are exchangeable still."""
    rng = np.random.default_rng(8)
    found = []
    for _ in range(200):
        points = np.repeat(rng.normal(size=(10, 4)), 4, axis=0)
        found.append(two_sample(kernel_of(rng.permutation(points)), halves(40), rng, permutations=39).p)
    assert np.mean(np.array(found) <= 0.05) <= 0.1


@pytest.mark.parametrize(
    ("kernel", "second", "message"),
    [
        (np.eye(8), np.arange(8) >= 4, "4 of 8 rows"),  # fewer than there are folds
        (np.eye(12)[:11], np.arange(12) >= 6, "a kernel of"),
        (np.eye(12) * np.nan, np.arange(12) >= 6, "not finite"),
    ],
)
def test_what_cannot_be_tested(kernel: np.ndarray, second: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        two_sample(kernel, second, np.random.default_rng(0), permutations=1)
