"""How many items it takes, and what they tell: tables and curves for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regress.schema import Policy, PowerCurve, PowerPoint

BAR = 44  # characters that stand for all candidates
PASS, OPEN, FAIL = "#2f7d4f", "#d9d4c7", "#b3402f"


def size_rows(
    margin: Decimal, policy: Policy, rows: Sequence[tuple[Decimal, int]], *, suites: int = 1
) -> RenderableType:
    """Items by flip rate, with the sentence that says what they are for."""
    each = "" if suites == 1 else f" each of {suites} suites"
    text = Text(
        f"A candidate that lost nothing is promoted {float(policy.power) * 100:g} % of the time, and one that lost "
        f"{float(margin) * 100:g} points or more hardly ever, when{each or ' a suite'} has:\n"
    )
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("answers that flip", justify="right")
    table.add_column("items", justify="right")
    for rate, needed in rows:
        table.add_row(f"{float(rate) * 100:g} %", f"{needed:,}")
    return Group(text, table)


def curve_bars(curve: PowerCurve) -> RenderableType:
    """One bar a true drop: green PASS, blank nothing yet, red FAIL."""
    lines = [
        Text(
            f"{curve.n:,} items, margin {_points(float(curve.margin))}, {float(curve.flip_rate) * 100:g} % flips: "
            "what they say of a true drop",
            style="dim",
        )
    ]
    lines += [_bar(point) for point in curve.points]
    legend = Text.assemble(("█ ", "green"), "PASS   ", ("· ", "dim"), "nothing yet   ", ("█ ", "red"), "FAIL")
    return Group(*lines, Text(""), legend)


def _bar(point: PowerPoint) -> Text:
    green = round(BAR * point.passes)
    red = min(BAR - green, round(BAR * point.fails))
    return Text.assemble(
        f"{_points(point.drop):>7}  ",
        ("█" * green, "green"),
        ("·" * (BAR - green - red), "dim"),
        ("█" * red, "red"),
        f"  {_percent(point.passes)} / {_percent(point.fails)}",
    )


def _points(drop: float) -> str:
    return f"{drop * 100:.1f}".replace("-", "−").replace("−0.0", "0.0")


def _percent(chance: float) -> str:
    """Never 0 or 100: none of this is certain."""
    return f"{min(99, max(1, round(chance * 100)))} %"


def curve_svg(curve: PowerCurve) -> str:
    """The same as areas over the true drop, for a document: 640 x 360, no script, no outside font."""
    left, top, width, height = 64, 56, 544, 236
    first, last = curve.points[0].drop, curve.points[-1].drop

    def x(drop: float) -> str:
        return f"{left + width * (drop - first) / (last - first):.1f}"

    def y(share: float) -> str:
        return f"{top + height * (1.0 - share):.1f}"

    def area(below: Sequence[float], above: Sequence[float]) -> str:
        drops = [point.drop for point in curve.points]
        there = [f"{x(d)},{y(v)}" for d, v in zip(drops, above, strict=True)]
        back = [f"{x(d)},{y(v)}" for d, v in zip(reversed(drops), reversed(below), strict=True)]
        return " ".join(there + back)

    passes = [point.passes for point in curve.points]
    failed = [1.0 - point.fails for point in curve.points]
    ticks = [
        f'<text x="{x(point.drop)}" y="{top + height + 20}" text-anchor="middle">{_points(point.drop)}</text>'
        for point in curve.points[:: max(1, (len(curve.points) - 1) // 8)]
    ]
    shares = [
        f'<text x="{left - 8}" y="{float(y(share)) + 4:.1f}" text-anchor="end">{share * 100:.0f} %</text>'
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    margin = x(float(curve.margin))
    title = f"{curve.n:,} items, {float(curve.flip_rate) * 100:g} % of the answers flip"
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 360" width="640" height="360" role="img"'
            f' aria-label="What {title} say of a true drop" font-family="system-ui, sans-serif" font-size="12"'
            ' fill="#333">',
            '<rect width="640" height="360" fill="#fff"/>',
            f'<text x="{left}" y="26" font-size="15" font-weight="600">{title}</text>',
            f'<text x="{left}" y="44"><tspan fill="{PASS}">■</tspan> PASS  <tspan fill="{OPEN}">■</tspan> nothing yet '
            f' <tspan fill="{FAIL}">■</tspan> FAIL</text>',
            f'<polygon fill="{PASS}" points="{area([0.0] * len(passes), passes)}"/>',
            f'<polygon fill="{OPEN}" points="{area(passes, failed)}"/>',
            f'<polygon fill="{FAIL}" points="{area(failed, [1.0] * len(failed))}"/>',
            f'<line x1="{margin}" x2="{margin}" y1="{top}" y2="{top + height}" stroke="#333" stroke-dasharray="4 3"/>',
            f'<text x="{float(margin) + 5:.1f}" y="{top + 14}">margin</text>',
            *ticks,
            *shares,
            f'<text x="{left + width / 2}" y="{top + height + 44}" text-anchor="middle">true drop, points</text>',
            "</svg>\n",
        ]
    )
