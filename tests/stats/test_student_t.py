"""Quantiles of Student's t, against scipy's."""

from __future__ import annotations

import pytest
from scipy.special import stdtrit

from regress.stats.student_t import p_above_t, t_quantile


@pytest.mark.parametrize("degrees", [1, 2, 29, 30, 31, 60, 500, 100_000])
@pytest.mark.parametrize("probability", [0.001, 0.05, 0.5, 0.9, 0.95, 0.975, 0.995, 0.999])
def test_quantiles_are_scipys(degrees: int, probability: float) -> None:
    found = t_quantile(probability, degrees)
    assert found == pytest.approx(float(stdtrit(degrees, probability)), abs=2e-6)
    assert p_above_t(found, degrees) == pytest.approx(1.0 - probability, abs=1e-6)


@pytest.mark.parametrize(("probability", "degrees"), [(0.0, 5), (1.0, 5), (float("nan"), 5), (0.5, 0)])
def test_what_has_no_quantile_is_refused(probability: float, degrees: int) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        t_quantile(probability, degrees)
