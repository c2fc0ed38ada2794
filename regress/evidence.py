"""Is this evidence at all? What no test may be made on: absurd policies, impossible counts, unplanned looks."""

from __future__ import annotations

import math
from decimal import Decimal

from regress.early import look_sizes
from regress.schema import GradedChange, Policy, Role, SuiteComparison


def flaw(comparison: SuiteComparison, policy: Policy) -> str | None:
    """What keeps the tests from meaning anything, if so; the gate refuses each of them."""
    return policy_flaw(policy) or comparison_flaw(comparison)


def policy_flaw(policy: Policy) -> str | None:
    """An alpha or a power that is no share."""
    for name, value in (("alpha", policy.alpha), ("power", policy.power)):
        if not _is_share(value):
            return f"the policy's {name} is {value}, which tests nothing"
    return None


def comparison_flaw(comparison: SuiteComparison) -> str | None:
    """Impossible counts, an absurd margin, looks that nobody planned."""
    counts = comparison.counts
    if min(counts.both_pass, counts.lost, counts.gained, counts.both_fail, counts.unpaired) < 0:
        return f"impossible counts: {counts}"
    if counts.n == 0:
        return "no item was compared"
    if not math.isfinite(comparison.design_effect) or comparison.design_effect < 1:
        return f"the design effect is {comparison.design_effect}"
    if comparison.looks and not _are_looks(comparison):
        return f"looks at {[seen.n for seen in comparison.looks]} of {comparison.planned_n} items"
    if comparison.graded is not None and not _is_graded(comparison.graded, counts.n, unbounded=comparison.is_relative):
        return f"a graded change of {comparison.graded}"
    if comparison.role is Role.PROTECT and comparison.margin is None:
        return "protected, with a margin of None"
    for name, value in (("margin", comparison.margin), ("min_gain", comparison.min_gain)):
        if value is not None and not _is_share(value):
            return f"a {name} of {value}"
    return None


def _are_looks(comparison: SuiteComparison) -> bool:
    """Whether the looks are the planned ones, from the first to the last that was asked."""
    planned = look_sizes(comparison.planned_n) if comparison.planned_n else ()
    seen = [counts.n for counts in comparison.looks]
    last = comparison.looks[-1]
    same = (last.lost, last.gained, last.n) == (comparison.counts.lost, comparison.counts.gained, comparison.counts.n)
    return same and seen == list(planned[: len(seen)]) and comparison.clusters is None


def _is_graded(graded: GradedChange, n: int, *, unbounded: bool) -> bool:
    finite = math.isfinite(graded.delta) and math.isfinite(graded.standard_error)
    within = unbounded or -1.0 <= graded.delta <= 1.0
    return graded.n == n and graded.degrees >= 1 and finite and within


def _is_share(value: Decimal) -> bool:
    return value.is_finite() and 0 < float(value) < 1 and 1 - float(value) < 1  # comparing a Decimal NaN raises
