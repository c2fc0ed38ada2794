"""What margin or how many items would turn a verdict: the gate's own tests, asked again with other questions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from regress.gate import at_alpha, judge
from regress.run.judge import Judgement
from regress.schema import Decision, Policy, Role, SuiteComparison, Verdict
from regress.schema.explanations import Explanation
from regress.stats.margin import score_interval
from regress.stats.power import needed_n, needed_n_mean

STEP = Decimal("0.001")
LEAST, MOST = 1, 999  # in steps


def explain(judgement: Judgement, suite: str, policy: Policy) -> Iterator[Explanation]:
    """One explanation a variant of this suite, in the order of the decision; nothing where it was not compared."""
    decision = judgement.decision
    policy = at_alpha(policy, decision.attempt)
    by_variant = {comparison.variant: comparison for comparison in judgement.comparisons if comparison.suite == suite}
    for verdict in decision.suites:
        if verdict.suite == suite and verdict.variant in by_variant:
            yield _explained(decision, by_variant[verdict.variant], policy)


def _explained(decision: Decision, comparison: SuiteComparison, policy: Policy) -> Explanation:
    verdict = next(v for v in decision.suites if (v.suite, v.variant) == (comparison.suite, comparison.variant))
    plain = comparison.role is Role.PROTECT and not comparison.looks and comparison.screened is None
    low, high = _ends(comparison, policy) if plain else (0.0, 0.0)
    return Explanation(
        verdict=verdict,
        alpha=float(policy.alpha),
        passes_from=_first(comparison, policy, Verdict.PASS, -low, up=True) if plain else None,
        fails_up_to=_first(comparison, policy, Verdict.FAIL, -high, up=False) if plain else None,
        items_as_seen=_items(comparison, policy, -(verdict.delta or 0.0)),
        items_unchanged=_items(comparison, policy, 0.0),
        kinds=comparison.kinds,
        slices=comparison.slices,
    )


def _ends(comparison: SuiteComparison, policy: Policy) -> tuple[float, float]:
    """The interval whose ends are, about, the margins where PASS begins and FAIL ends."""
    counts, level = comparison.counts, 1.0 - 2.0 * float(policy.alpha)
    if comparison.graded is not None:
        half = 2.0 * comparison.graded.standard_error
        return comparison.graded.delta - half, comparison.graded.delta + half
    return score_interval(counts.lost, counts.gained, counts.n, level, comparison.design_effect)


def _first(comparison: SuiteComparison, policy: Policy, wanted: Verdict, near: float, *, up: bool) -> Decimal | None:
    """The least margin at which the verdict is `wanted` (with `up`; else the largest), searched outwards from `near`.

    The gate's tests turn once: PASS above some margin, FAIL below another.
    """

    def holds(thousandths: int) -> bool:
        return judge(replace(comparison, margin=thousandths * STEP), policy).verdict is wanted

    far, close = (MOST, LEAST) if up else (LEAST, MOST)  # where it holds most easily, and least
    inside = outside = min(max(round(near * 1000), LEAST), MOST)
    reach = 1
    while not holds(inside):
        if inside == far:
            return None
        outside, inside = inside, _towards(inside, far, reach)
        reach *= 2
    reach = 1
    while holds(outside):
        if outside == close:
            return outside * STEP
        inside, outside = outside, _towards(outside, close, reach)
        reach *= 2
    while abs(inside - outside) > 1:
        middle = (inside + outside) // 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside * STEP


def _towards(start: int, end: int, reach: int) -> int:
    return min(start + reach, end) if end > start else max(start - reach, end)


def _items(comparison: SuiteComparison, policy: Policy, drop: float) -> int | None:
    """Items that the locked margin would need at the flips seen, if `drop` were the true one."""
    if comparison.margin is None or comparison.counts.n == 0 or comparison.role is not Role.PROTECT:
        return None
    margin, alpha, power, counts = float(comparison.margin), float(policy.alpha), float(policy.power), comparison.counts
    if comparison.graded is not None:
        spread = comparison.graded.standard_error * math.sqrt(counts.n)
        return needed_n_mean(spread, margin, alpha, power, drop)
    flips = max(counts.lost + counts.gained, 1) / counts.n
    n = needed_n(margin, flips, alpha, power, drop)
    return None if n is None else math.ceil(n * comparison.design_effect)
