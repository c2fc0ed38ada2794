"""Where it was lost, in words: quantisation, tuning and merging, suite by suite."""

from __future__ import annotations

from collections.abc import Sequence

from regress.report.words import FLAGGED, interval, movement, noteworthy, points
from regress.schema import Attribution, Cause, Decision, Share

TITLE = "where it was lost, step by step; this decides nothing"

HEADER = ("suite", "step", "from → to", "right", "points", "90 % interval")
WORDS = HEADER[:3]
"""Columns that hold no numbers."""


def told(decision: Decision) -> list[Share]:
    """The steps of suites that changed; nothing where there is one step only, which the decision's own table holds."""
    attribution = decision.attribution
    if attribution is None or len({(share.before, share.after) for share in attribution.shares}) < 2:
        return []
    order = list(dict.fromkeys(verdict.suite for verdict in noteworthy(decision)))
    return [share for suite in order for share in attribution.shares if share.suite == suite]


def says_more(shares: Sequence[Share]) -> bool:
    """Whether the steps tell what variants beside each other do not: quantisation, or a loss in merging for certain."""
    return any(
        share.cause is Cause.QUANTISATION or (share.cause is Cause.MERGING and _certain(share)) for share in shares
    )


def _certain(share: Share) -> bool:
    return share.p_lost is not None and share.p_lost <= FLAGGED


def cells(share: Share) -> Sequence[str]:
    """One row under HEADER; an arrow where something was lost for certain."""
    return (
        share.suite,
        share.cause.value,
        f"{share.before} → {share.after}",
        movement(share.counts),
        f"{points(share.delta)}{'↓' if _certain(share) else ''}",
        interval(share.ci90),
    )


def notes(attribution: Attribution) -> list[str]:
    """What the preflight measured of merging, and which steps cannot be told."""
    return [*(f"merging at {one.precision}: {one.detail}" for one in attribution.parity), *attribution.missing]
