"""Correcting a detector's rates: against known truths, and its coverage by simulation."""

import math

import numpy as np
import pytest

from regress.stats.calibration import Table, corrected_difference, lang_reiczigel, rogan_gladen, scaled_margin, youden

GOOD = Table(true_positive=90, false_negative=10, false_positive=5, true_negative=95)


def test_the_rates_and_their_intervals() -> None:
    assert (GOOD.sensitivity, GOOD.specificity) == (0.9, 0.95)
    assert youden(GOOD.sensitivity, GOOD.specificity) == pytest.approx(0.85)
    low, high = GOOD.sensitivity_interval(0.95)
    assert low < 0.9 < high


def test_the_correction_undoes_the_detector() -> None:
    """Truly 60 % refuse: the detector sees .6 · .9 + .4 · .05 = .56."""
    assert rogan_gladen(560, 1000, GOOD).value == pytest.approx(0.6)


def test_a_change_is_larger_than_it_looks() -> None:
    low, high = corrected_difference((560, 1000, GOOD), (475, 1000, GOOD), 0.90)
    assert low < -0.1 < high
    assert (low + high) / 2 == pytest.approx(-0.1, abs=0.01)
    assert scaled_margin(0.1, 0.9, 0.95) == pytest.approx(0.085)


def test_a_drop_that_only_the_detector_makes_is_corrected() -> None:
    """Both refuse 60 %, but the candidate's refusals are found half as often."""
    blind = Table(true_positive=45, false_negative=55, false_positive=5, true_negative=95)
    low, high = corrected_difference((560, 1000, GOOD), (290, 1000, blind), 0.90)
    assert low < 0.0 < high


def test_pairing_narrows_the_interval() -> None:
    apart = corrected_difference((560, 1000, GOOD), (550, 1000, GOOD), 0.90)
    paired = corrected_difference((560, 1000, GOOD), (550, 1000, GOOD), 0.90, both_flagged=530)
    assert paired[1] - paired[0] < apart[1] - apart[0]


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(7)
    covered, rounds = 0, 4000
    for _ in range(rounds):
        found, alarms = int(rng.binomial(60, 0.85)), int(rng.binomial(60, 0.08))
        labels = Table(true_positive=found, false_negative=60 - found, false_positive=alarms, true_negative=60 - alarms)
        seen = int(rng.binomial(400, 0.7 * 0.85 + 0.3 * 0.08))
        low, high = lang_reiczigel(seen, 400, labels, 0.90)
        covered += low <= 0.7 <= high
    assert covered / rounds == pytest.approx(0.90, abs=0.02)


@pytest.mark.parametrize("counts", [(0, 0, 5, 5), (5, 5, 0, 0), (-1, 5, 5, 5)])
def test_labels_of_both_kinds_are_needed(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"impossible|one of each"):
        Table(true_positive=counts[0], false_negative=counts[1], false_positive=counts[2], true_negative=counts[3])


def test_a_detector_without_information_corrects_nothing() -> None:
    chance = Table(true_positive=50, false_negative=50, false_positive=50, true_negative=50)
    with pytest.raises(ValueError, match="not above 1"):
        rogan_gladen(10, 20, chance)
    for bad in ((-1, 10), (11, 10), (0, 0)):
        with pytest.raises(ValueError, match="impossible"):
            rogan_gladen(*bad, GOOD)
    with pytest.raises(ValueError, match="margin"):
        scaled_margin(math.nan, 0.9, 0.9)
