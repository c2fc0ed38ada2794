"""What a waiver may cover: a suite that did not pass, named, with a reason, somebody's name and a last day."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from regress.errors import PromotionError
from regress.gate import at_alpha, rule
from regress.promote.record import Waiver
from regress.run.judge import Judgement
from regress.schema import Category, Decision, Policy, Role, Ruling, SuiteVerdict, Verdict
from regress.triggers import with_triggers

MAX_TEXT = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def refuse_unfit(waivers: Sequence[Waiver], decision: Decision, policy: Policy, now: datetime) -> None:
    """Raise PromotionError for a waiver that may not be given, or that nothing needs.

    A safety suite, and one in which no failure is tolerated, is waived only where the locked policy says so. A REFUSED
    decision has no verdicts that could be trusted, so it cannot be waived at all.
    """
    if waivers and decision.ruling is Ruling.REFUSED:
        raise PromotionError("the decision is REFUSED: what is broken cannot be waived, only mended.")
    names = [waiver.suite for waiver in waivers]
    if len(set(names)) != len(names):
        raise PromotionError("a suite is waived twice.")
    for waiver in waivers:
        _refuse_text(waiver, now)
        verdicts = [verdict for verdict in decision.suites if verdict.suite == waiver.suite]
        if (complaint := _complaint(waiver.suite, verdicts, decision, policy)) is not None:
            raise PromotionError(f"the waiver for {waiver.suite} is refused: {complaint}")


def waive(judgement: Judgement, policy: Policy, suites: Collection[str]) -> Decision:
    """The decision where nothing is required of the waived suites: no margin, no gain, no tolerance.

    Every other suite keeps its verdict, with Holm's correction over all of them. What is REFUSED stays so, and where
    no protected suite is left nothing is required, which is REFUSED too; a margin for serving is none. A
    confirmed trigger is never waived.
    """
    decision = judgement.decision
    if decision.ruling is Ruling.REFUSED:
        return decision
    if not any(v.role is Role.PROTECT and v.figure is None and v.suite not in suites for v in decision.suites):
        return replace(decision, ruling=Ruling.REFUSED, reasons=("every protected suite is waived",))
    ruling, reasons = rule(decision.suites, judgement.comparisons, at_alpha(policy, decision.attempt), suites)
    return with_triggers(replace(decision, ruling=ruling, reasons=tuple(reasons)), decision.triggers)


def _complaint(suite: str, verdicts: Sequence[SuiteVerdict], decision: Decision, policy: Policy) -> str | None:
    if not verdicts:
        return f"there is no such suite. Suites: {', '.join(sorted({v.suite for v in decision.suites}))}."
    if any(verdict.role is Role.INFORM for verdict in verdicts):
        return "it is only reported, and decides nothing."
    guarded = verdicts[0].category is Category.SAFETY or suite in policy.zero_tolerance
    if guarded and not policy.waivable_safety:
        why = "it guards safety" if verdicts[0].category is Category.SAFETY else "no failure is tolerated in it"
        return f"{why}, and the locked policy does not allow that (policy.waivable_safety, set before locking)."
    if suite not in policy.zero_tolerance and all(verdict.verdict is Verdict.PASS for verdict in verdicts):
        return "it passes, so there is nothing to waive. Leave it out."
    return None


def _refuse_text(waiver: Waiver, now: datetime) -> None:
    for what, text in (("reason", waiver.reason), ("name (--by)", waiver.by)):
        if not text.strip() or len(text) > MAX_TEXT or _CONTROL.search(text):
            raise PromotionError(f"a waiver's {what} is a line of text, at most {MAX_TEXT} characters.")
    if waiver.has_expired(now):
        raise PromotionError(f"the waiver for {waiver.suite} expired after {waiver.expires}; choose a later day.")
