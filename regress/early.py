"""When may a suite stop being asked? A pure function of the counts so far, for the run and for the gate alike.

The items of a suite are asked in one locked random order, and looked at after each tenth. PASS stops where Tango's
statistic at -margin crosses an O'Brien-Fleming boundary, which spends next to nothing of alpha early and leaves the
last look almost whole. FAIL stops where Bonett and Price's crosses a Pocock-type one, which finds great damage soon:
for FAIL Tango's is too sure of itself at an early look (a level of .067 where .05 was promised). Where neither is in
reach any more the rest is spared as well, and nothing is concluded: PASS were nothing lost from here on, FAIL should it
go on as it did. Without a random order none of this holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import NormalDist

from regress.stats.intervals import bonett_price_p_below
from regress.stats.paired import restricted_variance, tango_z
from regress.stats.sequential import Spending, boundaries, conditional_power, sequential_p

LOOKS = 10
FEWEST_FLIPS = 10
"""Before a FAIL: fewer flips are no sample that a normal distribution describes."""
FUTILE = 0.20
"""Chance of a verdict in the end below which the rest is not worth asking."""

Counts = tuple[int, int, int]
"""(lost, gained, n), cumulative."""

_NORMAL = NormalDist()


class StopKind(StrEnum):
    """Why a suite was not asked any further."""

    PASS = "PASS"
    FAIL = "FAIL"
    FUTILE = "FUTILE"  # UNDECIDED, and likely to stay so


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where it stopped: the look (the first is 1) and what was seen until then."""

    look: int
    kind: StopKind
    lost: int
    gained: int
    n: int


def look_sizes(n: int, looks: int = LOOKS) -> tuple[int, ...]:
    """After how many items of n to look: `looks` equal shares, rounded up; as many as there are items at most.

    With five looks or more PASS holds its level whatever the flip rate; the fixed test of one look (Tango's at 1.645)
    does not where items are few, which is why the gate without early stopping uses exact ones.
    """
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
    fractions = _fractions(looks)
    passes = boundaries(fractions, alpha, Spending.OBRIEN_FLEMING)
    fails = boundaries(fractions, alpha, Spending.POCOCK)
    for index, seen in enumerate(_checked(counts, looks, margin)):
        kind = None
        if _z_pass(seen, margin) >= passes[index]:
            kind = StopKind.PASS
        elif _z_fail(seen, margin) >= fails[index]:
            kind = StopKind.FAIL
        elif futility and max(_chances(seen, looks[-1], margin, passes[-1], fails[-1])) < FUTILE:
            kind = StopKind.FUTILE if index + 1 < len(looks) else None
        if kind is not None:
            return Stop(look=index + 1, kind=kind, lost=seen[0], gained=seen[1], n=seen[2])
    return None


def p_values(counts: Sequence[Counts], looks: Sequence[int], margin: float) -> tuple[float, float]:
    """(p of PASS, p of FAIL) over the looks so far: the smallest alpha at which `first_stop` says so without futility.

    They stay valid whatever the reason for stopping, and combine with those of other suites (Holm).
    """
    fractions, seen = _fractions(looks), _checked(counts, looks, margin)
    return (
        sequential_p([_z_pass(c, margin) for c in seen], fractions, Spending.OBRIEN_FLEMING),
        sequential_p([_z_fail(c, margin) for c in seen], fractions, Spending.POCOCK),
    )


def _fractions(looks: Sequence[int]) -> tuple[float, ...]:
    if not looks or looks[0] < 1:
        raise ValueError(f"looks at {list(looks)} items")
    return tuple(n / looks[-1] for n in looks)


def _checked(counts: Sequence[Counts], looks: Sequence[int], margin: float) -> Sequence[Counts]:
    """The same counts, if they are the planned looks' and grow from one to the next."""
    if not 0.0 < margin < 1.0:
        raise ValueError(f"margin={margin} is not between 0 and 1")
    if [n for _, _, n in counts] != list(looks[: len(counts)]):
        raise ValueError(f"counts of {[n for _, _, n in counts]} items, looks at {list(looks)}")
    for before, after in pairwise([(0, 0, 0), *counts]):
        lost, gained, n = (now - then for now, then in zip(after, before, strict=True))
        if min(lost, gained) < 0 or lost + gained > n:
            raise ValueError(f"from {before} to {after}: counts are cumulative")
    return counts


def _z_pass(seen: Counts, margin: float) -> float:
    return tango_z(*seen, -margin)


def _z_fail(seen: Counts, margin: float) -> float:
    """Nothing before the fewest flips."""
    return _z_below(seen, margin) if seen[0] + seen[1] >= FEWEST_FLIPS else -math.inf


def _z_below(seen: Counts, margin: float) -> float:
    """Normal quantile of Bonett and Price's p-value."""
    lost, gained, n = seen
    return -_NORMAL.inv_cdf(min(max(bonett_price_p_below(lost, gained, n, -margin), 1e-300), 1.0 - 1e-12))


def _chances(seen: Counts, total: int, margin: float, last_pass: float, last_fail: float) -> tuple[float, float]:
    """Conditional power at the last look: of PASS, were nothing lost from here on; of FAIL, should it go on like this.

    The first takes the flip rate seen so far (one flip at least) with as many gained as lost in the rest. The second is
    0 where flips at that rate are too few for a FAIL in the end.
    """
    lost, gained, n = seen
    flips = max(lost + gained, 1) / n
    sd = math.sqrt(restricted_variance(flips / 2.0, flips / 2.0, 1.0, -margin))
    fraction, z_below = n / total, _z_below(seen, margin)
    passes = conditional_power(_z_pass(seen, margin), fraction, margin * math.sqrt(total) / sd, last_pass)
    if flips * total < FEWEST_FLIPS:
        return passes, 0.0
    return passes, conditional_power(z_below, fraction, z_below / math.sqrt(fraction), last_fail)
