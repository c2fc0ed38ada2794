"""When may a suite stop being asked? A pure function of the counts so far, for the run and for the gate alike.

The items of a suite are asked in one locked random order, and looked at after each tenth. PASS stops where Tango's
statistic at -margin crosses an O'Brien-Fleming boundary, which spends next to nothing of alpha early and leaves the
last look almost whole; FAIL where it crosses a Pocock-type one, which finds great damage soon. Where PASS is hardly in
reach any more the rest is spared as well, and nothing is concluded. Without a random order none of it holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from regress.stats.paired import check_counts, restricted_variance, tango_z
from regress.stats.sequential import Spending, boundaries, conditional_power, sequential_p

LOOKS = 10
FEWEST_FLIPS = 10
"""Before a FAIL: fewer flips are no sample that a normal distribution describes."""
FUTILE = 0.20
"""Chance of PASS in the end, were nothing lost from here on, below which the rest is not worth asking."""

Counts = tuple[int, int, int]
"""(lost, gained, n), cumulative."""


class StopKind(StrEnum):
    """Why a suite was not asked any further."""

    PASS = "PASS"
    FAIL = "FAIL"
    FUTILE = "FUTILE"  # UNDECIDED, and likely to stay so


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where it stopped: the look (the first is 1), what was seen until then, and the statistic with its bound."""

    look: int
    kind: StopKind
    lost: int
    gained: int
    n: int
    z: float  # Tango's, at -margin
    bound: float  # that it crossed; of FUTILE the last PASS bound, hardly to be reached


def look_sizes(n: int, looks: int = LOOKS) -> tuple[int, ...]:
    """After how many items of n to look: `looks` equal shares, rounded up; as many as there are items at most."""
    if n < 1 or looks < 1:
        raise ValueError(f"{looks} looks at {n} items")
    return tuple(sorted({-(-n * k // looks) for k in range(1, looks + 1)}))


def first_stop(
    counts: Sequence[Counts], looks: Sequence[int], margin: float, alpha: float, *, futility: bool = True
) -> Stop | None:
    """The first look at which the suite is decided or futile; None where it is open at every look so far.

    `counts` holds what was seen at the first looks of `looks`, of which the last is the whole suite. PASS and FAIL are
    tests of size alpha each, one-sided; futility only ever takes from both. Raises ValueError for counts that do not
    fit the looks, and for an impossible margin or alpha.
    """
    fractions, values = _fractions(looks), list(_statistics(counts, looks, margin))
    passes = boundaries(fractions, alpha, Spending.OBRIEN_FLEMING)
    fails = boundaries(fractions, alpha, Spending.POCOCK)
    for look, ((lost, gained, n), z) in enumerate(zip(counts, values, strict=True), start=1):
        kind, bound = None, passes[-1]
        if z >= passes[look - 1]:
            kind, bound = StopKind.PASS, passes[look - 1]
        elif -z >= fails[look - 1] and lost + gained >= FEWEST_FLIPS:
            kind, bound = StopKind.FAIL, -fails[look - 1]
        elif futility and look < len(looks) and _chance(lost, gained, n, z, looks[-1], margin, bound) < FUTILE:
            kind = StopKind.FUTILE
        if kind is not None:
            return Stop(look=look, kind=kind, lost=lost, gained=gained, n=n, z=z, bound=bound)
    return None


def p_values(counts: Sequence[Counts], looks: Sequence[int], margin: float) -> tuple[float, float]:
    """(p of PASS, p of FAIL) over the looks so far: the smallest alpha at which `first_stop` says it.

    They stay valid whatever the reason for stopping, and combine with those of other suites (Holm).
    """
    fractions, values = _fractions(looks), list(_statistics(counts, looks, margin))
    told = [
        -z if lost + gained >= FEWEST_FLIPS else -math.inf for (lost, gained, _), z in zip(counts, values, strict=True)
    ]
    return (
        sequential_p(values, fractions, Spending.OBRIEN_FLEMING),
        sequential_p(told, fractions, Spending.POCOCK),
    )


def _fractions(looks: Sequence[int]) -> tuple[float, ...]:
    if not looks or looks[0] < 1:
        raise ValueError(f"looks at {list(looks)} items")
    return tuple(n / looks[-1] for n in looks)


def _statistics(counts: Sequence[Counts], looks: Sequence[int], margin: float) -> Iterator[float]:
    """Tango's z at each look, after checking that the counts grow from look to look."""
    if not 0.0 < margin < 1.0:
        raise ValueError(f"margin={margin} is not between 0 and 1")
    if [n for _, _, n in counts] != list(looks[: len(counts)]):
        raise ValueError(f"counts of {[n for _, _, n in counts]} items, looks at {list(looks)}")
    before: Counts = (0, 0, 0)
    for lost, gained, n in counts:
        check_counts(lost, gained, n)
        new = (lost - before[0], gained - before[1], n - before[2])
        if min(new) < 0 or new[0] + new[1] > new[2]:
            raise ValueError(f"from {before} to {(lost, gained, n)}: counts are cumulative")
        before = (lost, gained, n)
        yield tango_z(lost, gained, n, -margin)


def _chance(lost: int, gained: int, n: int, z: float, total: int, margin: float, critical: float) -> float:
    """Chance of PASS after all items when no more is lost than gained in the rest, at the flip rate seen so far."""
    flips = max(lost + gained, 1) / n
    spread = math.sqrt(restricted_variance(flips / 2.0, flips / 2.0, 1.0, -margin))
    return conditional_power(z, n / total, margin * math.sqrt(total) / spread, critical)
