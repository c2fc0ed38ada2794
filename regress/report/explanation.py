"""A verdict in words: why, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from regress.report.words import amount, points, spread
from regress.schema import Role, Verdict
from regress.schema.explanations import Explanation


def paragraphs(found: Sequence[Explanation]) -> list[list[str]]:
    """The sentences of each variant; those that came out alike are told once."""
    told: dict[tuple[str, ...], list[str]] = {}
    for one in found:
        told.setdefault(tuple(sentences(one)), []).append(one.verdict.variant)
    return [[f"{' and '.join(variants)}, {first}", *rest] for (first, *rest), variants in told.items()]


def sentences(found: Explanation) -> list[str]:
    """A thought each, in plain words."""
    protected = found.verdict.role is Role.PROTECT
    parts = (
        _what(found),
        _why(found),
        _margin(found) if protected else "",
        _items(found) if protected else "",
        _how(found),
        _where(found),
    )
    return [part for part in parts if part]


def _what(found: Explanation) -> str:
    v, counts = found.verdict, found.verdict.counts
    unit = "" if v.is_relative else "points "
    return (
        f"against {v.against}: {counts.base_pass:,} → {counts.candidate_pass:,} right of {counts.n:,}, that is "
        f"{amount(v)} {unit}with a 90 % interval of {spread(v)}. {counts.lost:,} items were lost and {counts.gained:,} "
        "gained."
    )


def _why(found: Explanation) -> str:
    v = found.verdict
    if v.role is Role.INFORM or (v.margin is None and v.role is not Role.TARGET):
        return "It is reported only: nothing is asked of it."
    if v.role is Role.TARGET:
        wanted = "any gain" if v.min_gain is None else f"a gain of at least {_points(v.min_gain)}"
        shown = "is shown" if v.verdict is Verdict.PASS else "is not shown"
        return f"It is a target, so {wanted} is asked for; that {shown} (p {_p(v.p_gain)}, alpha {found.alpha:.3g})."
    margin = _points(v.margin)
    both = f"p {_p(v.p_pass)} against such a drop, {_p(v.p_fail)} against a smaller one"
    match v.verdict:
        case Verdict.PASS:
            return f"PASS: a drop of {margin} or more can be ruled out ({both}; alpha {found.alpha:.3g})."
        case Verdict.FAIL:
            return f"FAIL: it lost more than {margin}, for certain ({both}; alpha {found.alpha:.3g})."
        case Verdict.UNDECIDED:
            return f"OPEN: neither can be ruled out ({both}; alpha {found.alpha:.3g})."


def _margin(found: Explanation) -> str:
    passes, fails = found.passes_from, found.fails_up_to
    if passes is None and fails is None:
        return ""
    parts = []
    if passes is not None:
        parts.append(f"pass at a margin of {_points(passes)} or more")
    if fails is not None:
        parts.append(f"fail at one of {_points(fails)} or less")
    open_ = " In between it stays open." if passes is not None and fails is not None else ""
    return (
        f"The same replies would {' and '.join(parts)}.{open_} A margin is chosen before training; changing it now "
        'takes `regress lock --amend --why "…"`.'
    )


def _items(found: Explanation) -> str:
    v = found.verdict
    if v.verdict is not Verdict.UNDECIDED:
        return ""
    seen = (
        f"{found.items_as_seen:,} items would settle it if the change seen is the true one"
        if found.items_as_seen
        else "a drop this close to the margin takes any number of items"
    )
    unchanged = f"; {found.items_unchanged:,} if in truth nothing is lost" if found.items_unchanged else ""
    return f"At this rate of change {seen}{unchanged}. There are {v.counts.n:,}."


def _how(found: Explanation) -> str:
    grown = sorted((k for k in found.kinds if k.candidate > k.base), key=lambda k: k.base - k.candidate)[:3]
    if not grown:
        return ""
    return "It fails more often as " + ", ".join(f"{k.kind} ({k.base:,} → {k.candidate:,})" for k in grown) + "."


def _where(found: Explanation) -> str:
    worse = [s for s in found.slices if s.counts.n and s.counts.lost > s.counts.gained]
    worst = sorted(worse, key=lambda s: (s.counts.gained - s.counts.lost) / s.counts.n)[:3]
    if not worst:
        return ""
    told = (f"{s.slice} {points((s.counts.gained - s.counts.lost) / s.counts.n)} of {s.counts.n:,}" for s in worst)
    return f"Slices that lost most: {', '.join(told)}."


def _points(value: Decimal | None) -> str:
    if value is None:
        return "–"
    number = float(value) * 100
    return f"{number:g} point{'' if number == 1 else 's'}"


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.0001" if value < 0.0001 else f"= {value:.4f}"
