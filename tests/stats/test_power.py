"""Items that a verdict on a mean needs."""

from __future__ import annotations

from regress.stats.power import needed_n_mean


def test_a_mean_without_spread_needs_as_many_items_as_no_loss_would() -> None:
    """Tango's zero-loss counts at 5 %: 268, 133, 88 and 52 items for 1, 2, 3 and 5 points."""
    needed = [needed_n_mean(0.0, margin, 0.05, 0.8) for margin in (0.01, 0.02, 0.03, 0.05)]
    assert needed == [268, 133, 88, 52]
    assert needed_n_mean(0.3, 0.05, 0.05, 0.8) == 223
    assert needed_n_mean(0.3, 0.05, 0.05, 0.8, drop=0.05) is None
