"""Before anybody is asked: in which order, and what this many items can and cannot tell."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from regress.schema import Item, Policy, Role, Suite
from regress.stats.power import detectable_drop, needed_n, pass_power

PLANNED_FLIP_RATE = Decimal("0.10")
"""Share of items assumed to change their outcome when nobody has measured it yet (STATISTICS: 5 to 20 % are usual)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitePlan:
    """What a suite of n items promises under the policy, at an assumed flip rate."""

    n: int
    flip_rate: Decimal
    pass_chance: float | None  # of PASS when nothing was lost; None where the suite has no margin
    detectable: float | None  # smallest drop called FAIL with the policy's power; None when there is none
    needed_n: int | None  # for PASS with the policy's power


def plan_suite(suite: Suite, policy: Policy, flip_rate: Decimal = PLANNED_FLIP_RATE) -> SuitePlan:
    """Power of one suite by itself."""
    n, alpha, power, flips = len(suite.items), float(policy.alpha), float(policy.power), float(flip_rate)
    if suite.margin is None or suite.role is not Role.PROTECT:
        return SuitePlan(n=n, flip_rate=flip_rate, pass_chance=None, detectable=None, needed_n=None)
    margin = float(suite.margin)
    return SuitePlan(
        n=n,
        flip_rate=flip_rate,
        pass_chance=pass_power(n, margin, flips, alpha),
        detectable=detectable_drop(n, margin, flips, alpha, power),
        needed_n=needed_n(margin, flips, alpha, power),
    )


def item_order(suite: Suite, seed: int) -> tuple[Item, ...]:
    """One random order of a suite's items, each slice spread evenly over it.

    Any beginning of the order is a sample of the whole suite: the k-th of m items of a slice lands near k/m of the way.
    """
    rng = random.Random(f"{seed}:{suite.name}")
    by_slice: dict[str | None, list[Item]] = defaultdict(list)
    for item in suite.items:
        by_slice[item.slice].append(item)
    places: list[tuple[float, str, Item]] = []
    for members in by_slice.values():
        rng.shuffle(members)
        places += [((k + rng.random()) / len(members), item.id, item) for k, item in enumerate(members)]
    return tuple(item for _, _, item in sorted(places, key=lambda place: place[:2]))


def describe(suite: Suite, plan: SuitePlan, policy: Policy) -> str:
    """The plan of one suite in words."""
    if plan.needed_n is None or plan.pass_chance is None or suite.margin is None:
        return f"{plan.n} items, {suite.role}: no margin to hold."
    flips = f"if {_percent(float(plan.flip_rate))} of the answers flip"
    sees = (
        f"a true drop of {_points(plan.detectable)} is called FAIL {_chance(float(policy.power))}"
        if plan.detectable is not None
        else "no drop at all would be called FAIL reliably"
    )
    text = f"{plan.n} items, margin {_points(float(suite.margin))}: {flips}, {sees}; no change passes {_chance(plan.pass_chance)}"
    if plan.n < plan.needed_n:
        return f"{text}. {plan.needed_n:,} items would pass it {_chance(float(policy.power))}."
    return f"{text}."


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _points(drop: float) -> str:
    return f"{math.ceil(drop * 1000 - 1e-9) / 10:g} points"


def _chance(share: float) -> str:
    """'8 times in 10'; never 10 in 10 or 0 in 10, which would claim certainty."""
    return f"{min(9, max(1, round(share * 10)))} times in 10" if 0.05 <= share < 0.95 else f"{share:.0%} of the time"
