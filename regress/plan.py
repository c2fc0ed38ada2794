"""Before anybody is asked: in which order, and what this many items can and cannot tell."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal

from regress.schema import Item, Outlook, Policy, Role, Suite, SuitePlan
from regress.stats.power import detectable_drop, needed_n, pass_power

FLIP_RATES = (Decimal("0.02"), Decimal("0.05"), Decimal("0.10"))
"""Shares of items assumed to change their outcome, in either direction, while nobody has measured it: 2 % is usual near
the ceiling (JSON validity), 5 to 10 % elsewhere."""


def plan_suite(suite: Suite, policy: Policy) -> SuitePlan:
    """Power of one suite by itself, at each of FLIP_RATES."""
    n = len(suite.items)
    if suite.margin is None or suite.role is not Role.PROTECT:
        return SuitePlan(n=n, outlooks=())
    margin, alpha, power = float(suite.margin), float(policy.alpha), float(policy.power)
    return SuitePlan(
        n=n,
        outlooks=tuple(
            Outlook(
                flip_rate=rate,
                detectable=detectable_drop(n, margin, float(rate), alpha, power),
                pass_chance=pass_power(n, margin, float(rate), alpha),
                needed_n=needed_n(margin, float(rate), alpha, power) or n,
            )
            for rate in FLIP_RATES
        ),
    )


def item_order(suite: Suite, seed: int) -> tuple[Item, ...]:
    """One random order of a suite's items, each slice spread evenly over it.

    Any beginning of the order is a sample of the whole suite: the k-th of m items of a slice lands near k/m of the way.
    """
    rng = random.Random(f"{seed}:{suite.name}")
    by_slice: dict[str | None, list[Item]] = defaultdict(list)
    for item in sorted(suite.items, key=lambda item: item.id):  # the lock does not hold the order of the file
        by_slice[item.slice].append(item)
    places: list[tuple[float, str, Item]] = []
    for members in by_slice.values():
        rng.shuffle(members)
        places += [((k + rng.random()) / len(members), item.id, item) for k, item in enumerate(members)]
    return tuple(item for _, _, item in sorted(places, key=lambda place: place[:2]))
