"""The forest plot: a row for each suite and variant, with its interval, its margin and what its size can catch.

Geometry only; `templates/plot.html` draws it. Places are percent of the width: text keeps its size on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from regress.report.words import amount, moved, percent, points, signed, spread
from regress.schema import Role, SuitePromise, SuiteVerdict, Verdict

_BEND = 0.02  # the scale is straight up to about so much around zero, and logarithmic far from it
_LEAST = 0.04  # shown to either side at least
_ROOM = 0.06  # of the width, left on either side
_BETWEEN_TICKS = 9.0  # percent of the width
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Mark(StrEnum):
    """Shape and colour of a row's estimate, so that neither is needed to tell them apart."""

    HELD = "held"
    LOST = "lost"
    OPEN = "open"
    GAINED = "gained"
    TOLD = "told"  # reported only


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One suite and variant; `x`, `low` and so on in percent of the width, None where there is nothing to draw."""

    suite: str
    variant: str
    first: bool  # of its suite
    moved: str
    amount: str
    spread: str
    bound: str
    word: str
    mark: Mark
    catches: str
    reason: str
    x: float | None
    low: float | None
    high: float | None
    bound_x: float | None
    beyond: bool  # what is left of the bound is a loss beyond the margin
    catches_x: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A labelled place on the scale."""

    x: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """One plot over one unit: points, or percent of the base's figure."""

    unit: str
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    zero: float
    has_power: bool


def forests(verdicts: Sequence[SuiteVerdict], promises: Sequence[SuitePromise] = ()) -> list[Forest]:
    """The plot of suites and figures in points, then that of figures in percent; either only where it has rows."""
    plans = {promise.suite: promise for promise in promises}
    kinds = (
        ("points", [v for v in verdicts if not v.is_relative]),
        ("percent of the base's figure", [v for v in verdicts if v.is_relative]),
    )
    return [_forest(unit, _by_suite(chosen), plans) for unit, chosen in kinds if chosen]


def mark_of(verdict: SuiteVerdict) -> Mark:
    """How its row is drawn."""
    if verdict.role is Role.INFORM:
        return Mark.TOLD
    if verdict.verdict is Verdict.FAIL:
        return Mark.LOST
    if verdict.verdict is Verdict.UNDECIDED:
        return Mark.OPEN
    return Mark.GAINED if verdict.role is Role.TARGET else Mark.HELD


WORDS = {Mark.HELD: "PASS", Mark.LOST: "FAIL", Mark.OPEN: "OPEN", Mark.GAINED: "GAIN", Mark.TOLD: "–"}


def _by_suite(verdicts: Sequence[SuiteVerdict]) -> list[SuiteVerdict]:
    """Suites with the largest drop first, targets and reported ones last, variants of one suite together."""
    roles = list(Role)
    worst: dict[str, tuple[int, float]] = {}
    for v in verdicts:
        rank = (roles.index(v.role), v.delta if v.delta is not None else -math.inf)
        worst[v.suite] = min(worst.get(v.suite, rank), rank)
    return sorted(verdicts, key=lambda v: (worst[v.suite], v.suite))


class _Scale:
    """From a difference to percent of the width, stretched around zero: a margin of one point beside a loss of 90."""

    def __init__(self, values: Iterable[float]) -> None:
        known = [*values, -_LEAST, _LEAST]
        low, high = _bent(min(known)), _bent(max(known))
        room = (high - low) * _ROOM
        self._low, self._high = low - room, high + room

    def x(self, value: float | None) -> float | None:
        if value is None or not math.isfinite(value):
            return None
        return round(100.0 * (_bent(value) - self._low) / (self._high - self._low), 2)

    def ticks(self, relative: bool) -> list[Tick]:
        """Zero, then outwards as many as have room."""
        zero = self._place(0.0)
        found = [Tick(x=zero, label="0")]
        for side in (-1.0, 1.0):
            last = zero
            for size in _TICKS:
                x = self._place(side * size)
                if 2.0 < x < 98.0 and abs(x - last) >= _BETWEEN_TICKS:
                    found.append(Tick(x=x, label=signed(side * size * 100).removesuffix(".0")))
                    last = x
        return sorted(found, key=lambda tick: tick.x)

    def _place(self, value: float) -> float:
        return round(100.0 * (_bent(value) - self._low) / (self._high - self._low), 2)


def _bent(value: float) -> float:
    return math.asinh(value / _BEND)


def _forest(unit: str, verdicts: Sequence[SuiteVerdict], plans: dict[str, SuitePromise]) -> Forest:
    drawn = [
        end for v in verdicts for end in (*(v.ci90 or ()), v.delta, _bound(v), _planned(v, plans)) if end is not None
    ]
    scale = _Scale(end for end in drawn if math.isfinite(end))
    seen: set[str] = set()
    rows = []
    for v in verdicts:
        rows.append(_row(v, scale, plans, first=v.suite not in seen))
        seen.add(v.suite)
    return Forest(
        unit=unit,
        rows=tuple(rows),
        ticks=tuple(scale.ticks(verdicts[0].is_relative)),
        zero=scale.x(0.0) or 0.0,
        has_power=any(row.catches for row in rows),
    )


def _bound(verdict: SuiteVerdict) -> float | None:
    """Where the margin, or the gain that is asked, lies."""
    if verdict.role is Role.TARGET:
        return 0.0 if verdict.min_gain is None else float(verdict.min_gain)
    return None if verdict.margin is None else -float(verdict.margin)


def _row(verdict: SuiteVerdict, scale: _Scale, plans: dict[str, SuitePromise], *, first: bool) -> Row:
    mark, bound = mark_of(verdict), _bound(verdict)
    caught = [] if verdict.figure is not None else _caught(plans.get(verdict.suite))
    ends = verdict.ci90 or (None, None)
    shown = percent if verdict.is_relative else points
    return Row(
        suite=verdict.suite,
        variant=verdict.variant,
        first=first,
        moved=moved(verdict),
        amount=amount(verdict),
        spread=spread(verdict),
        bound="–" if bound is None else shown(bound).removesuffix(".0"),
        word=WORDS[mark],
        mark=mark,
        catches=" / ".join(f"{drop * 100:.1f}" for drop in caught),
        reason=verdict.reason,
        x=scale.x(verdict.delta),
        low=scale.x(ends[0]),
        high=scale.x(ends[1]),
        bound_x=scale.x(bound),
        beyond=verdict.role is not Role.TARGET,
        catches_x=scale.x(_planned(verdict, plans)),
    )


def _planned(verdict: SuiteVerdict, plans: dict[str, SuitePromise]) -> float | None:
    """The drop that is marked as caught: at the middle one of the planned flip rates."""
    caught = [] if verdict.figure is not None else _caught(plans.get(verdict.suite))
    return -caught[len(caught) // 2] if caught else None


def _caught(plan: SuitePromise | None) -> list[float]:
    """Smallest drops that this many items call FAIL with the policy's power, at the planned flip rates."""
    return [] if plan is None else [drop for _, drop in plan.detectable if drop is not None]
