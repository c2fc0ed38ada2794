"""Boundaries against published values; their promise, and the e-processes', on simulated data with a fixed seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from regress.stats.sequential import (
    SMALLEST_P,
    AgreementProcess,
    Spending,
    boundaries,
    conditional_power,
    sequential_p,
)

FIFTHS = tuple(k / 5 for k in range(1, 6))
TENTHS = tuple(k / 10 for k in range(1, 11))
UNEVEN = (0.02, 0.3, 0.31, 0.9, 1.0)
OBF, POCOCK = Spending


def four_errors(rate: float, count: int) -> float:
    """Four Monte-Carlo standard errors of a rate."""
    return 4.0 * math.sqrt(rate * (1.0 - rate) / count)


def statistics(
    fractions: Sequence[float], count: int, drift: float = 0.0, seed: int = 1
) -> npt.NDArray[np.float64]:  # (count, looks)
    """z at each look of `count` simulated studies whose final z has expectation `drift`."""
    t = np.array(fractions)
    steps = np.diff(t, prepend=0.0)
    paths = np.random.default_rng(seed).standard_normal((count, len(t))) * np.sqrt(steps)
    return np.asarray((np.cumsum(paths, axis=1) + drift * t) / np.sqrt(t), dtype=np.float64)


# --- boundaries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "spending", "published"),
    [
        (0.05, OBF, (4.2292, 2.8881, 2.2981, 1.9618, 1.7397)),
        (0.05, POCOCK, (2.1762, 2.1437, 2.1133, 2.0896, 2.0710)),
        (0.025, OBF, (4.8769, 3.3570, 2.6803, 2.2898, 2.0310)),  # a coarser integration prints 3.3569
    ],
)
def test_published_boundaries(alpha: float, spending: Spending, published: Sequence[float]) -> None:
    assert boundaries(FIFTHS, alpha, spending) == pytest.approx(published, abs=0.6e-4)


@pytest.mark.parametrize("spending", Spending)
def test_one_look_is_the_fixed_test(spending: Spending) -> None:
    assert boundaries((1.0,), 0.05, spending) == pytest.approx((1.6448536269514722,), abs=1e-9)


@pytest.mark.parametrize("spending", Spending)
@pytest.mark.parametrize("fractions", [TENTHS, UNEVEN])
def test_a_level_is_held_however_often_one_looks(fractions: Sequence[float], spending: Spending) -> None:
    """And spent in full by the last look; a single look's bound, held at each, is crossed twice as often."""
    z = statistics(fractions, 200_000)
    rate = float((z >= boundaries(fractions, 0.05, spending)).any(axis=1).mean())
    assert rate == pytest.approx(0.05, abs=four_errors(0.05, len(z)))
    assert float((z >= 1.645).any(axis=1).mean()) > 0.1


@pytest.mark.parametrize("spending", Spending)
def test_each_look_spends_its_share(spending: Spending) -> None:
    count = 200_000
    crossed = np.logical_or.accumulate(statistics(TENTHS, count) >= boundaries(TENTHS, 0.05, spending), axis=1)
    for t, rate in zip(TENTHS, crossed.mean(axis=0), strict=True):
        spent = spending.spent(0.05, t)
        assert rate == pytest.approx(spent, abs=four_errors(spent, count) + 1e-9), t


@pytest.mark.parametrize("spending", Spending)
@pytest.mark.parametrize("fractions", [FIFTHS, TENTHS, UNEVEN])
def test_a_smaller_alpha_is_harder_to_cross_at_every_look(fractions: Sequence[float], spending: Spending) -> None:
    """What makes a sequential p-value one number: the boundaries of two levels never cross each other."""
    alphas = [0.5 * 0.7**k for k in range(50)]
    for larger, smaller in pairwise(boundaries(fractions, alpha, spending) for alpha in alphas):
        assert all(a < b or a == b > 37.0 for a, b in zip(larger, smaller, strict=True))  # 38: never


@pytest.mark.parametrize(
    ("fractions", "alpha"),
    [
        ((), 0.05),
        ((0.5,), 0.05),
        ((0.5, 0.5, 1.0), 0.05),
        ((0.0, 1.0), 0.05),
        ((math.nan, 1.0), 0.05),
        ((0.5, 1.5), 0.05),
        ((0.5, 1.0), 0.0),
        ((0.5, 1.0), 0.6),
        ((0.5, 1.0), math.nan),
    ],
)
def test_impossible_plans_are_refused(fractions: Sequence[float], alpha: float) -> None:
    with pytest.raises(ValueError, match=r"information fractions|alpha"):
        boundaries(fractions, alpha, OBF)


# --- sequential p-values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spending", Spending)
def test_the_p_value_is_where_the_boundary_is_touched(spending: Spending) -> None:
    for alpha in (0.2, 0.05, 0.001):
        bounds = boundaries(FIFTHS, alpha, spending)
        for look, bound in enumerate(bounds):
            z = [-1.0] * look + [bound]
            assert sequential_p(z, FIFTHS, spending) == pytest.approx(alpha, rel=1e-5)


@pytest.mark.parametrize("spending", Spending)
def test_a_crossing_at_a_level_and_a_p_value_below_it_are_the_same(spending: Spending) -> None:
    for z in statistics(FIFTHS, 40, drift=1.5, seed=2):
        for looks in (2, 5):
            crossed = bool((z[:looks] >= boundaries(FIFTHS, 0.1, spending)[:looks]).any())
            assert (sequential_p(z[:looks].tolist(), FIFTHS, spending) <= 0.1) is crossed


def test_stopping_at_will_keeps_the_p_value_valid() -> None:
    """Here whoever watches stops as soon as the p-value pleases, or gives up once z is below zero."""
    fractions, count = (0.4, 0.7, 1.0), 400

    def stopped(z: Sequence[float]) -> float:
        for look in range(1, 4):
            p = sequential_p(z[:look], fractions, POCOCK)
            if p <= 0.2 or z[look - 1] < 0.0:
                break
        return p

    rate = np.mean([stopped(z.tolist()) <= 0.2 for z in statistics(fractions, count, seed=3)])
    assert 0.1 < rate <= 0.2 + four_errors(0.2, count)


def test_p_values_at_the_ends() -> None:
    assert sequential_p([], FIFTHS, OBF) == 1.0
    assert sequential_p([-3.0, 0.0], FIFTHS, OBF) == 1.0
    assert sequential_p([math.inf], FIFTHS, POCOCK) == SMALLEST_P
    with pytest.raises(ValueError, match="not numbers"):
        sequential_p([math.nan], FIFTHS, OBF)
    with pytest.raises(ValueError, match="6 looks of 5"):
        sequential_p([0.0] * 6, FIFTHS, OBF)


# --- conditional power ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("z", "fraction", "drift"), [(0.5, 0.5, 2.5), (-1.0, 0.3, 2.5), (2.0, 0.8, 0.0)])
def test_conditional_power_is_how_often_the_rest_gets_there(z: float, fraction: float, drift: float) -> None:
    count = 100_000
    rest = np.random.default_rng(4).normal(drift * (1 - fraction), math.sqrt(1 - fraction), count)
    rate = float(np.mean(z * math.sqrt(fraction) + rest >= 1.7))
    assert conditional_power(z, fraction, drift, 1.7) == pytest.approx(rate, abs=four_errors(rate, count))


def test_at_the_last_look_nothing_is_open() -> None:
    assert [conditional_power(z, 1.0, 3.0, 1.7) for z in (1.69, 1.7)] == [0.0, 1.0]
    with pytest.raises(ValueError, match="fraction"):
        conditional_power(1.0, 0.0, 3.0, 1.7)


# --- will the full run agree? -----------------------------------------------------------------------------------------


def population(total: int, lost: int, gained: int) -> npt.NDArray[np.int64]:
    return np.repeat([-1, 0, 1], [lost, total - lost - gained, gained])


def least_p(differences: Sequence[int], margin: float, *, below: bool = False) -> tuple[float, int]:
    """The smallest p-value that anybody who looks after every item sees, and when it first is .05 or less."""
    process = AgreementProcess(len(differences), margin)
    best, first = 1.0, len(differences)
    for index, difference in enumerate(differences, start=1):
        process.update(difference)
        p = process.p_fail if below else process.p_pass
        if best > 0.05 >= p:
            first = index
        best = min(best, p)
    return best, first


@pytest.mark.parametrize(("lost", "gained"), [(6, 0), (13, 7), (30, 24)])
@pytest.mark.parametrize("below", [False, True])
def test_a_population_at_the_margin_is_misjudged_at_most_that_often(lost: int, gained: int, below: bool) -> None:
    """200 items whose mean is -margin exactly: neither side may be ruled out, however long one looks."""
    rng, count = np.random.default_rng(5), 600
    items = population(200, lost, gained)
    wrong = sum(least_p(rng.permutation(items).tolist(), 0.03, below=below)[0] <= 0.05 for _ in range(count))
    assert wrong / count <= 0.05 + four_errors(0.05, count)


@pytest.mark.parametrize(
    ("lost", "gained", "below", "share"), [(0, 0, False, 0.25), (50, 50, False, 0.75), (100, 0, True, 0.4)]
)
def test_it_saves_items_where_the_answer_is_clear(lost: int, gained: int, below: bool, share: float) -> None:
    rng = np.random.default_rng(6)
    items = population(1000, lost, gained)
    used = [least_p(rng.permutation(items).tolist(), 0.03, below=below)[1] for _ in range(30)]
    assert float(np.mean(used)) / 1000 < share


def test_what_the_rest_cannot_change_is_certain() -> None:
    process = AgreementProcess(100, 0.03)  # a drop of the margin is three items
    for _ in range(97):
        process.update(0)
    assert process.e_pass < math.inf  # losing all three that are left would make it so
    process.update(0)
    assert (process.e_pass, process.p_pass) == (math.inf, 0.0)
    process = AgreementProcess(100, 0.03)
    for _ in range(51):
        process.update(-1)
    assert process.e_fail < math.inf  # 49 gains: a drop of two
    process.update(-1)
    assert process.e_fail == math.inf
    assert process.e_pass < 1.0


def test_swapping_the_sides_swaps_the_direction_of_a_bet() -> None:
    """Tiny margins make the hypotheses each other's mirror images."""
    one, other = AgreementProcess(500, 1e-9), AgreementProcess(500, 1e-9)
    for difference in np.random.default_rng(7).choice([-1, 0, 1], 300, p=[0.05, 0.85, 0.1]).tolist():
        one.update(difference)
        other.update(-difference)
        assert one.e_pass == pytest.approx(other.e_fail, rel=1e-4)
    assert one.e_pass > 1.0 > other.e_pass


def test_impossible_items_are_refused() -> None:
    process = AgreementProcess(1, 0.03)
    with pytest.raises(ValueError, match="difference 2 after 0 of 1"):
        process.update(2)
    process.update(0)
    with pytest.raises(ValueError, match="after 1 of 1"):
        process.update(0)
    for total, margin in ((0, 0.03), (5, 0.0), (5, math.nan)):
        with pytest.raises(ValueError, match="margin between 0 and 1"):
            AgreementProcess(total, margin)
