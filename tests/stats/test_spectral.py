"""Spectra of groups against scipy and scikit-learn, what planting does to them, and what clean groups come out at."""

import numpy as np
import pytest
from scipy.linalg import svdvals
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from regress.stats.spectral import (
    FEWEST,
    effective_directions,
    nearest_cosines,
    signatures,
    within_whitened,
)


def clean(rng: np.random.Generator, groups: int = 20, each: int = 40, width: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Groups around centres of their own, with one covariance of unequal axes."""
    of = np.repeat(np.arange(groups), each)
    axes = rng.normal(size=(width, width)) * np.geomspace(10, 0.1, width)
    return rng.normal(size=(groups, width))[of] * 5 + rng.normal(size=(len(of), width)) @ axes, of


def test_whitening_leaves_unit_covariance_within_groups() -> None:
    points, groups = clean(np.random.default_rng(1), width=10)
    white = within_whitened(points, groups)
    inside = white - np.array([white[groups == g].mean(axis=0) for g in range(20)])[groups]
    covariance = inside.T @ inside / len(inside)
    assert covariance - np.diag(np.diag(covariance)) == pytest.approx(0, abs=1e-8)
    assert np.diag(covariance).max() == pytest.approx(1, abs=0.01)


def test_variance_and_scores_are_those_of_principal_components() -> None:
    points, groups = clean(np.random.default_rng(2))
    white = within_whitened(points, groups)
    for one in signatures(points, groups):
        own = white[groups == one.group]
        assert one.rows.tolist() == np.flatnonzero(groups == one.group).tolist()
        assert one.variance == pytest.approx(svdvals(own - own.mean(axis=0))[0] ** 2 / len(own))
        assert one.scores == pytest.approx(PCA(1, svd_solver="full").fit_transform(own)[:, 0] ** 2)


def test_rows_that_share_a_direction_make_their_group_the_oddest() -> None:
    rng = np.random.default_rng(3)
    points, groups = clean(rng)
    calm = signatures(points, groups)[0].excess
    planted = np.flatnonzero(groups == 7)[:8]
    points[planted] += 80 * np.linalg.qr(rng.normal(size=(30, 1)))[0][:, 0]
    oddest = signatures(points, groups)[0]
    assert oddest.group == 7
    assert oddest.excess > 2 * calm
    assert set(oddest.rows[np.argsort(-oddest.scores)[:8]]) == set(planted)


@pytest.mark.parametrize(
    ("groups", "each", "some", "reason"),
    [
        (FEWEST, FEWEST, True, "just enough"),
        (FEWEST - 1, FEWEST, False, "too few groups to say what is usual"),
        (FEWEST, FEWEST - 1, False, "too few rows in each"),
    ],
)
def test_few_groups_or_rows_say_nothing(groups: int, each: int, some: bool, reason: str) -> None:
    found = signatures(*clean(np.random.default_rng(4), groups, each))
    assert bool(found) == some, reason


def test_rows_all_alike_are_no_trouble() -> None:
    found = signatures(np.ones((200, 6)), np.repeat(np.arange(20), 10))
    assert all(np.isfinite([one.excess, one.variance]).all() for one in found)


def test_directions_are_counted_by_participation() -> None:
    assert effective_directions(np.vstack([np.eye(5), -np.eye(5)])) == pytest.approx(5)
    assert effective_directions(np.outer(np.arange(9), [1.0, 2.0])) == pytest.approx(1)
    assert effective_directions(np.ones((4, 3))) == 0


def test_nearest_cosines_are_scipys() -> None:
    rng = np.random.default_rng(5)
    points, known = rng.normal(size=(700, 8)), rng.normal(size=(50, 8))
    assert nearest_cosines(points, known) == pytest.approx(1 - cdist(points, known, "cosine").min(axis=1))
    own = 1 - cdist(points, points, "cosine")
    np.fill_diagonal(own, -1)
    assert nearest_cosines(points) == pytest.approx(own.max(axis=1))
