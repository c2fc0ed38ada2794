"""Where a loss came from: the same items along the steps from the base as it is to the candidate as it is served."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from regress.schema.comparisons import PairCounts
from regress.schema.words import Category, Role


class Cause(StrEnum):
    """What makes the difference between two variants of one candidate."""

    QUANTISATION = "quantisation"  # the same weights at another precision
    TUNING = "tuning"  # the base against the candidate at one precision
    MERGING = "merging"  # the adapter attached against merged


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One suite over one step: a paired comparison like any other, which decides nothing."""

    cause: Cause
    before: str  # variant with its precision: base@bf16
    after: str
    suite: str
    category: Category
    role: Role
    counts: PairCounts
    delta: float | None  # after minus before, in rates; None when nothing was compared
    ci90: tuple[float, float] | None
    p_lost: float | None  # of any loss at all, one-sided, Holm-adjusted over all shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far merging moved the adapter's next token, as the preflight measured it (docs/adr/0005)."""

    precision: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Every step of which both sides were run, and what is missing of the others."""

    shares: tuple[Share, ...]
    parity: tuple[Parity, ...] = ()
    missing: tuple[str, ...] = ()  # which step cannot be told, and what to run
