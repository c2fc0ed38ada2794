"""Forgetting curves as small drawings, one for each suite: 240 x 96, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regress.report.words import points
from regress.schema import Curve, Role

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 240, 96, 8, 8, 10, 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One look on the drawing; `certain` where the loss was beyond the margin for certain."""

    x: float
    y: float
    certain: bool
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One suite's curve; the base is at `zero`, the margin at `margin`."""

    suite: str
    n: int
    role: str
    last: str
    path: str
    spots: tuple[Spot, ...]
    zero: float
    margin: float | None
    last_step: int


def panels(curves: Sequence[Curve]) -> list[Panel]:
    """Protected suites on one scale, what lost most at the end first; then targets on theirs."""
    known = sorted((curve for curve in curves if curve.points), key=lambda c: (c.points[-1].delta, c.suite))
    targets = [curve for curve in known if curve.role == Role.TARGET]
    others = [curve for curve in known if curve.role != Role.TARGET]
    return [panel for group in (others, targets) for panel in _panels(group)]


def _panels(curves: Sequence[Curve]) -> list[Panel]:
    deltas = [point.delta for curve in curves for point in curve.points]
    low, high = min([-0.05, *deltas]), max([0.05, *deltas])
    last_step = max((point.step for curve in curves for point in curve.points), default=0)

    def y(delta: float) -> float:
        return round(TOP + (high - delta) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def x(step: int) -> float:
        return round(LEFT + step / max(1, last_step) * (WIDTH - LEFT - RIGHT), 1)

    def panel(curve: Curve) -> Panel:
        spots = tuple(
            Spot(x=x(p.step), y=y(p.delta), certain=p.forgotten, label=f"step {p.step}: {points(p.delta)} points")
            for p in curve.points
        )
        held = curve.margin is not None and curve.role == Role.PROTECT
        return Panel(
            suite=curve.suite,
            n=curve.n,
            role=curve.role,
            last=points(curve.points[-1].delta),
            path=f"M{x(0)} {y(0.0)}" + "".join(f"L{spot.x} {spot.y}" for spot in spots),
            spots=spots,
            zero=y(0.0),
            margin=y(max(low, -(curve.margin or 0.0))) if held else None,
            last_step=last_step,
        )

    return [panel(curve) for curve in curves]
