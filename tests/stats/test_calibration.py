"""Correcting a detector's rates: against known truths, and its coverage by simulation."""

import math

import numpy as np
import pytest

from regress.stats.calibration import Calibration, corrected_difference, corrected_rate, scaled_margin

GOOD = Calibration(refused_found=90, refused_missed=10, answered_found=5, answered_left=95)


def test_the_rates_and_their_intervals() -> None:
    assert (GOOD.sensitivity, GOOD.specificity) == (0.9, 0.95)
    assert GOOD.youden == pytest.approx(0.85)
    (low, high), _ = GOOD.intervals(0.95)
    assert low < 0.9 < high


def test_the_correction_undoes_the_detector() -> None:
    """Truly 60 % refuse: the detector sees .6 · .9 + .4 · .05 = .56."""
    assert corrected_rate(560, 1000, GOOD).value == pytest.approx(0.6)
    assert corrected_rate(0, 1000, GOOD).value == 0.0  # below the false alarms
    assert corrected_rate(1000, 1000, GOOD).value == 1.0


def test_a_change_is_larger_than_it_looks() -> None:
    seen = (560 - 475) / 1000
    change = corrected_difference((560, 1000), (475, 1000), (GOOD, GOOD))
    assert change.value == pytest.approx(-seen / 0.85)
    assert scaled_margin(0.1, GOOD) == pytest.approx(0.085)
    low, high = change.interval(0.90)
    assert low < -0.1 < high


def test_a_drop_that_only_the_detector_makes_is_corrected() -> None:
    """Both refuse 60 %, but the candidate's refusals are found half as often."""
    blind = Calibration(refused_found=45, refused_missed=55, answered_found=5, answered_left=95)
    change = corrected_difference((560, 1000), (290, 1000), (GOOD, blind))
    assert change.value == pytest.approx(0.0, abs=1e-9)


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(7)
    covered, rounds = 0, 4000
    for _ in range(rounds):
        labels = Calibration(
            refused_found=(found := int(rng.binomial(60, 0.85))),
            refused_missed=60 - found,
            answered_found=(alarm := int(rng.binomial(60, 0.08))),
            answered_left=60 - alarm,
        )
        seen = int(rng.binomial(400, 0.7 * 0.85 + 0.3 * 0.08))
        low, high = corrected_rate(seen, 400, labels).interval(0.90)
        covered += low <= 0.7 <= high
    assert covered / rounds == pytest.approx(0.90, abs=0.02)


@pytest.mark.parametrize("counts", [(0, 0, 5, 5), (5, 5, 0, 0), (-1, 5, 5, 5)])
def test_labels_of_both_kinds_are_needed(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="labels of both kinds"):
        Calibration(
            refused_found=counts[0], refused_missed=counts[1], answered_found=counts[2], answered_left=counts[3]
        )


def test_a_detector_without_information_corrects_nothing() -> None:
    chance = Calibration(refused_found=50, refused_missed=50, answered_found=50, answered_left=50)
    with pytest.raises(ValueError, match="no information"):
        corrected_rate(10, 20, chance)
    with pytest.raises(ValueError, match="margin"):
        scaled_margin(0.1, chance)
    for bad in ((-1, 10), (11, 10), (0, 0)):
        with pytest.raises(ValueError, match="impossible"):
            corrected_rate(*bad, GOOD)
    with pytest.raises(ValueError, match="margin"):
        scaled_margin(math.nan, GOOD)
