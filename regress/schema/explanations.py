"""Why a suite came out as it did, and what would change it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from regress.schema.comparisons import KindCount, SliceCounts
from regress.schema.decisions import SuiteVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One suite and variant. Margins in rates, to a tenth of a point; tried with the gate's own tests."""

    verdict: SuiteVerdict
    alpha: float  # that this attempt may spend
    passes_from: Decimal | None  # the smallest margin at which the same replies would PASS; None where none does
    fails_up_to: Decimal | None  # the largest at which they would FAIL by themselves; None where none does
    items_as_seen: int | None  # that would settle it at the locked margin, were the change seen the true one
    items_unchanged: int | None  # and were nothing lost
    kinds: tuple[KindCount, ...]
    slices: tuple[SliceCounts, ...]
