"""Changes of totals and quotients: known values, promised levels on simulated data, and where nothing is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import stdtrit

from regress.stats.graded import MeanDifference
from regress.stats.relative import (
    jackknife,
    quantile_change,
    rate_change,
    share_change,
    two_way,
)


def share(totals: np.ndarray) -> np.ndarray:
    """Columns (part, whole)."""
    return np.asarray(totals[:, 0] / totals[:, 1])


def ratio_change(totals: np.ndarray) -> np.ndarray:
    """Columns (base, candidate)."""
    return np.asarray(totals[:, 1] / totals[:, 0] - 1.0)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.arange(20.0)
    rows = np.stack([values, np.ones(20)], axis=1)
    found = jackknife(rows, share)
    assert found is not None
    assert (found.n, found.delta, found.degrees) == (20, 9.5, 19)
    assert found.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(20), rel=1e-12)


def test_clusters_count_as_one_each() -> None:
    rows = np.stack([np.repeat(np.arange(5.0), 4), np.ones(20)], axis=1)
    alone, together = jackknife(rows, share), jackknife(rows, share, [k // 4 for k in range(20)])
    assert alone is not None
    assert together is not None
    assert together.delta == alone.delta
    assert together.degrees == 4
    assert together.standard_error == pytest.approx(np.arange(5.0).std(ddof=1) / math.sqrt(5), rel=1e-12)


@pytest.mark.parametrize(
    ("rows", "statistic", "value"),
    [
        (np.array([[10.0, 12.0], [30.0, 36.0]]), ratio_change, 0.2),
        (np.array([[10.0, 2.0, 10.0, 4.0], [20.0, 4.0, 20.0, 8.0]]), rate_change, -0.5),
        (np.array([[8.0, 10.0, 5.0, 10.0], [8.0, 10.0, 3.0, 10.0]]), share_change, -0.4),
    ],
    ids=["a fifth longer", "half as fast", "forty points less"],
)
def test_statistics_of_totals(rows: np.ndarray, statistic, value: float) -> None:  # type: ignore[no-untyped-def]
    found = jackknife(rows, statistic)
    assert found is not None
    assert found.delta == pytest.approx(value)


@pytest.mark.parametrize(
    "rows",
    [np.zeros((0, 2)), np.array([[1.0, 2.0]]), np.array([[0.0, 1.0], [0.0, 2.0]]), np.array([[1.0, 1.0], [0.0, 2.0]])],
    ids=["nothing", "one row", "a base of zero", "a base of zero without one row"],
)
def test_no_spread_is_none(rows: np.ndarray) -> None:
    assert jackknife(rows, ratio_change) is None


def test_one_round_says_nothing_about_moments() -> None:
    assert two_way(np.ones((10, 1, 2)), ratio_change) is None
    with pytest.raises(ValueError, match="rounds"):
        two_way(np.ones((10, 2)), ratio_change)


def test_a_slow_moment_widens_the_interval() -> None:
    rng = np.random.default_rng(5)
    quiet = np.exp(rng.normal(0.0, 0.01, (32, 4, 2)))
    loud = quiet.copy()
    loud[:, 2, 1] *= 2.0  # somebody else used the machine in one round of the candidate
    calm, disturbed = two_way(quiet, ratio_change), two_way(loud, ratio_change)
    assert calm is not None
    assert disturbed is not None
    assert calm.standard_error < 0.01
    assert disturbed.delta == pytest.approx(0.25, abs=0.01)
    assert disturbed.standard_error > 0.2
    assert disturbed.degrees == 3


def covered(found: MeanDifference | None, truth: float) -> bool:
    assert found is not None
    half = float(stdtrit(found.degrees, 0.95)) * found.standard_error
    return found.delta - half <= truth <= found.delta + half


def test_a_ratio_of_skewed_lengths_keeps_its_level() -> None:
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(1000):
        base = rng.lognormal(3.0, 0.6, 80)
        candidate = base * rng.lognormal(0.0, 0.3, 80) * 1.2 / math.exp(0.045)
        hits += covered(jackknife(np.stack([base, candidate], axis=1), ratio_change), 0.2)
    assert 0.86 <= hits / 1000 <= 0.94


def test_moments_that_differ_keep_the_level_too() -> None:
    """Prompts share what happens in a round: over prompts alone the interval would hold half of what it promises."""
    rng = np.random.default_rng(11)
    hits = naive = 0
    for _ in range(600):
        prompt = rng.lognormal(0.0, 0.3, (32, 1, 1))
        moment = np.exp(rng.normal(0.0, 0.05, (1, 4, 2)))
        cells = prompt * moment * np.exp(rng.normal(0.0, 0.05, (32, 4, 2)))
        hits += covered(two_way(cells, ratio_change), 0.0)
        naive += covered(jackknife(cells.sum(axis=1), ratio_change), 0.0)
    assert hits / 600 >= 0.88
    assert naive / 600 < 0.5


def test_quantiles_are_compared_by_pairs() -> None:
    base = list(np.random.default_rng(3).lognormal(0.0, 0.5, 64))
    value, interval = quantile_change(base, [2.0 * b for b in base], 0.95, 0.9)
    assert value == pytest.approx(1.0)
    assert interval == pytest.approx((1.0, 1.0))
    assert quantile_change([1.0, 2.0], [1.0, 3.0], 0.5, 0.9)[1] is None
    with pytest.raises(ValueError, match="positive"):
        quantile_change([0.0], [1.0], 0.5, 0.9)


def test_labels_have_to_fit() -> None:
    with pytest.raises(ValueError, match="cluster labels"):
        jackknife(np.ones((3, 2)), ratio_change, ["a"])
