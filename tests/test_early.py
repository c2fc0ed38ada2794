"""When a suite may stop: a table of looks with reasons, and what the rule promises on simulated suites."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from regress.early import Counts, StopKind, first_stop, look_sizes, p_values

LOOKS = look_sizes(1000)


def seen(*moved: tuple[int, int]) -> list[Counts]:
    """Cumulative (lost, gained) after each hundred of 1,000 items."""
    return [(lost, gained, n) for (lost, gained), n in zip(moved, LOOKS, strict=False)]


@pytest.mark.parametrize(
    ("n", "looks", "sizes"),
    [
        (1000, 10, tuple(range(100, 1001, 100))),
        (95, 10, (10, 19, 29, 38, 48, 57, 67, 76, 86, 95)),
        (3, 10, (1, 2, 3)),
        (1, 10, (1,)),
        (500, 1, (500,)),
    ],
)
def test_look_sizes(n: int, looks: int, sizes: Sequence[int]) -> None:
    assert look_sizes(n, looks) == sizes


def steadily(lost: int, gained: int, looks: int = 10) -> list[Counts]:
    """The same in every hundred."""
    return seen(*[(lost * k, gained * k) for k in range(1, looks + 1)])


NEARLY = seen(*[(7 * k // 2, 2 * k) for k in range(1, 10)])


@pytest.mark.parametrize(
    ("why", "counts", "stop"),
    [
        ("nothing was asked yet", [], None),
        ("three tenths without a flip do not say enough", steadily(0, 0, 3), None),
        ("four do", steadily(0, 0), (4, StopKind.PASS)),
        ("nine flips are too few for FAIL, however bad", steadily(9, 0, 1), None),
        ("great damage shows at once", seen((14, 0)), (1, StopKind.FAIL)),
        ("as many gained as lost takes a little longer", steadily(5, 5), (7, StopKind.PASS)),
        ("twice the margin is worth pursuing", steadily(6, 1), (9, StopKind.FAIL)),
        ("a drop of the margin is not", steadily(7, 4), (6, StopKind.FUTILE)),
        ("nor are two points, near the end", steadily(4, 2), (9, StopKind.FUTILE)),
        ("what came after the stop does not count", seen((14, 0), (14, 50), (14, 99)), (1, StopKind.FAIL)),
        ("the last look may decide", [*NEARLY, (33, 18, 1000)], (10, StopKind.PASS)),
        ("and may leave it open", [*NEARLY, (35, 18, 1000)], None),
    ],
)
def test_where_it_stops(why: str, counts: Sequence[Counts], stop: tuple[int, StopKind] | None) -> None:
    found = first_stop(counts, LOOKS, 0.03, 0.05)
    assert (found and (found.look, found.kind)) == stop, why
    if found is not None:
        assert (found.lost, found.gained, found.n) == counts[found.look - 1]


def test_without_futility_it_is_asked_to_the_end() -> None:
    for counts in (steadily(7, 4), steadily(4, 2)):
        assert first_stop(counts, LOOKS, 0.03, 0.05, futility=False) is None


def test_the_order_of_what_is_lost_matters_only_through_the_looks() -> None:
    """Sorted items break the rule: the same run passes where its losses come last, which is why the order is locked."""
    damage_last = [(0, 0, n) for n in LOOKS[:5]] + [(20 * k, 0, n) for k, n in enumerate(LOOKS[5:], start=1)]
    damage_first = [(20 * k, 0, n) for k, n in enumerate(LOOKS[:5], start=1)] + [(100, 0, n) for n in LOOKS[5:]]
    assert damage_last[-1] == damage_first[-1]
    kinds = [first_stop(c, LOOKS, 0.03, 0.05) for c in (damage_last, damage_first)]
    assert [stop and stop.kind for stop in kinds] == [StopKind.PASS, StopKind.FAIL]


# --- p-values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.05, 0.0304, 0.0076])
def test_a_verdict_and_its_p_value_agree(alpha: float) -> None:
    rng = np.random.default_rng(1)
    kinds = set()
    for drop in (0.0, 0.02, 0.05, 0.1):
        for counts in simulated(10, 0.1, drop, rng):
            stop = first_stop(counts, LOOKS, 0.03, alpha, futility=False)
            until = counts[: stop.look] if stop else counts
            p_pass, p_fail = p_values(until, LOOKS, 0.03)
            assert (p_pass <= alpha) is (stop is not None and stop.kind is StopKind.PASS)
            assert (p_fail <= alpha) is (stop is not None and stop.kind is StopKind.FAIL)
            kinds.add(stop and stop.kind)
    assert kinds == {None, StopKind.PASS, StopKind.FAIL}


def test_a_futile_suite_has_no_small_p_value() -> None:
    assert p_values(steadily(7, 4, 6), LOOKS, 0.03) == (1.0, 1.0)


# --- promises ---------------------------------------------------------------------------------------------------------


def simulated(
    count: int, flip_rate: float, drop: float, rng: np.random.Generator, looks: Sequence[int] = LOOKS
) -> list[list[Counts]]:
    """Counts at every look of `count` suites whose items are lost and gained independently."""
    chances = [(flip_rate + drop) / 2, (flip_rate - drop) / 2, 1 - flip_rate]
    steps = [rng.multinomial(size, chances, count)[:, :2] for size in np.diff(looks, prepend=0)]
    moved = np.cumsum(np.stack(steps, axis=1), axis=1)  # (count, looks, 2)
    return [[(lost, gained, n) for (lost, gained), n in zip(rows, looks, strict=True)] for rows in moved.tolist()]


def outcomes(
    count: int, flip_rate: float, drop: float, *, futility: bool, seed: int = 2
) -> tuple[float, float, float, float]:
    """(share of PASS, of FAIL, of futile ones, mean share of the items that were asked)."""
    rng = np.random.default_rng(seed)
    stops = [first_stop(c, LOOKS, 0.03, 0.05, futility=futility) for c in simulated(count, flip_rate, drop, rng)]
    passes, fails, futile = (sum(s is not None and s.kind is kind for s in stops) / count for kind in StopKind)
    return passes, fails, futile, float(np.mean([s.n if s else LOOKS[-1] for s in stops])) / LOOKS[-1]


@pytest.mark.parametrize("flip_rate", [0.03, 0.05, 0.10])
@pytest.mark.parametrize("futility", [False, True])
def test_a_drop_of_the_margin_is_promoted_or_rejected_at_most_that_often(flip_rate: float, futility: bool) -> None:
    count = 6000
    passes, fails, _, _ = outcomes(count, flip_rate, 0.03, futility=futility)
    allowed = 0.05 + 4.0 * math.sqrt(0.05 * 0.95 / count)
    assert passes <= allowed
    assert fails <= allowed
    assert passes >= 0.03  # it is spent, too


def test_stopping_at_every_small_p_value_instead_promotes_too_often() -> None:
    """What the boundaries are for: a look at every tenth with the bound of a single test."""
    tests = [
        any(p <= 0.05 for p in (p_values([counts[k]], [LOOKS[k]], 0.03)[0] for k in range(10)))
        for counts in simulated(400, 0.1, 0.03, np.random.default_rng(3))
    ]
    assert float(np.mean(tests)) > 0.12


@pytest.mark.parametrize(
    ("flip_rate", "drop", "futility", "share"),
    [
        (0.10, 0.10, False, 0.19),
        (0.10, 0.02, False, 0.94),
        (0.10, 0.02, True, 0.75),
        (0.10, 0.00, False, 0.68),
        (0.05, 0.00, False, 0.55),
    ],
)
def test_share_of_the_items_that_are_asked(flip_rate: float, drop: float, futility: bool, share: float) -> None:
    assert outcomes(2000, flip_rate, drop, futility=futility)[3] == pytest.approx(share, abs=0.02)


def test_futility_costs_little_power() -> None:
    for flip_rate, drop, kind in ((0.1, 0.0, 0), (0.2, 0.1, 1)):
        without, with_it = (outcomes(2000, flip_rate, drop, futility=futility)[kind] for futility in (False, True))
        assert without - 0.03 < with_it <= without


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "looks", "margin", "alpha", "message"),
    [
        ([(0, 0, 90)], LOOKS, 0.03, 0.05, "counts of"),
        ([(0, 0, n) for n in (*LOOKS, 1100)], LOOKS, 0.03, 0.05, "counts of"),
        ([(5, 0, 100), (4, 0, 200)], LOOKS, 0.03, 0.05, "cumulative"),
        ([(5, 0, 100), (99, 7, 200)], LOOKS, 0.03, 0.05, "cumulative"),
        ([(-1, 0, 100)], LOOKS, 0.03, 0.05, "cumulative"),
        ([], [], 0.03, 0.05, "looks at"),
        ([], [0, 10], 0.03, 0.05, "looks at"),
        ([], [20, 10], 0.03, 0.05, "information fractions"),
        ([], LOOKS, math.nan, 0.05, "margin"),
        ([], LOOKS, 0.0, 0.05, "margin"),
        ([], LOOKS, 0.03, math.nan, "alpha"),
        ([], LOOKS, 0.03, 0.0, "alpha"),
    ],
)
def test_impossible_evidence_is_refused(
    counts: Sequence[Counts], looks: Sequence[int], margin: float, alpha: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        first_stop(counts, looks, margin, alpha)


def test_impossible_looks_are_refused() -> None:
    for n, looks in ((0, 10), (10, 0)):
        with pytest.raises(ValueError, match="looks at"):
            look_sizes(n, looks)


@pytest.mark.parametrize("lost", [6, 4, 3])
def test_a_collapse_is_not_given_up_for_want_of_items_so_far(lost: int) -> None:
    """The first six of 60 items: too few for a FAIL yet, and on their way to one."""
    assert first_stop([(lost, 0, 6)], look_sizes(60), 0.03, 0.05) is None
