"""Two results of another harness side by side on a terminal: counts and intervals, and no decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from regress.report.terminal import VERDICT_STYLE
from regress.report.words import examples, interval, movement, points, visible, worst_slices
from regress.schema import Decision, Flip, Ruling, SuiteComparison, SuiteVerdict, Verdict

NOT_LOCKED = "Nothing was locked before, so this is a comparison and no decision."
MOST = 8  # reasons
_RIGHT = ("right", "lost", "gained", "points", "90 % interval", "margin")


def render(
    decision: Decision, comparisons: Sequence[SuiteComparison], metrics: Mapping[str, str], remarks: Sequence[str]
) -> RenderableType:
    """The table with the worst task first, what is certain and what is open, examples, and `remarks` at the end."""
    parts: list[RenderableType] = [
        Text.assemble((" COMPARED ", "bold white on grey37"), " B against A, item by item. ", NOT_LOCKED),
        Text(""),
        _table(decision.suites, metrics),
    ]
    reasons = [] if decision.ruling is Ruling.PROMOTE else [visible(reason) for reason in decision.reasons]
    if len(reasons) > MOST:
        reasons[MOST:] = [f"… and {len(reasons) - MOST} more"]
    slices = [Text(f"{c.suite}: {visible(worst)}") for c in comparisons if (worst := worst_slices(c))]
    title = "beyond the margin" if decision.ruling is Ruling.REJECT else "still open"
    chosen = [_example(c, flip) for c, flip in examples(comparisons, decision)]
    about = [Text(visible(remark), style="dim") for remark in remarks]
    sections: list[tuple[str, Sequence[RenderableType]]] = [
        (title, [Text(reason) for reason in reasons]),
        ("worst slices", slices),
        ("lost, for example", chosen),
        ("mind", about),
    ]
    for head, lines in sections:
        if lines:
            parts += [Text(""), Text(head, style="dim"), *(Padding(line, (0, 0, 0, 2)) for line in lines)]
    return Group(*parts)


def _table(rows: Sequence[SuiteVerdict], metrics: Mapping[str, str]) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("task", overflow="fold")
    table.add_column("metric", overflow="fold")
    for column in _RIGHT:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for v in sorted(rows, key=lambda v: (v.delta or 0.0, v.suite)):
        table.add_row(
            visible(v.suite, 60),
            visible(metrics.get(v.suite, ""), 40),
            movement(v.counts),
            str(v.counts.lost),
            str(v.counts.gained),
            points(v.delta),
            interval(v.ci90),
            "–" if v.margin is None else f"−{float(v.margin) * 100:g}",
            Text("OPEN" if v.verdict is Verdict.UNDECIDED else v.verdict.value, style=VERDICT_STYLE[v.verdict]),
        )
    return table


def _example(comparison: SuiteComparison, flip: Flip) -> RenderableType:
    expected = "" if flip.expected is None else f"  ({visible(flip.expected, 60)})"
    return Group(
        Text.assemble(
            (f"{visible(comparison.suite, 40)} · ", "dim"),
            (visible(flip.item, 40), "bold"),
            f"  {visible(flip.prompt, 150)}",
            (expected, "dim"),
        ),
        Text.assemble(("  A  ", "green"), visible(flip.base_reply, 150)),
        Text.assemble(("  B  ", "red"), visible(flip.candidate_reply, 150)),
    )
