"""Exact unconditional tests against published critical values and against plain enumeration."""

import math

import numpy as np
import pytest

from regress.stats.exact import MAX_N, Tail, critical_value, exact_p, power, size
from regress.stats.paired import tango_z


@pytest.mark.parametrize(
    ("n", "tail", "critical", "reached"),
    [
        (200, Tail.ABOVE, 1.6585, 0.0492),
        (200, Tail.BELOW, 1.6652, 0.0490),
        (1000, Tail.ABOVE, 1.6685, 0.0478),
        (1000, Tail.BELOW, 1.6956, 0.0465),
    ],
)
def test_critical_values_at_three_points(n: int, tail: Tail, critical: float, reached: float) -> None:
    sign = 1 if tail is Tail.ABOVE else -1
    assert critical_value(n, 0.03, 0.05, tail) == pytest.approx(critical, abs=1.2e-3)
    assert size(n, 0.03, sign * critical, tail, 0.5) == pytest.approx(reached, abs=2e-4)


def enumerated(n: int, margin: float, z: float, tail: Tail, psi: float) -> float:
    """The slow way: every outcome, one by one."""
    p_lost, p_gained = (psi + margin) / 2, (psi - margin) / 2
    total = 0.0
    for lost in range(n + 1):
        for gained in range(n + 1 - lost):
            seen = tango_z(lost, gained, n, -margin)
            if (seen >= z - 1e-9) if tail is Tail.ABOVE else (seen <= z + 1e-9):
                ways = math.comb(n, lost) * math.comb(n - lost, gained)
                total += ways * p_lost**lost * p_gained**gained * (1 - psi) ** (n - lost - gained)
    return total


@pytest.mark.parametrize("tail", Tail)
@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (1, 0), (3, 2), (0, 4), (9, 1)])
def test_the_supremum_is_found(tail: Tail, lost: int, gained: int) -> None:
    n, margin = 40, 0.1
    z = tango_z(lost, gained, n, -margin)
    highest = max(enumerated(n, margin, z, tail, psi) for psi in np.linspace(margin, 1.0, 200))
    found = size(n, margin, z, tail)
    assert highest - 1e-12 <= found <= highest + 2e-3


@pytest.mark.parametrize("tail", Tail)
@pytest.mark.parametrize(("n", "margin"), [(30, 0.1), (50, 0.05), (24, 0.3)])
def test_the_test_holds_its_size_and_keeps_order(n: int, margin: float, tail: Tail) -> None:
    """Over all outcomes: never more than alpha at the margin, and a loss never helps nor a gain harms."""
    p = {(b, c): exact_p(b, c, n, margin, tail) for b in range(n + 1) for c in range(n + 1 - b)}
    for b, c in p:
        if (b + 1, c) in p:
            worse, better = (p[b + 1, c], p[b, c]) if tail is Tail.ABOVE else (p[b, c], p[b + 1, c])
            assert worse >= better - 1e-9
        if (b, c + 1) in p:
            worse, better = (p[b, c], p[b, c + 1]) if tail is Tail.ABOVE else (p[b, c + 1], p[b, c])
            assert worse >= better - 1e-9
    for alpha in (0.2, 0.05, 0.01):
        for psi in np.linspace(margin, 1.0, 25):
            p_lost, p_gained = (psi + margin) / 2, (psi - margin) / 2
            rejected = sum(
                math.comb(n, b) * math.comb(n - b, c) * p_lost**b * p_gained**c * (1 - psi) ** (n - b - c)
                for (b, c), value in p.items()
                if value <= alpha
            )
            assert rejected <= alpha + 1e-9


@pytest.mark.parametrize(
    ("drop", "passes", "fails"),
    [(0.0, 0.91, 0.0), (0.01, 0.63, 0.0), (0.02, 0.26, 0.0), (0.03, 0.05, 0.05), (0.05, 0.0, 0.67), (0.10, 0.0, 1.0)],
)
def test_power_of_a_thousand_items(drop: float, passes: float, fails: float) -> None:
    above = critical_value(1000, 0.03, 0.05, Tail.ABOVE)
    below = critical_value(1000, 0.03, 0.05, Tail.BELOW)
    assert power(1000, 0.03, above, Tail.ABOVE, 0.10, drop) == pytest.approx(passes, abs=0.025)
    assert power(1000, 0.03, below, Tail.BELOW, 0.10, drop) == pytest.approx(fails, abs=0.025)


@pytest.mark.parametrize(("n", "psi", "power_wanted"), [(380, 0.05, 0.8), (707, 0.10, 0.8), (972, 0.10, 0.9)])
def test_the_published_n_reaches_its_power(n: int, psi: float, power_wanted: float) -> None:
    assert power(n, 0.03, 1.6448536, Tail.ABOVE, psi, 0.0) == pytest.approx(power_wanted, abs=0.004)


@pytest.mark.parametrize(
    ("lost", "gained", "n", "margin"),
    [
        (0, 0, 0, 0.03),
        (3, 3, 5, 0.03),
        (-1, 0, 9, 0.03),
        (1, 1, 9, 0.0),
        (1, 1, 9, 1.0),
        (1, 1, 9, math.nan),
        (1, 1, MAX_N + 1, 0.03),
    ],
)
def test_the_impossible_is_refused(lost: int, gained: int, n: int, margin: float) -> None:
    with pytest.raises(ValueError, match=r"counts|margin"):
        exact_p(lost, gained, n, margin, Tail.ABOVE)
