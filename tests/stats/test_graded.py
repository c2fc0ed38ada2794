"""Graded scores: against the clustered standard error, the bootstrap, and simulated sizes."""

import math

import numpy as np
import pytest

from regress.stats.graded import bca_interval, mean_difference, t_interval, t_test


@pytest.mark.parametrize(("rate", "n", "error"), [(0.6128, 10042, 0.0049), (0.30, 100, 0.0461)])
def test_standard_error_of_a_mean(rate: float, n: int, error: float) -> None:
    right = round(rate * n)
    assert mean_difference([1.0] * right + [0.0] * (n - right)).standard_error == pytest.approx(error, abs=6e-5)


def test_clustered_standard_error() -> None:
    """Of 0..19 with clusters i % 4: .6454972, where the independent one, which is larger, is what counts."""
    values = [i / 20 for i in range(20)]
    alone = mean_difference(values)
    assert mean_difference(values, [i % 4 for i in range(20)]).standard_error == alone.standard_error
    together = mean_difference(values, [i // 5 for i in range(20)])
    assert together.standard_error > alone.standard_error
    assert together.degrees == 3


def test_against_the_bootstrap() -> None:
    rng = np.random.default_rng(3)
    differences = (rng.beta(2, 5, 400) - rng.beta(2, 5, 400)).tolist()
    assert bca_interval(differences, 0.90) == pytest.approx(t_interval(mean_difference(differences), 0.90), abs=0.004)


def test_size_at_the_margin() -> None:
    rng = np.random.default_rng(5)
    passed = failed = 0
    for _ in range(2000):
        differences = np.where(rng.random(300) < 0.3, rng.normal(-0.1, 0.2, 300).clip(-1, 1), 0.0)  # mean -0.03
        p_pass, p_fail = t_test(mean_difference(differences.tolist()), 0.03)
        passed += p_pass <= 0.05
        failed += p_fail <= 0.05
    error = math.sqrt(0.05 * 0.95 / 2000)
    assert passed / 2000 <= 0.05 + 4 * error
    assert failed / 2000 <= 0.05 + 4 * error
    assert passed + failed > 100  # it can decide


@pytest.mark.parametrize(("n", "passes"), [(88, True), (87, False)])
def test_no_difference_at_all_is_not_certainty(n: int, passes: bool) -> None:
    assert (t_test(mean_difference([0.0] * n), 0.03)[0] <= 0.05) is passes


def test_a_constant_loss() -> None:
    p_pass, p_fail = t_test(mean_difference([-0.5] * 200), 0.03)
    assert p_pass == 1.0
    assert p_fail < 0.05
    assert t_test(mean_difference([-0.03] * 200), 0.03) == (1.0, 1.0)
    assert bca_interval([0.2] * 50, 0.90) == (-1.0, 1.0)


@pytest.mark.parametrize("differences", [[], [0.1], [0.0, math.nan], [0.0, 1.1], [0.0, math.inf]])
def test_what_is_no_difference(differences: list[float]) -> None:
    with pytest.raises(ValueError, match="differences"):
        mean_difference(differences)


def test_one_cluster_is_refused() -> None:
    with pytest.raises(ValueError, match="clusters"):
        mean_difference([0.0, 0.1, 0.2], "aaa")
