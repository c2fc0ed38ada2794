"""Rates from verdicts on all and labels on a few: against Rogan and Gladen, and coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from regress.stats.two_phase import Stratum, mean_difference, rate, sensitivity, specificity

FLAGGED = Stratum(size=300, labelled=50, positive=48)
REST = Stratum(size=700, labelled=50, positive=5)


def test_the_rate_weighs_each_stratum_with_its_size() -> None:
    assert rate(FLAGGED, REST) == pytest.approx((300 * 0.96 + 700 * 0.1) / 1000)


def test_it_is_rogan_and_gladens_rate_at_the_weighted_accuracy() -> None:
    se, sp = sensitivity(FLAGGED, REST, 0.9), specificity(FLAGGED, REST, 0.9)
    assert se is not None
    assert sp is not None
    assert se.value == pytest.approx(288 / 358)  # unweighted it would be 48 of 53
    assert rate(FLAGGED, REST) == pytest.approx((0.3 + sp.value - 1) / (se.value + sp.value - 1))


def test_accuracy_where_labels_are_all_of_one_kind() -> None:
    none = Stratum(size=100, labelled=20, positive=0)
    every = Stratum(size=100, labelled=20, positive=20)
    assert sensitivity(none, none, 0.9) is None
    assert specificity(every, every, 0.9) is None
    perfect, blind = sensitivity(every, none, 0.9), sensitivity(none, every, 0.9)
    assert perfect is not None
    assert blind is not None
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert 0.8 < perfect.low < 0.95
    assert (blind.value, blind.low) == (0.0, 0.0)
    assert 0.05 < blind.high < 0.2
    empty = Stratum(size=0, labelled=0, positive=0)
    alone = sensitivity(every, empty, 0.9)
    assert alone is not None
    assert (alone.low, alone.high) == (1.0, 1.0)  # nothing was left to be missed


def test_few_labels_without_spread_are_no_certainty() -> None:
    assert Stratum(size=100, labelled=20, positive=20).variance > 0.0
    assert Stratum(size=0, labelled=0, positive=0).variance == 0.0


@pytest.mark.parametrize("counts", [(10, 11, 0), (10, 5, 6), (10, 5, -1), (10, 0, 0)])
def test_impossible_strata(counts: tuple[int, int, int]) -> None:
    size, labelled, positive = counts
    with pytest.raises(ValueError, match="impossible"):
        Stratum(size=size, labelled=labelled, positive=positive)


def test_impossible_differences() -> None:
    for scores, effect in (([0.1], 1.0), ([0.1, 0.2], 0.5), ([0.1, 0.2], math.nan)):
        with pytest.raises(ValueError, match="design effect"):
            mean_difference(scores, [], design_effect=effect)
    empty = Stratum(size=0, labelled=0, positive=0)
    with pytest.raises(ValueError, match="no cases"):
        rate(empty, empty)


def test_clusters_widen_the_cases_part_only() -> None:
    scores = [0.0, 0.1] * 50
    plain, clustered = mean_difference(scores, [FLAGGED]), mean_difference(scores, [FLAGGED], design_effect=2.0)
    labels_only = mean_difference([0.05] * 100, [FLAGGED]).variance
    assert plain.variance > labels_only > 0.0
    assert clustered.variance - labels_only == pytest.approx(2 * (plain.variance - labels_only))


@pytest.mark.parametrize(
    ("base", "candidate"),
    [((0.9, 0.95, 0.97), (0.87, 0.75, 0.95)), ((0.5, 0.9, 0.9), (0.3, 0.6, 0.95)), ((0.02, 0.95, 0.99),) * 2],
    ids=["refusals", "a blinder detector", "over-refusal"],
)
def test_the_interval_covers(base: tuple[float, float, float], candidate: tuple[float, float, float]) -> None:
    """At a level of 90 %: rate, sensitivity and specificity of either side; 30 labels of either verdict."""
    rng = np.random.default_rng(9)
    rounds, covered, found = 600, 0, 0
    for _ in range(rounds):
        scores, strata = [], []
        for true_rate, se, sp in (base, candidate):
            truth = rng.random(400) < true_rate
            flagged = rng.random(400) < np.where(truth, se, 1 - sp)
            sides = [drawn(rng, truth[flagged], 30), drawn(rng, truth[~flagged], 30)]
            scores.append(np.where(flagged, sides[0].share, sides[1].share))
            strata += sides
            accuracy = sensitivity(sides[0], sides[1], 0.90)
            found += accuracy is None or accuracy.low <= se <= accuracy.high
        estimate = mean_difference((scores[1] - scores[0]).tolist(), strata)
        error = abs(estimate.value - (candidate[0] - base[0]))
        covered += error <= 1.645 * math.sqrt(estimate.variance)
    assert covered / rounds >= 0.89
    assert found / (2 * rounds) >= 0.87


def drawn(rng: np.random.Generator, truth: np.ndarray[tuple[int], np.dtype[np.bool_]], count: int) -> Stratum:
    chosen = rng.permutation(truth)[:count]
    return Stratum(size=len(truth), labelled=len(chosen), positive=int(chosen.sum()))
