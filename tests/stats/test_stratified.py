"""Stratified samples of the locked items: allocation, estimates against enumeration, and the promised size."""

import math
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt
import pytest

from regress.stats.paired import p_above, tango_z
from regress.stats.stratified import (
    Stratum,
    fewest_to_ask,
    margin_strata,
    margin_tests,
    neyman,
    planned_sd,
    restricted_rates,
    stratified_margin_test,
    stratified_mean,
)

ALPHA, MARGIN = 0.05, 0.03


def stratum(items: int, asked: int, flips: int, *, right: bool = True) -> Stratum:
    return Stratum(items=items, asked=asked, flips=flips, base_right=right)


# --- strata ----------------------------------------------------------------------------------------------------------


def test_strata_never_mix_what_can_be_lost_with_what_can_be_gained() -> None:
    rng = np.random.default_rng(1)
    margins, right = rng.normal(0, 3, 800), rng.random(800) < 0.7
    topics = rng.choice(["law", "physics"], 800)
    labels = margin_strata(margins.tolist(), right.tolist(), topics.tolist(), bands=3, at_least=20)
    assert sorted(set(labels)) == list(range(12))
    for label in set(labels):
        here = np.array(labels) == label
        assert len(set(right[here])) == 1
        assert len(set(topics[here])) == 1
        assert here.sum() >= 20


def test_bands_follow_the_margin() -> None:
    labels = margin_strata([0.1, -5.0, 3.0, 0.2, 9.0, 1.0], [True] * 6, ["t"] * 6, bands=3, at_least=2)
    assert labels == [0, 2, 1, 0, 2, 1]


@pytest.mark.parametrize(
    ("topics", "at_least", "expected"),
    [
        (["a"] * 4 + ["b", "c"], 3, [0, 0, 0, 0, 1, 1]),  # small topics together
        (["a"] * 4 + ["b", "c"], 9, [0] * 6),  # all are small
        (["a"] * 4 + ["b", "c"], 2, [0, 0, 1, 1, 2, 2]),  # two bands of a, and b with c
    ],
)
def test_small_topics(topics: list[str], at_least: int, expected: list[int]) -> None:
    margins = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert margin_strata(margins, [True] * 6, topics, bands=2, at_least=at_least) == expected


@pytest.mark.parametrize(
    ("margins", "right", "bands"),
    [([], [], 2), ([1.0], [True, False], 2), ([math.nan], [True], 2), ([math.inf], [True], 2), ([1.0], [True], 0)],
)
def test_strata_refuse(margins: list[float], right: list[bool], bands: int) -> None:
    with pytest.raises(ValueError, match="margin"):
        margin_strata(margins, right, ["t"] * len(margins), bands=bands, at_least=5)


def test_planned_spread() -> None:
    sd = planned_sd(np.array([0.0, math.log(3.0), -math.log(3.0), 800.0]))
    assert sd.tolist() == pytest.approx([0.5, math.sqrt(3.0) / 4.0, math.sqrt(3.0) / 4.0, 0.0])


# --- allocation ------------------------------------------------------------------------------------------------------


def allocate(items: list[int], sds: list[float], total: int, at_least: int = 0) -> list[int]:
    asked: list[int] = neyman(np.array(items), np.array(sds), total, np.full(len(items), at_least)).tolist()
    return asked


@pytest.mark.parametrize(
    ("items", "sds", "total", "at_least", "expected"),
    [
        ([100, 100], [0.3, 0.1], 40, 0, [30, 10]),
        ([200, 100], [0.1, 0.2], 50, 0, [25, 25]),
        ([20, 100, 100], [0.5, 0.1, 0.1], 40, 0, [14, 13, 13]),  # as many in each, the first remainder up
        ([10, 100, 100], [0.9, 0.1, 0.1], 40, 0, [10, 15, 15]),  # capped, the rest shared
        ([100, 100], [0.5, 0.0], 40, 5, [35, 5]),  # floored
        ([100, 300], [0.0, 0.0], 40, 0, [10, 30]),  # nothing known: in proportion
        ([10, 100], [0.5, 0.0], 40, 0, [10, 30]),  # what no other can take
        ([3, 3], [0.5, 0.5], 6, 2, [3, 3]),
        ([100, 100, 100], [0.1, 0.1, 0.1], 100, 0, [34, 33, 33]),
    ],
)
def test_allocation(items: list[int], sds: list[float], total: int, at_least: int, expected: list[int]) -> None:
    assert allocate(items, sds, total, at_least) == expected


def test_allocation_keeps_its_bounds_and_its_total() -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        items = rng.integers(1, 200, (4, 9))
        sds = rng.random((4, 9)) ** 6 * (rng.random((4, 9)) < 0.8)
        low = np.minimum(rng.integers(0, 5, (4, 9)), items)
        total = int(rng.integers(low.sum(1).max(), items.sum(1).min() + 1))
        asked = neyman(items, sds, total, low)
        assert (asked.sum(1) == total).all()
        assert (asked >= low).all()
        assert (asked <= items).all()
        assert asked[2].tolist() == neyman(items[2], sds[2], total, low[2]).tolist()


def test_no_other_allocation_has_less_variance() -> None:
    items, sds, total = np.array([30, 60, 20]), np.array([0.4, 0.1, 0.3]), 30
    best = neyman(items, sds, total, np.ones(3, dtype=int))
    variances = {
        (a, b, total - a - b): float((items**2 * sds**2 / np.array([a, b, total - a - b])).sum())
        for a in range(1, 30)
        for b in range(1, 30 - a)
        if total - a - b <= 20
    }
    assert variances[tuple(best.tolist())] <= min(variances.values()) * 1.005  # rounding is not optimised


@pytest.mark.parametrize(
    ("items", "sds", "total", "at_least"),
    [
        ([10, 10], [0.1, 0.1], 21, 0),
        ([10, 10], [0.1, 0.1], 3, 2),
        ([10, 0], [0.1, 0.1], 3, 0),
        ([10, 10], [0.1, -0.1], 3, 0),
        ([10, 10], [0.1, math.nan], 3, 0),
        ([10, 10], [0.1, 0.1], 3, -1),
        ([], [], 0, 0),
    ],
)
def test_allocation_refuses(items: list[int], sds: list[float], total: int, at_least: int) -> None:
    with pytest.raises(ValueError, match=r"strata need items|cannot be asked"):
        allocate(items, sds, total, at_least)


def test_with_the_fewest_asked_nothing_lost_can_only_just_pass() -> None:
    items = np.array([500, 300, 200])
    asked = fewest_to_ask(items, 0, MARGIN, ALPHA)
    assert asked.tolist() == [50, 30, 20]
    chances = [
        math.prod((1 - p / w) ** n for p, w, n in zip((a, b, MARGIN - a - b), (0.5, 0.3, 0.2), asked, strict=True))
        for a in np.linspace(0, MARGIN, 31)
        for b in np.linspace(0, MARGIN - a, 31)
    ]
    assert max(chances) <= ALPHA  # wherever the drop hides
    assert max(chances) > 0.9 * ALPHA
    assert fewest_to_ask(items, 400, MARGIN, ALPHA).tolist() == [100, 60, 40]
    assert fewest_to_ask(np.array([1, 999]), 0, MARGIN, ALPHA).tolist() == [1, 99]


# --- estimates -------------------------------------------------------------------------------------------------------


def test_unbiased_over_every_sample_that_could_be_drawn() -> None:
    """Two strata, all 6 x 10 samples: the mean, its variance for these items, and the one for their population."""
    lost, gained = (1, 0, 0, 1), (0, 1, 0, 1, 1)
    means, here, beyond = [], [], []
    for first in combinations(lost, 2):
        for second in combinations(gained, 3):
            found = stratified_mean([stratum(4, 2, sum(first)), stratum(5, 3, sum(second), right=False)])
            means.append(found.delta)
            here.append(found.variance_here)
            beyond.append(found.variance)
    all_differences = np.array([-d for d in lost] + list(gained))
    assert np.mean(means) == pytest.approx(all_differences.mean())
    assert np.mean(here) == pytest.approx(np.var(means))
    assert np.mean(beyond) == pytest.approx(np.var(means) + all_differences.var(ddof=1) / 9)


def test_all_items_asked() -> None:
    found = stratified_mean([stratum(70, 70, 7), stratum(30, 30, 3, right=False)])
    differences = [-1] * 7 + [1] * 3 + [0] * 90
    assert found.delta == pytest.approx(-0.04)
    assert found.variance_here == 0.0
    assert found.variance == pytest.approx(np.var(differences, ddof=1) / 100)


def test_restricted_rates_are_the_most_likely_ones() -> None:
    flips, asked, signed = np.array([2, 0, 3]), np.array([40, 25, 10]), np.array([-0.5, -0.3, 0.2])
    rates = restricted_rates(flips, asked, signed, -MARGIN)
    assert (signed * rates).sum() == pytest.approx(-MARGIN)

    def log_likelihood(p: npt.NDArray[np.float64]) -> float:
        return float((flips * np.log(np.maximum(p, 1e-12)) + (asked - flips) * np.log1p(-p)).sum())

    best = log_likelihood(rates)
    for a in np.linspace(0.001, 0.4, 200):
        for b in np.linspace(0.0, 0.4, 200):
            c = (-MARGIN + 0.5 * a + 0.3 * b) / 0.2
            if 0.0 < c < 1.0:
                assert log_likelihood(np.array([a, b, c])) <= best + 1e-9


def test_everything_asked_is_nearly_tango() -> None:
    p_pass, _ = stratified_margin_test([stratum(700, 700, 20), stratum(300, 300, 18, right=False)], MARGIN)
    assert p_pass == pytest.approx(p_above(tango_z(20, 18, 1000, -MARGIN)), rel=0.2)


# --- tests at the margin ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "strata",
    [
        [stratum(300, 98, 0)],  # .97^98 = .0506
        [stratum(500, 400, 0), stratum(500, 20, 0)],  # the drop may hide where hardly anybody was asked
        [stratum(990, 990, 0), stratum(310, 1, 0)],
        [stratum(500, 300, 1), stratum(500, 2, 0), stratum(500, 2, 2, right=False)],  # two gains of great weight
        [stratum(10, 10, 0)],
        [stratum(100, 100, 0, right=False)],  # nothing to lose
        [stratum(20, 20, 0), stratum(980, 980, 0, right=False)],  # less right than the margin
    ],
)
def test_never_a_false_pass_from_too_little(strata: list[Stratum]) -> None:
    assert stratified_margin_test(strata, MARGIN)[0] > ALPHA


@pytest.mark.parametrize(
    "strata",
    [
        [stratum(500, 300, 0), stratum(500, 2, 1)],  # one of two, and a weight of a half
        [stratum(500, 300, 0), stratum(500, 2, 2)],
        [stratum(100, 1, 1)],
        [stratum(10, 10, 10, right=False)],
    ],
)
def test_never_a_false_fail_from_too_little(strata: list[Stratum]) -> None:
    assert stratified_margin_test(strata, MARGIN)[1] > ALPHA


def test_clear_cases() -> None:
    p_pass, p_fail = stratified_margin_test([stratum(700, 300, 0), stratum(300, 100, 0, right=False)], MARGIN)
    assert p_pass < 0.001
    assert p_fail > 0.99
    p_pass, p_fail = stratified_margin_test([stratum(700, 300, 300), stratum(300, 100, 0, right=False)], MARGIN)
    assert p_pass == pytest.approx(1.0)
    assert p_fail < 1e-6


def test_one_more_loss_never_helps_one_more_gain_never_hurts() -> None:
    lost = [stratified_margin_test([stratum(600, 200, k), stratum(300, 60, 4, right=False)], MARGIN) for k in range(60)]
    assert all(later[0] >= earlier[0] - 1e-12 for earlier, later in pairwise(lost))
    gained = [
        stratified_margin_test([stratum(600, 200, 9), stratum(300, 60, k, right=False)], MARGIN) for k in range(9)
    ]
    assert all(later[0] <= earlier[0] + 1e-12 for earlier, later in pairwise(gained))


REPLICATIONS = 4000


@pytest.mark.parametrize(
    "where", [(0.01, 0.04, 0.20), (0.08, 0.04, 0.01), (0.04, 0.04, 0.04)], ids=["unsure", "sure", "any"]
)
def test_size(where: tuple[float, float, float]) -> None:
    """Rates of loss from the surest stratum to the least sure, a true drop of 3 points; locked items are redrawn."""
    rng = np.random.default_rng(7)
    share, right = np.array([0.3, 0.25, 0.2, 0.25]), np.array([True, True, True, False])
    rates = np.array([*where, 0.0])
    rates[3] = ((share[:3] * rates[:3]).sum() - MARGIN) / share[3]  # gains make up for what is more than that
    assert rates[3] > -1e-12
    rates[3] = max(rates[3], 0.0)
    items = rng.multinomial(900, share, REPLICATIONS)
    sds = np.tile([0.02, 0.1, 0.5, 0.4], (REPLICATIONS, 1))
    asked = neyman(items, sds, 300, fewest_to_ask(items, 300, MARGIN, ALPHA))
    flips = rng.binomial(asked, rates)
    p_pass, p_fail = margin_tests(flips, asked, items, right, MARGIN)
    error = math.sqrt(ALPHA * (1 - ALPHA) / REPLICATIONS)
    assert (p_pass <= ALPHA).mean() <= ALPHA + 3 * error
    assert (p_fail <= ALPHA).mean() <= ALPHA + 3 * error


def test_the_spread_that_was_seen_alone_does_not_keep_the_size() -> None:
    """Why PASS rests on restricted rates: losses hide where few are asked, and what was not seen has no spread."""
    rng = np.random.default_rng(8)
    items, right = np.array([600, 300]), np.array([True, True])
    asked = np.array([40, 260])
    flips = rng.binomial(asked, [0.05, 0.0], (REPLICATIONS, 2))  # a drop of .05 * 600 / 900 = 3.3 points
    naive = 0
    for lost, lost_unsure in flips.tolist():
        found = stratified_mean([stratum(600, 40, lost), stratum(300, 260, lost_unsure)])
        naive += p_above((found.delta + MARGIN) / math.sqrt(max(found.variance, 1e-12))) <= ALPHA
    assert naive / REPLICATIONS > 0.10
    assert (margin_tests(flips, asked, items, right, MARGIN)[0] <= ALPHA).mean() <= ALPHA


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "asked", "flips"), [(10, 0, 0), (0, 0, 0), (10, 11, 0), (10, 5, 6), (10, 5, -1), (-1, 1, 0)]
)
def test_impossible_strata(items: int, asked: int, flips: int) -> None:
    with pytest.raises(ValueError, match="impossible stratum"):
        stratum(items, asked, flips)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="no stratum"):
        stratified_margin_test([], MARGIN)
    with pytest.raises(ValueError, match="at least two"):
        stratified_mean([])
    with pytest.raises(ValueError, match="at least two"):
        stratified_mean([stratum(10, 1, 0)])  # one of ten shows no spread
    for margin in (0.0, 1.0, -0.03, math.nan):
        with pytest.raises(ValueError, match="margin"):
            stratified_margin_test([stratum(10, 5, 0)], margin)
        with pytest.raises(ValueError, match="margin"):
            fewest_to_ask(np.array([10]), 5, margin, ALPHA)
