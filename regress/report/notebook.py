"""Decisions and comparisons as HTML fragments for notebooks: the verdict, a forest plot, a table.

No script, no style sheet, nothing from outside: front ends cut these away, and the plot must stay readable on light and
on dark pages. Everything that a suite, an adapter or a model wrote is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from regress.report.words import amount, attempt, headline, moved, points, signed, spread, visible
from regress.schema import Decision, Role, SuiteVerdict, Verdict

# Okabe and Ito's palette, which colour-blind readers tell apart; each mark has a shape of its own besides.
COLOURS = {"FAIL": "#D55E00", "PASS": "#0072B2", "GAIN": "#009E73", "OPEN": "#8A8A8A"}
SHAPES = {"FAIL": "M-5 -5H5V5H-5Z", "PASS": "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z", "GAIN": "M0 -6L6 5H-6Z"}
OPEN_SHAPE = "M0 -6L6 0L0 6L-6 0Z"
RULINGS = {"PROMOTE": "GAIN", "REJECT": "FAIL", "INCONCLUSIVE": "OPEN", "REFUSED": "OPEN"}

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 760, 220, 120, 24, 26, 22
TICKS = (-0.5, -0.1, -0.03, 0.03, 0.1, 0.5)
_BEND = 0.02  # the scale is straight within about two points of zero, logarithmic far from it


def decision(judged: Decision) -> str:
    """The ruling in one sentence, the plot of every suite and variant, the table."""
    colour = COLOURS[RULINGS[judged.ruling.value]]
    badge = f"background:{colour};color:#fff;padding:1px 7px;border-radius:3px;font-weight:bold"
    notes = [f"<p>{_text(line)}</p>" for line in (attempt(judged),) if line]
    return _fragment(
        f'<p><span style="{badge}">{judged.ruling.value}</span> {_text(headline(judged))}</p>', judged.suites, notes
    )


def difference(verdicts: Sequence[SuiteVerdict]) -> str:
    """Two evaluations side by side, which decides nothing."""
    return _fragment(f"<p>{_text(difference_line(verdicts))}</p>", verdicts, [])


def difference_line(verdicts: Sequence[SuiteVerdict]) -> str:
    """'6 suites compared, 3 lost more than the margin'."""
    lost = sum(v.verdict is Verdict.FAIL for v in verdicts)
    suites = "suite" if len(verdicts) == 1 else "suites"
    return f"{len(verdicts)} {suites} compared, {lost} lost more than the margin"


def page(title: str, body: str) -> str:
    """A fragment as a document of its own, in which nothing may be loaded or run."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f'</head><body style="max-width:{WIDTH}px;margin:2em auto;padding:0 1em">{body}</body></html>\n'
    )


def _fragment(head: str, verdicts: Sequence[SuiteVerdict], notes: Iterable[str]) -> str:
    plots = [_forest(rows) for rows in _units(verdicts) if rows]
    table = [_table(verdicts)] if verdicts else []
    return f'<div style="font-family:system-ui,sans-serif">{"".join([head, *plots, *table, *notes])}</div>'


def _units(verdicts: Sequence[SuiteVerdict]) -> tuple[list[SuiteVerdict], list[SuiteVerdict]]:
    """Differences in points and relative ones share no scale."""
    return [v for v in verdicts if not v.is_relative], [v for v in verdicts if v.is_relative]


def _word(v: SuiteVerdict) -> str:
    if v.verdict is Verdict.UNDECIDED:
        return "OPEN"
    return "GAIN" if v.role is Role.TARGET and v.verdict is Verdict.PASS else v.verdict.value


# --- the forest plot --------------------------------------------------------------------------------------------------


def _forest(rows: Sequence[SuiteVerdict]) -> str:
    rows = [v for suite in dict.fromkeys(v.suite for v in rows) for v in rows if v.suite == suite]
    place = _scale(rows)
    foot = TOP + ROW * len(rows) + 4
    lines = "".join(_row(v, TOP + ROW * index + ROW // 2, place) for index, v in enumerate(rows))
    zero = f'<path d="M{place(0):.1f} {TOP - 4}V{foot}" stroke="currentColor" stroke-opacity=".45"/>'
    ticks = "".join(_tick(value, foot, place) for value in TICKS if place.shows(value))
    unit = "change in percent of the base" if rows[0].is_relative else "change in points"
    head = f'<text x="{place(0):.1f}" y="14" text-anchor="middle" fill-opacity=".75">0 – {unit}, 90 % interval</text>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {foot + BOTTOM}" style="width:100%;max-width:{WIDTH}px" role="img" font-size="12" '
        f'fill="currentColor" xmlns="http://www.w3.org/2000/svg"><title>{_text(difference_line(rows))}</title>'
        f"{head}{zero}{ticks}{lines}</svg>"
    )


def _tick(value: float, foot: int, place: _Place) -> str:
    x, label = place(value), signed(value * 100).removesuffix(".0")
    mark = f'<path d="M{x:.1f} {foot - 3}v6" stroke="currentColor" stroke-opacity=".6"/>'
    return f'{mark}<text x="{x:.1f}" y="{foot + 17}" text-anchor="middle" fill-opacity=".75">{label}</text>'


def _row(v: SuiteVerdict, y: int, place: _Place) -> str:
    word = _word(v)
    colour, shape = COLOURS[word], SHAPES.get(word, OPEN_SHAPE)
    parts = [
        f'<text x="0" y="{y + 4}">{_text(v.suite, 22)} <tspan fill-opacity=".7">{_text(v.variant, 14)}</tspan></text>'
    ]
    if v.ci90 is not None:
        low, high = (place(end) for end in v.ci90)
        parts.append(f'<path d="M{low:.1f} {y}H{max(high, low + 1):.1f}" stroke="{colour}" stroke-width="3"/>')
    if (bound := _bound(v)) is not None:
        parts.append(f'<path d="M{place(bound):.1f} {y - 9}v18" stroke="currentColor" stroke-dasharray="3 2"/>')
    if v.delta is not None:
        parts.append(f'<path d="{shape}" transform="translate({place(v.delta):.1f} {y}) scale(.8)" fill="{colour}"/>')
    told = f"{amount(v)} {word}"
    parts.append(f'<text x="{WIDTH}" y="{y + 4}" text-anchor="end">{_text(told)}</text>')
    return f"<g><title>{_text(v.reason)}</title>{''.join(parts)}</g>"


def _bound(v: SuiteVerdict) -> float | None:
    """Where the margin, or the gain that is asked, lies."""
    if v.role is Role.TARGET:
        return None if v.min_gain is None else float(v.min_gain)
    return None if v.margin is None else -float(v.margin)


class _Place:
    """From a difference to a place on the axis."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._width = low, high - low

    def __call__(self, value: float) -> float:
        return LEFT + min(1.0, max(0.0, self._share(value))) * (WIDTH - LEFT - RIGHT)

    def shows(self, value: float) -> bool:
        """Whether it lies on the axis."""
        return 0 < self._share(value) < 1

    def _share(self, value: float) -> float:
        return (_bent(value) - self._low) / self._width


def _scale(rows: Sequence[SuiteVerdict]) -> _Place:
    known = [
        end for v in rows for end in (*(v.ci90 or ()), v.delta, _bound(v)) if end is not None and math.isfinite(end)
    ]
    return _Place(_bent(min([*known, -0.04])) - 0.2, _bent(max([*known, 0.04])) + 0.2)


def _bent(value: float) -> float:
    return math.asinh(value / _BEND) if math.isfinite(value) else 0.0


# --- the table --------------------------------------------------------------------------------------------------------


def _table(verdicts: Sequence[SuiteVerdict]) -> str:
    titles = ("suite", "variant", "right", "change", "90 % interval", "bound", "verdict")
    head = _table_row("th", titles)
    rows = "".join(_table_row("td", _cells(v)) for v in verdicts)
    table = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
    return f"<details><summary>figures</summary>{table}</details>"


def _table_row(tag: str, cells: Iterable[str]) -> str:
    filled = (f'<{tag} style="text-align:left">{_text(cell)}</{tag}>' for cell in cells)
    return f"<tr>{''.join(filled)}</tr>"


def _cells(v: SuiteVerdict) -> tuple[str, ...]:
    bound = _bound(v)
    return v.suite, v.variant, moved(v), amount(v), spread(v), "–" if bound is None else points(bound), _word(v)


def _text(text: str, limit: int | None = None) -> str:
    return escape(visible(text, limit))
