"""What may be waived, and what is left of the gate's rule when it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from gate_samples import HOLDS, evidence, pairs, reasons, ruled, target

from regress.errors import PromotionError
from regress.promote.record import Waiver
from regress.promote.waivers import refuse_unfit, waive
from regress.run.judge import Judgement
from regress.schema import (
    Attempt,
    Category,
    Check,
    Decision,
    Figure,
    FigureChange,
    GradedChange,
    Policy,
    Ruling,
    SuiteComparison,
    Verdict,
)

NOW = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
WAIVER = Waiver(suite="json", reason="the desk writes no JSON", by="Mara", expires="2026-12-31")
GOOD, BAD, OPEN = pairs(2000, 5, 5), pairs(2000, 400), pairs(60)
P, R, U = Ruling.PROMOTE, Ruling.REJECT, Ruling.INCONCLUSIVE


def waived(*suites: str, of: tuple[SuiteComparison, ...], **changes: object) -> Decision:
    policy = changes.get("policy", Policy())
    assert isinstance(policy, Policy)
    return waive(Judgement(decision=ruled(*of, **changes), comparisons=of, seals={}), policy, suites)


LONGER = evidence(
    pairs(24),
    "b:reply_tokens",
    margin=Decimal("0.25"),
    graded=GradedChange(n=24, delta=-0.5, standard_error=0.01, degrees=23),
    figure=FigureChange(figure=Figure.REPLY_TOKENS, base=10, candidate=15, n=24, change=0.5, ci90=(0.48, 0.52)),
)
"""Replies half as long again: a margin for serving that is broken."""

A_GAIN, NO_GAIN = target(pairs(500, 0, 100)), target(pairs(500, 20, 20))
RULES = {
    "a loss": ((evidence(GOOD, "a"), evidence(BAD, "b")), R, ("b",), P),
    "a loss in both variants": (
        (evidence(GOOD, "a"), evidence(BAD, "b"), evidence(BAD, "b", variant="merged")),
        R,
        ("b",),
        P,
    ),
    "an open question": ((evidence(GOOD, "a"), evidence(OPEN, "b")), U, ("b",), P),
    "one of two losses": ((evidence(GOOD, "a"), evidence(BAD, "b"), evidence(BAD, "c")), R, ("b",), R),
    "a loss beside an open question": ((evidence(GOOD, "a"), evidence(BAD, "b"), evidence(OPEN, "c")), R, ("b",), U),
    "the gain is still asked for": ((evidence(GOOD, "a"), evidence(BAD, "b"), NO_GAIN), R, ("b",), U),
    "the gain is there": ((evidence(GOOD, "a"), evidence(BAD, "b"), A_GAIN), R, ("b",), P),
    "the gain itself": ((evidence(GOOD, "a"), NO_GAIN), U, ("goal",), P),
    "everything protected": ((evidence(BAD, "b"),), R, ("b",), Ruling.REFUSED),
    "all but a target": ((evidence(BAD, "b"), A_GAIN), R, ("b",), Ruling.REFUSED),
    "a margin for serving": ((evidence(GOOD, "b"), LONGER), R, ("b:reply_tokens",), P),
    "a suite, but not its margin for serving": ((evidence(GOOD, "a"), evidence(BAD, "b"), LONGER), R, ("b",), R),
    "all but a margin for serving": ((evidence(BAD, "b"), LONGER), R, ("b",), Ruling.REFUSED),
    "nothing": ((evidence(BAD, "b"), evidence(GOOD, "a")), R, (), R),
}


@pytest.mark.parametrize("case", RULES)
def test_a_waiver_drops_the_suite_from_the_rule_and_nothing_else(case: str) -> None:
    comparisons, before, suites, after = RULES[case]
    assert ruled(*comparisons).ruling is before
    decision = waived(*suites, of=comparisons)
    assert decision.ruling is after, reasons(decision)
    assert decision.suites == ruled(*comparisons).suites  # no verdict or figure changes


def test_holms_correction_stays_over_everything() -> None:
    """Waiving many suites must not make the others' FAIL any likelier, nor their PASS."""
    close = evidence(pairs(200, 13, 0), "close", margin=Decimal("0.03"))
    others = tuple(evidence(pairs(2000, 59, 0), f"o{number}") for number in range(8))
    alone = ruled(close)
    together = waived(*(c.suite for c in others), of=(close, *others))
    assert alone.suites[0].verdict is Verdict.FAIL
    assert alone.ruling is R
    assert together.suites[0].p_fail_holm is not None
    assert together.suites[0].p_fail_holm > 0.05
    assert together.ruling is U
    assert "Holm's correction over 9 comparisons" in reasons(together)


def test_the_attempts_alpha_holds_with_waivers_too() -> None:
    close = evidence(pairs(260, 0), "close")  # passes at .05, not at what the ninth attempt may spend
    comparisons = (close, evidence(BAD, "b"))
    assert waived("b", of=comparisons).ruling is P
    assert waived("b", of=comparisons, attempt=Attempt(number=9, alpha=0.05 * 6 / 9.87 / 81)).ruling is U


@pytest.mark.parametrize(
    "changes",
    [
        {"checks": (replace(HOLDS, ok=False),)},
        {"checks": ()},
        {"expected": {("a", "adapter"), ("b", "adapter"), ("c", "adapter")}},
        {"left_out": ("merged",)},
    ],
)
def test_what_is_refused_cannot_be_waived(changes: dict[str, tuple[Check, ...]]) -> None:
    comparisons = (evidence(GOOD, "a"), evidence(BAD, "b"))
    decision = ruled(*comparisons, **changes)
    assert decision.ruling is Ruling.REFUSED
    assert waived("b", of=comparisons, **changes) == decision
    with pytest.raises(PromotionError, match="cannot be waived, only mended"):
        refuse_unfit([replace(WAIVER, suite="b")], decision, Policy(), NOW)


def test_a_zero_tolerance_hit_is_dropped_with_its_suite_alone() -> None:
    policy = Policy(zero_tolerance=("b",), waivable_safety=True)
    hit = evidence(pairs(2000, 3), "b", confirmed=3)
    assert ruled(evidence(GOOD, "a"), hit, policy=policy).ruling is R
    assert waived("b", of=(evidence(GOOD, "a"), hit), policy=policy).ruling is P
    assert waived("a", of=(evidence(OPEN, "a"), hit), policy=policy).ruling is R


FIT: dict[str, tuple[dict[str, object], Policy, str | None]] = {
    "a capability": ({}, Policy(), None),
    "safety": ({"category": Category.SAFETY}, Policy(), "it guards safety"),
    "safety, where the policy allows it": ({"category": Category.SAFETY}, Policy(waivable_safety=True), None),
    "no tolerance": ({}, Policy(zero_tolerance=("b",)), "no failure is tolerated in it"),
    "no tolerance, where allowed": ({}, Policy(zero_tolerance=("b",), waivable_safety=True), None),
}


@pytest.mark.parametrize("case", FIT)
def test_which_suites(case: str) -> None:
    changes, policy, reason = FIT[case]
    decision = ruled(evidence(GOOD, "a"), evidence(BAD, "b", **changes), policy=policy)
    if reason is None:
        refuse_unfit([replace(WAIVER, suite="b")], decision, policy, NOW)
    else:
        with pytest.raises(PromotionError, match=reason):
            refuse_unfit([replace(WAIVER, suite="b")], decision, policy, NOW)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reason": " "}, "reason is a line of text"),
        ({"by": ""}, "name"),
        ({"reason": "a\nb"}, "reason is a line"),
        ({"by": "\x1b[31mme"}, "name"),
        ({"reason": "x" * 501}, "at most 500"),
        ({"expires": "2026-11-22"}, "expired after 2026-11-22"),
        ({"expires": "2026-11-31"}, "no day such as"),
        ({"expires": "20261231"}, "no day such as"),
        ({"suite": "a"}, "it passes"),
        ({"suite": "z"}, "there is no such suite. Suites: a, b"),
    ],
)
def test_a_waiver_says_what_why_who_and_until_when(changes: dict[str, str], reason: str) -> None:
    decision = ruled(evidence(GOOD, "a"), evidence(BAD, "b"))
    waiver: Waiver = replace(WAIVER, suite="b")
    refuse_unfit([waiver], decision, Policy(), NOW)
    with pytest.raises(PromotionError, match=reason):
        refuse_unfit([replace(waiver, **changes)], decision, Policy(), NOW)


def test_the_last_day_is_today() -> None:
    decision = ruled(evidence(GOOD, "a"), evidence(BAD, "b"))
    refuse_unfit([replace(WAIVER, suite="b", expires="2026-11-23")], decision, Policy(), NOW)
