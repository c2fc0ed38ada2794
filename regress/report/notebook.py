"""Decisions and comparisons as HTML fragments for notebooks: the verdict, the forest plot, the figures.

No script, no style sheet, nothing from outside: front ends cut these away, and the plot must stay readable on light and
on dark pages. Everything that a suite, an adapter or a model wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from regress.report.html.forest import Forest, Mark, Row, forests
from regress.report.words import attempt, headline, visible
from regress.schema import Decision, Ruling, SuiteVerdict, Verdict

# Colour and shape both tell a mark; the colours are far apart for colour-blind readers, and seen on black and on white.
COLOURS = {
    Mark.HELD: "#3b82c4",
    Mark.LOST: "#d9541e",
    Mark.OPEN: "#a17a1a",
    Mark.GAINED: "#1a9c76",
    Mark.TOLD: "#808080",
}
SHAPES = {
    Mark.HELD: "M-4.5 0A4.5 4.5 0 1 0 4.5 0A4.5 4.5 0 1 0 -4.5 0Z",
    Mark.LOST: "M0 -6L6 0L0 6L-6 0Z",
    Mark.OPEN: "M-4.5 -4.5H4.5V4.5H-4.5Z",
    Mark.GAINED: "M0 -6L6 5H-6Z",
    Mark.TOLD: "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z",
}
RULINGS = {
    Ruling.PROMOTE: Mark.GAINED,
    Ruling.REJECT: Mark.LOST,
    Ruling.INCONCLUSIVE: Mark.OPEN,
    Ruling.REFUSED: Mark.TOLD,
}
WIDTH, LEFT, RIGHT, ROW, TOP, FOOT = 760, 220, 120, 24, 26, 26
TITLES = ("suite", "variant", "right", "change", "90 % interval", "bound", "verdict")


def decision(judged: Decision) -> str:
    """The ruling in one sentence, the plot of every suite and variant, the figures."""
    badge = f"background:{COLOURS[RULINGS[judged.ruling]]};color:#fff;padding:1px 7px;border-radius:3px"
    head = f'<p><b style="{badge}">{judged.ruling.value}</b> {_text(headline(judged))}</p>'
    spent = attempt(judged)
    return _fragment(head, judged.suites, "" if spent is None else f"<p>{_text(spent)}</p>")


def difference(verdicts: Sequence[SuiteVerdict]) -> str:
    """Two evaluations side by side, which decides nothing."""
    return _fragment(f"<p>{_text(difference_line(verdicts))}</p>", verdicts)


def difference_line(verdicts: Sequence[SuiteVerdict]) -> str:
    """'6 suites compared, 3 lost more than the margin'."""
    lost = sum(v.verdict is Verdict.FAIL for v in verdicts)
    return f"{len(verdicts)} suite{'' if len(verdicts) == 1 else 's'} compared, {lost} lost more than the margin"


def _fragment(head: str, verdicts: Sequence[SuiteVerdict], foot: str = "") -> str:
    plots = forests(verdicts)
    body = "".join([head, *map(_plot, plots), *map(_table, plots), foot])
    return f'<div style="font-family:system-ui,sans-serif">{body}</div>'


def _plot(forest: Forest) -> str:
    foot = TOP + ROW * len(forest.rows)
    zero = _place(forest.zero)
    rows = "".join(_row(row, TOP + ROW * index + ROW // 2) for index, row in enumerate(forest.rows))
    ticks = "".join(
        f'<text x="{_place(tick.x):.1f}" y="{foot + 18}" text-anchor="middle">{tick.label}</text>'
        for tick in forest.ticks
    )
    head = f'<text x="{zero:.1f}" y="14" text-anchor="middle">← worse · change in {forest.unit} · better →</text>'
    line = f'<path d="M{zero:.1f} {TOP - 4}V{foot + 4}" stroke="currentColor" stroke-opacity=".4"/>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {foot + FOOT}" style="width:100%;max-width:{WIDTH}px" role="img" font-size="12" '
        f'fill="currentColor" xmlns="http://www.w3.org/2000/svg"><title>change in {forest.unit}, 90 % intervals</title>'
        f"{head}{line}{ticks}{rows}</svg>"
    )


def _row(row: Row, y: int) -> str:
    """One suite and variant, `y` pixels from the top; its reason is the tooltip."""
    colour = COLOURS[row.mark]
    told = row.amount if row.mark is Mark.TOLD else f"{row.amount} {row.word}"
    names = f'{_text(row.suite, 22)} <tspan fill-opacity=".7">{_text(row.variant, 14)}</tspan>'
    parts = [f"<title>{_text(row.reason)}</title>", f'<text x="0" y="{y + 4}">{names}</text>']
    if row.bound_x is not None:
        bound = f"M{_place(row.bound_x):.1f} {y - 9}v18"
        parts.append(f'<path d="{bound}" stroke="currentColor" stroke-dasharray="3 2"/>')
    if row.low is not None and row.high is not None:
        ends = f"M{_place(row.low):.1f} {y}H{_place(row.high):.1f}"
        parts.append(f'<path d="{ends}" stroke="{colour}" stroke-width="3"/>')
    if row.x is not None:
        place = f"translate({_place(row.x):.1f} {y})"
        parts.append(f'<path d="{SHAPES[row.mark]}" transform="{place}" fill="{colour}"/>')
    parts.append(f'<text x="{WIDTH}" y="{y + 4}" text-anchor="end">{_text(told)}</text>')
    return f"<g>{''.join(parts)}</g>"


def _place(percent: float) -> float:
    """Percent of the drawing's width as pixels."""
    return LEFT + percent / 100 * (WIDTH - LEFT - RIGHT)


def _table(forest: Forest) -> str:
    cells = ((r.suite, r.variant, r.moved, r.amount, r.spread, r.bound, r.word) for r in forest.rows)
    rows = "".join(_table_row("td", row) for row in cells)
    table = f"<table><thead>{_table_row('th', TITLES)}</thead><tbody>{rows}</tbody></table>"
    return f"<details><summary>figures</summary>{table}</details>"


def _table_row(tag: str, cells: Iterable[str]) -> str:
    filled = (f'<{tag} style="text-align:left">{_text(cell)}</{tag}>' for cell in cells)
    return f"<tr>{''.join(filled)}</tr>"


def _text(text: str, limit: int | None = None) -> str:
    return escape(visible(text, limit))
