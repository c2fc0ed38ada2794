"""The trade-off curve as a drawing: strength from left to right, points up and down, a line for each suite."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from regress.report.words import points, visible
from regress.schema import Probe, Rescue, Role, SuiteVerdict

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 200, 20, 44
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c510a", "#555555", "#999933")


def draw(rescue: Rescue) -> str:
    """An SVG of the probes that leave no group out, with 90 % intervals; the base is the point at strength 0."""
    probes = sorted((p for p in rescue.probes if p.strength.without is None), key=lambda p: p.strength.scale)
    names = list(dict.fromkeys(v.suite for probe in probes for v in probe.suites))
    ends = [end for p in probes for v in p.suites for end in (v.ci90 or (v.delta or 0.0,))]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    frame = _Frame(low - 0.02, high + 0.02)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *frame.axes(),
    ]
    for number, name in enumerate(names):
        parts += _suite(frame, probes, name, number)
    if rescue.proposal is not None and rescue.proposal.strength.without is None:
        x = frame.x(rescue.proposal.strength.scale)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#000000" stroke-dasharray="2 3"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Frame:
    """Where strengths (0 to 1) and deltas lie on the page."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high

    def x(self, scale: float) -> float:
        return LEFT + scale * (WIDTH - LEFT - RIGHT)

    def y(self, delta: float) -> float:
        return TOP + (self._high - delta) / (self._high - self._low) * (HEIGHT - TOP - BOTTOM)

    def axes(self) -> list[str]:
        found = [
            f'<path d="M{LEFT} {self.y(0):.1f}H{WIDTH - RIGHT}" stroke="#888888"/>',
            f'<text x="{self.x(0.5):.0f}" y="{HEIGHT - 8}" text-anchor="middle">strength</text>',
        ]
        for quarter in range(5):
            at = self.x(quarter / 4)
            found.append(f'<text x="{at:.0f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{quarter / 4:g}</text>')
        for delta in (self._low, 0.0, self._high):
            found.append(f'<text x="{LEFT - 6}" y="{self.y(delta) + 4:.0f}" text-anchor="end">{points(delta)}</text>')
        return found


def _suite(frame: _Frame, probes: Sequence[Probe], name: str, number: int) -> list[str]:
    """The line of one suite, its intervals and its name."""
    colour = COLOURS[number % len(COLOURS)]
    seen = [(p.strength.scale, v) for p in probes for v in p.suites if v.suite == name and v.delta is not None]
    line = "".join(f"L{frame.x(scale):.1f} {frame.y(v.delta or 0.0):.1f}" for scale, v in seen)
    dash = ' stroke-dasharray="6 3"' if any(v.role is Role.TARGET for _, v in seen) else ""
    found = [
        f'<path d="M{frame.x(0):.1f} {frame.y(0):.1f}{line}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>'
    ]
    for scale, verdict in seen:
        x = frame.x(scale)
        found.append(f'<circle cx="{x:.1f}" cy="{frame.y(verdict.delta or 0.0):.1f}" r="2.5" fill="{colour}"/>')
        if verdict.ci90 is not None:
            low, high = (frame.y(end) for end in verdict.ci90)
            found.append(f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{colour}" stroke-opacity="0.5"/>')
    y = TOP + 14 * (number + 1)
    return [*found, f'<text x="{WIDTH - RIGHT + 14}" y="{y}" fill="{colour}">{_label(name, seen)}</text>']


def _label(name: str, seen: Sequence[tuple[float, SuiteVerdict]]) -> str:
    bound = next((v.margin for _, v in seen if v.margin is not None), None)
    text = visible(name, 24) + ("" if bound is None else f" (margin {float(bound) * 100:g})")
    return escape(text)
