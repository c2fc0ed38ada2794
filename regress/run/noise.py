"""The noise floor: the base asked twice, in other batches. What flips then, flips without any training.

Floating-point sums depend on who shares a batch, so that an answer near a border can fall on either side (batch size
alone moved HellaSwag by .0004 on a 7B model). It is measured, printed and charged: its flip rate q makes the flips to
expect between base and candidate psi + 2q.
"""

from __future__ import annotations

from collections.abc import Sequence

from regress.diff import compare
from regress.lock.promise import Loaded
from regress.schema import Check, NoiseFloor, Policy, Role
from regress.stats.intervals import clopper_pearson, mcnemar_midp
from regress.stats.multiple import holm, spent_alpha
from regress.stats.power import needed_n
from regress.store.runs import StoredRun

AGAIN = "again, shuffled, half the rows: "
"""What the second run's batch policy begins with."""

ASSUMED_FLIPS = 0.05  # for the price in items


def noise_floors(loaded: Loaded, base: StoredRun, again: StoredRun) -> tuple[NoiseFloor, ...]:
    """What flipped in each suite between two runs of the same weights."""
    comparisons = [
        compare(
            suite,
            base.outcomes.get(suite.name, {}),
            again.outcomes.get(suite.name, {}),
            variant="again",
            against=base.manifest.variant,
        )
        for suite in loaded.suites
    ]
    adjusted = holm([mcnemar_midp(c.counts.lost, c.counts.gained) for c in comparisons])
    return tuple(
        NoiseFloor(
            suite=c.suite,
            counts=c.counts,
            upper=clopper_pearson(c.counts.lost + c.counts.gained, c.counts.n, 0.90)[1],
            p=p,
            extra_items=None
            if c.margin is None or c.role is not Role.PROTECT
            else _price(float(c.margin), (c.counts.lost + c.counts.gained) / c.counts.n, loaded.project.policy),
        )
        for c, p in zip(comparisons, adjusted, strict=True)
    )


def _price(margin: float, noise: float, policy: Policy) -> int:
    """Items that a noise of so many flips costs."""
    alpha, power = spent_alpha(float(policy.alpha), 1), float(policy.power)
    quiet = needed_n(margin, ASSUMED_FLIPS, alpha, power) or 0
    noisy = needed_n(margin, min(1.0, ASSUMED_FLIPS + 2.0 * noise), alpha, power) or 0
    return noisy - quiet


def noise_check(floors: Sequence[NoiseFloor], policy: Policy) -> Check:
    """Fails where a base differs from itself in one direction: no comparison on such a machine means anything."""
    flips = sum(floor.counts.lost + floor.counts.gained for floor in floors)
    n = sum(floor.counts.n for floor in floors)
    drifting = [floor for floor in floors if floor.p <= float(policy.alpha)]
    if drifting:
        worst = min(drifting, key=lambda floor: floor.p)
        return Check(
            name="noise-floor",
            ok=False,
            detail=f"the base does not agree with itself: asked again in other batches, {worst.suite} lost "
            f"{worst.counts.lost} and gained {worst.counts.gained} of {worst.counts.n}. Find out why before anything "
            "is compared: non-deterministic kernels, another library version, or a model that ignores padding",
        )
    return Check(name="noise-floor", ok=True, detail=f"asked again in other batches, {flips} of {n} answers flip")
