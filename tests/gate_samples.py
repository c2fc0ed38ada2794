"""Evidence for the gate's tests, built from a few counts."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from regress.gate import decide
from regress.schema import Category, Check, Decision, PairCounts, Policy, Role, SuiteComparison

HOLDS = Check(name="adapter-is-on", ok=True, detail="logits differ")


def pairs(n: int, lost: int = 0, gained: int = 0, *, unpaired: int = 0) -> PairCounts:
    """n pairs of which some moved; the others passed on both sides."""
    return PairCounts(both_pass=n - lost - gained, lost=lost, gained=gained, unpaired=unpaired)


def evidence(counts: PairCounts, suite: str = "s", **changes: Any) -> SuiteComparison:
    """A protected suite with a margin of 3 points and independent items."""
    fields: dict[str, Any] = {
        "suite": suite,
        "category": Category.CAPABILITY,
        "role": Role.PROTECT,
        "variant": "adapter",
        "against": "base@fp32",
        "margin": Decimal("0.03"),
        "min_gain": None,
        "counts": counts,
        "clusters": None,
        "design_effect": 1.0,
        "no_answer": 0,
        "error": 0,
        "slices": (),
        "kinds": (),
        "flips": (),
    }
    return SuiteComparison(**(fields | changes))


def target(counts: PairCounts, suite: str = "goal", **changes: Any) -> SuiteComparison:
    """A suite that must gain."""
    return evidence(counts, suite, **({"role": Role.TARGET, "margin": None} | changes))


def ruled(*comparisons: SuiteComparison, **changes: Any) -> Decision:
    """The decision where the lock expects exactly these comparisons and one check holds, unless changed."""
    arguments: dict[str, Any] = {
        "expected": {(c.suite, c.variant) for c in comparisons},
        "checks": (HOLDS,),
        "policy": Policy(),
        "candidate": None,
        "lock": "sha256:" + "1" * 64,
    }
    return decide(comparisons, **(arguments | changes))


def reasons(decision: Decision) -> str:
    return "; ".join(decision.reasons)


def words(decision: Decision) -> Sequence[str]:
    """The verdicts in order."""
    return [verdict.verdict.value for verdict in decision.suites]
