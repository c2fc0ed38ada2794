"""Published values; tables are (n11, n12, n21, n22), delta = (n12 - n21) / N."""

import math

import pytest

from regress.stats.cluster import design_effect
from regress.stats.multiple import benjamini_hochberg, holm
from regress.stats.paired import mcnemar_midp_gain, p_above, sign_test, tango_interval, tango_z
from regress.stats.power import detectable_drop, fail_power, needed_n, pass_power
from regress.stats.student_t import p_above_t


@pytest.mark.parametrize(
    ("table", "level", "low", "high", "digits"),
    [
        ((4, 9, 3, 16), 0.95, -0.027, 0.390, 3),
        ((53, 16, 8, 9), 0.95, -0.020, 0.207, 3),
        ((1, 1, 7, 12), 0.95, -0.517, -0.026, 3),
        ((8, 3, 1, 2), 0.95, -0.1670, 0.4327, 4),
        ((59, 6, 16, 80), 0.95, -0.1240, -0.0054, 4),
        ((0, 3, 0, 0), 0.95, -0.1230, 1.0, 4),
        ((43, 0, 1, 0), 0.90, -0.096, 0.037, 3),
    ],
)
def test_tango_interval(table: tuple[int, int, int, int], level: float, low: float, high: float, digits: int) -> None:
    n11, n12, n21, n22 = table
    got = tango_interval(lost=n21, gained=n12, n=n11 + n12 + n21 + n22, level=level)
    assert got == pytest.approx((low, high), abs=0.6 * 10**-digits)


@pytest.mark.parametrize(("margin", "n"), [(0.01, 268), (0.02, 133), (0.03, 88), (0.05, 52)])
def test_zero_flips_need_that_many_items(margin: float, n: int) -> None:
    assert p_above(tango_z(0, 0, n, -margin)) <= 0.05
    assert p_above(tango_z(0, 0, n - 1, -margin)) > 0.05


def test_zero_flips_never_give_a_width_of_zero() -> None:
    low, high = tango_interval(0, 0, 200, 0.90)
    z = 1.6448536269514722
    assert (low, high) == pytest.approx((-(z**2) / (200 + z**2), z**2 / (200 + z**2)))


def test_swapping_the_sides_mirrors_the_interval() -> None:
    low, high = tango_interval(17, 5, 300, 0.9)
    assert tango_interval(5, 17, 300, 0.9) == pytest.approx((-high, -low))


@pytest.mark.parametrize("counts", [(0, 0, 0), (3, 3, 5), (-1, 0, 10)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="impossible counts"):
        tango_z(*counts, delta0=-0.01)


@pytest.mark.parametrize(
    ("lost", "gained", "two_sided"),
    [(6, 16, 0.034690), (1, 7, 0.0390625)],
)
def test_mcnemar_midp(lost: int, gained: int, two_sided: float) -> None:
    assert 2 * mcnemar_midp_gain(lost, gained) == pytest.approx(two_sided, abs=1e-6)


def test_no_flips_say_nothing_about_gain() -> None:
    assert mcnemar_midp_gain(0, 0) == 0.5


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    with pytest.raises(ValueError, match="not p-values"):
        holm([0.1, math.nan])


def test_benjamini_hochberg() -> None:
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert benjamini_hochberg([]) == []
    with pytest.raises(ValueError, match="not p-values"):
        benjamini_hochberg([1.5])


def test_design_effect_reproduces_the_clustered_standard_error() -> None:
    values = list(range(20))
    clusters = [i % 4 for i in values]
    independent = sum((v - 9.5) ** 2 for v in values) / 20**2
    assert math.sqrt(design_effect(values, clusters) * independent) == pytest.approx(
        max(0.6454972, math.sqrt(independent)), abs=1e-6
    )
    assert design_effect([-1, -1, 0, 0, 1, 1], "aabbcc") == pytest.approx(2.0)
    assert design_effect([0, 0, 0], "abc") == 1.0


def test_t_tail() -> None:
    assert p_above_t(2.093, 19) == pytest.approx(0.025, abs=1e-4)


@pytest.mark.parametrize(
    ("margin", "flips", "exact80", "exact90"),
    [(0.01, 0.05, 3134, 4353), (0.02, 0.10, 1571, 2164), (0.03, 0.10, 707, 972), (0.05, 0.20, 502, 691)],
)
def test_needed_n_is_close_to_exact_enumeration(margin: float, flips: float, exact80: int, exact90: int) -> None:
    assert needed_n(margin, flips, 0.05, 0.8) == pytest.approx(exact80, rel=0.04)
    assert needed_n(margin, flips, 0.05, 0.9) == pytest.approx(exact90, rel=0.04)


@pytest.mark.parametrize(
    ("drop", "passes", "fails"),
    [(0.0, 0.91, 0.0), (0.01, 0.63, 0.0), (0.02, 0.26, 0.0), (0.03, 0.05, 0.05), (0.05, 0.0, 0.67), (0.10, 0.0, 1.0)],
)
def test_power_of_a_thousand_items(drop: float, passes: float, fails: float) -> None:
    assert pass_power(1000, 0.03, 0.10, 0.05, drop) == pytest.approx(passes, abs=0.02)
    assert fail_power(1000, 0.03, 0.10, 0.05, drop) == pytest.approx(fails, abs=0.02)


def test_detectable_drop_is_where_fail_power_reaches_the_goal() -> None:
    drop = detectable_drop(1000, 0.03, 0.10, 0.05, 0.8)
    assert drop is not None
    assert fail_power(1000, 0.03, 0.10, 0.05, drop) == pytest.approx(0.8, abs=1e-6)
    assert detectable_drop(1, 0.03, 0.10, 0.05, 0.8) is None


@pytest.mark.parametrize(
    ("more", "fewer", "p"),
    [(10, 0, 2.0**-10), (7, 2, 46 / 512), (0, 0, 1.0), (0, 5, 1.0), (3, 3, 42 / 64)],
    ids=["all of ten", "seven of nine", "no pair", "none", "half"],
)
def test_the_sign_test_is_the_binomial_tail(more: int, fewer: int, p: float) -> None:
    assert sign_test(more, fewer) == pytest.approx(p, rel=1e-12)
    with pytest.raises(ValueError, match="discordant"):
        sign_test(-1, 2)
