"""Before anybody is asked: in which order, and what this many items can and cannot tell."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from regress.schema import (
    FlipBasis,
    FlipSource,
    Item,
    NoiseFloor,
    Outlook,
    Policy,
    PowerCurve,
    PowerPoint,
    Role,
    Suite,
    SuitePlan,
)
from regress.stats.multiple import spent_alpha
from regress.stats.power import detectable_drop, fail_power, needed_n, pass_power

FLIP_RATES = (Decimal("0.02"), Decimal("0.05"), Decimal("0.10"))
"""Shares of items assumed to change their outcome, in either direction, while nobody has measured it: 2 % is usual near
the ceiling (JSON validity), 5 to 10 % elsewhere."""


ASSUMED = FlipBasis(source=FlipSource.ASSUMED, expected=FLIP_RATES)


def flip_basis(given: Decimal | None = None, noise: NoiseFloor | None = None) -> FlipBasis:
    """What to plan a suite for: the given rate, else the assumed ones with twice the measured noise on top.

    Twice, because base and candidate both waver. A given rate was seen between two models, so it holds the noise.
    """
    if given is not None:
        return FlipBasis(source=FlipSource.GIVEN, expected=(given,), noise=noise)
    return ASSUMED if noise is None else FlipBasis(source=FlipSource.MEASURED, expected=FLIP_RATES, noise=noise)


def is_planned(suite: Suite) -> bool:
    """Whether there is a margin to hold, and so a power to plan."""
    return suite.margin is not None and suite.role is Role.PROTECT


def plan_suite(suite: Suite, policy: Policy, basis: FlipBasis = ASSUMED) -> SuitePlan:
    """Power of one suite by itself at each rate of `basis`, for the first candidate that is judged."""
    if suite.margin is None or not is_planned(suite):
        return SuitePlan(n=len(suite.items), outlooks=())
    plan = plan_items(len(suite.items), suite.margin, policy, flip_rates=basis.rates)
    return replace(plan, basis=basis)


def plan_suites(
    suites: Iterable[Suite],
    policy: Policy,
    *,
    given: Mapping[str, Decimal] | None = None,
    noise: Mapping[str, NoiseFloor] | None = None,
) -> dict[str, SuitePlan]:
    """Every suite's plan by name; `given` flip rates and `noise` floors by suite, where there are any."""
    rates, floors = given or {}, noise or {}
    return {s.name: plan_suite(s, policy, flip_basis(rates.get(s.name), floors.get(s.name))) for s in suites}


def plan_items(
    n: int, margin: Decimal, policy: Policy, *, flip_rates: Sequence[Decimal] = FLIP_RATES, suites: int = 1
) -> SuitePlan:
    """What n items tell at a margin; `needed_n` is for `suites` such suites that shall all pass with policy.power."""
    m, alpha, power = float(margin), spent_alpha(float(policy.alpha), 1), float(policy.power)

    def outlook(rate: Decimal) -> Outlook:
        psi = float(rate)
        return Outlook(
            flip_rate=rate,
            detectable=detectable_drop(n, m, psi, alpha, power),
            missed=1.0 - fail_power(n, m, psi, alpha, min(2.0 * m, 1.0)),
            pass_chance=pass_power(n, m, psi, alpha),
            needed_n=needed_n(m, psi, alpha, power ** (1.0 / suites)) or n,
        )

    return SuitePlan(n=n, outlooks=tuple(map(outlook, flip_rates)))


def size_table(
    margin: Decimal, policy: Policy, flip_rates: Sequence[Decimal], *, suites: int = 1
) -> tuple[tuple[Decimal, int], ...]:
    """(flip rate, items each of `suites` suites needs so that no change is promoted with policy.power)."""
    plan = plan_items(1, margin, policy, flip_rates=flip_rates, suites=suites)
    return tuple((outlook.flip_rate, outlook.needed_n) for outlook in plan.outlooks)


def power_curve(n: int, margin: Decimal, policy: Policy, flip_rate: Decimal, points: int = 13) -> PowerCurve:
    """What n items say of true drops from a gain of one margin to a drop of three, for the first candidate."""
    m, psi, alpha = float(margin), float(flip_rate), spent_alpha(float(policy.alpha), 1)
    drops = [m * (4.0 * k / (points - 1) - 1.0) for k in range(points)]
    return PowerCurve(
        n=n,
        margin=margin,
        flip_rate=flip_rate,
        points=tuple(
            PowerPoint(drop=drop, passes=pass_power(n, m, psi, alpha, drop), fails=fail_power(n, m, psi, alpha, drop))
            for drop in drops
            if drop < 1.0
        ),
    )


def promotion_chances(plans: Iterable[SuitePlan]) -> tuple[float, ...]:
    """Chance that every suite passes when nothing was lost, at each flip rate, were the suites independent.

    A suite of which one rate is known has it in every column.
    """
    chances = [[outlook.pass_chance for outlook in plan.outlooks] for plan in plans if plan.outlooks]
    columns = max(map(len, chances), default=0)
    if any(len(row) not in (1, columns) for row in chances):
        raise ValueError(f"suites planned for {sorted({len(row) for row in chances})} flip rates")
    return tuple(math.prod(row[column if len(row) > 1 else 0] for row in chances) for column in range(columns))


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
