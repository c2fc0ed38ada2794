"""What was lost and what was gained, suite by suite, in words: the first thing under the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from regress.report.html.breakage import kind_words
from regress.report.html.forest import Mark, mark_of
from regress.report.words import FLAGGED, amount, moved, spread
from regress.schema import Decision, Role, SuiteComparison, SuiteVerdict, Verdict

_MOST_KINDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One suite, in its worst variant and those that came out alike: the figure, what it means, and how it shows."""

    suite: str
    variants: str
    amount: str
    mark: Mark
    text: str
    how: str


def lost(decision: Decision, comparisons: Sequence[SuiteComparison]) -> list[Told]:
    """Protected suites that lost something for certain, or may have lost more than their margin."""
    found = [v for v in decision.suites if v.role is Role.PROTECT and _is_lost(v)]
    worst_first = sorted(found, key=lambda v: (v.verdict is Verdict.PASS, v.delta or 0.0, v.suite))
    return [_told(v, decision, _text(v), _how(v, comparisons)) for v in _one_each(worst_first)]


def gained(decision: Decision) -> list[Told]:
    """Targets, reached or not, in their weakest variant, and other suites whose whole interval is a gain."""
    asked = [v for v in decision.suites if v.role is Role.TARGET]
    better = [v for v in decision.suites if v.role is not Role.TARGET and v.ci90 is not None and v.ci90[0] > 0.0]
    better.sort(key=lambda v: -(v.delta or 0.0))
    targets = [
        _told(v, decision, _text(v))
        for v in _one_each(sorted(asked, key=lambda v: (v.verdict is Verdict.PASS, v.delta or 0.0)))
    ]
    return targets + [_told(v, decision, f"{_counted(v)}, for certain") for v in _one_each(better)]


def _is_lost(verdict: SuiteVerdict) -> bool:
    return verdict.verdict is not Verdict.PASS or (verdict.p_lost is not None and verdict.p_lost <= FLAGGED)


def _one_each(verdicts: Sequence[SuiteVerdict]) -> list[SuiteVerdict]:
    """The first of each suite."""
    found: dict[str, SuiteVerdict] = {}
    for verdict in verdicts:
        found.setdefault(verdict.suite, verdict)
    return list(found.values())


def _told(verdict: SuiteVerdict, decision: Decision, text: str, how: str = "") -> Told:
    def seen(v: SuiteVerdict) -> object:
        return v.suite, v.verdict, v.counts, v.delta

    return Told(
        suite=verdict.suite,
        variants=" and ".join(v.variant for v in decision.suites if seen(v) == seen(verdict)),
        amount=amount(verdict),
        mark=mark_of(verdict),
        text=text,
        how=how,
    )


def _text(verdict: SuiteVerdict) -> str:
    """'800 → 114 of 800 right; 2 points were allowed'"""
    return f"{_counted(verdict)}; {_judged(verdict)}"


def _counted(verdict: SuiteVerdict) -> str:
    return moved(verdict) if verdict.figure is not None else f"{moved(verdict)} right"


def _judged(verdict: SuiteVerdict) -> str:
    if verdict.role is Role.TARGET:
        asked = "a gain" if verdict.min_gain is None else _size(verdict.min_gain, verdict)
        return f"{asked} asked" if verdict.verdict is Verdict.PASS else f"{asked} asked, and not shown for certain"
    if verdict.margin is None:
        return "reported only"
    allowed = _size(verdict.margin, verdict)
    match verdict.verdict:
        case Verdict.FAIL:
            return f"no more than {allowed} allowed"
        case Verdict.PASS:
            return f"certainly within the margin of {allowed}"
        case Verdict.UNDECIDED:
            more = "" if verdict.needed_n is None else f", {verdict.needed_n:,} items would settle it"
            return f"the interval {spread(verdict)} lies across the margin of {allowed}{more}"


def _size(bound: Decimal, verdict: SuiteVerdict) -> str:
    """'1 point', '2.5 points', '20 %'"""
    number = f"{float(bound) * 100:g}"
    return f"{number} %" if verdict.is_relative else f"{number} point{'' if number == '1' else 's'}"


def _how(verdict: SuiteVerdict, comparisons: Sequence[SuiteComparison]) -> str:
    """The failures that became more frequent."""
    own = [c for c in comparisons if (c.suite, c.variant) == (verdict.suite, verdict.variant)]
    grown = [kind for c in own for kind in c.kinds if kind.candidate > kind.base]
    return ", ".join(f"{kind_words(k.kind)} {k.base} → {k.candidate}" for k in grown[:_MOST_KINDS])
