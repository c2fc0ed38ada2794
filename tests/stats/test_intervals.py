"""Published values of the classical methods; see the docstrings for the sources."""

import math
from collections.abc import Callable

import pytest

from regress.stats.intervals import (
    agresti_min,
    bonett_price,
    bonett_price_p_below,
    clopper_pearson,
    mcnemar,
    mcnemar_corrected,
    mcnemar_exact,
    mcnemar_midp,
    newcombe,
    wilson,
)


@pytest.mark.parametrize(
    ("table", "low", "high"), [((20, 12, 2, 16), 0.0562, 0.3292), ((59, 6, 16, 80), -0.1186, -0.0046)]
)
def test_newcombe(table: tuple[int, int, int, int], low: float, high: float) -> None:
    n11, n12, n21, n22 = table
    assert newcombe(n11, n21, n12, n22, 0.95) == pytest.approx((low, high), abs=6e-5)


def test_bonett_price() -> None:
    assert bonett_price(7, 1, 21, 0.95) == pytest.approx((-0.508, -0.013), abs=6e-4)
    assert bonett_price_p_below(7, 1, 21, bonett_price(7, 1, 21, 0.95)[1]) == pytest.approx(0.025)


def test_agresti_min() -> None:
    assert agresti_min(16, 6, 161, 0.95) == pytest.approx((-0.1182, -0.0045), abs=6e-5)


@pytest.mark.parametrize(
    ("test", "p"),
    [(mcnemar, 0.033006), (mcnemar_corrected, 0.055009), (mcnemar_exact, 0.052479), (mcnemar_midp, 0.034690)],
)
def test_mcnemar_of_six_and_sixteen(test: Callable[[int, int], float], p: float) -> None:
    assert test(6, 16) == test(16, 6) == pytest.approx(p, abs=6e-7)


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    [(121, 59, 4e-6), (70, 59, 0.378688), (30, 60, 0.00206), (10, 30, 0.002221), (10, 10, 1.0), (7, 1, 0.0703125)],
)
def test_mcnemar_exact(lost: int, gained: int, p: float) -> None:
    assert mcnemar_exact(lost, gained) == pytest.approx(p, abs=6e-7)


def test_mcnemar_midp() -> None:
    assert mcnemar_midp(7, 1) == pytest.approx(0.0390625)
    assert mcnemar_midp(0, 0) == 1.0 == mcnemar(0, 0) == mcnemar_corrected(0, 0) == mcnemar_exact(0, 0)


@pytest.mark.parametrize(
    ("interval", "k", "n", "low", "high"),
    [
        (clopper_pearson, 15, 148, 0.0578, 0.1617),
        (wilson, 15, 148, 0.0624, 0.1605),
        (clopper_pearson, 0, 20, 0.0, 0.1684),
        (wilson, 0, 20, 0.0, 0.1611),
    ],
)
def test_one_rate(
    interval: Callable[[int, int, float], tuple[float, float]], k: int, n: int, low: float, high: float
) -> None:
    assert interval(k, n, 0.95) == pytest.approx((low, high), abs=6e-5)
    mirrored = interval(n - k, n, 0.95)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=6e-5)


@pytest.mark.parametrize(("n", "bound"), [(59, 0.05), (149, 0.02), (299, 0.01), (598, 0.005)])
def test_probes_without_a_failure(n: int, bound: float) -> None:
    """The one-sided 95 % bound is the upper limit of a 90 % interval."""
    assert clopper_pearson(0, n, 0.90)[1] <= bound < clopper_pearson(0, n - 1, 0.90)[1]


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, math.nan])
def test_levels_that_are_none(level: float) -> None:
    for interval in (wilson, clopper_pearson):
        with pytest.raises(ValueError, match="level"):
            interval(1, 2, level)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts(k: int, n: int) -> None:
    for interval in (wilson, clopper_pearson):
        with pytest.raises(ValueError, match="impossible"):
            interval(k, n, 0.95)
