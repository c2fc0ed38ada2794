"""The decision on a terminal: what a tired person understands in ten seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from regress.report import attribution, serving, triggers
from regress.report.detector import TITLE, corrections, uncorrected
from regress.report.words import (
    BESIDE,
    amount,
    attempt,
    change,
    examples,
    headline,
    moved,
    new_kinds,
    noteworthy,
    spread,
    suites_with,
    unaudited,
    visible,
    worst_slices,
)
from regress.schema import Decision, Flip, Role, Ruling, SuiteComparison, SuiteVerdict, Verdict

RULING_STYLE = {
    Ruling.PROMOTE: "bold white on green4",
    Ruling.REJECT: "bold white on red3",
    Ruling.INCONCLUSIVE: "bold black on yellow3",
    Ruling.REFUSED: "bold white on magenta",
}
VERDICT_STYLE = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.UNDECIDED: "yellow"}


def render(decision: Decision, comparisons: Sequence[SuiteComparison]) -> RenderableType:
    """Sentence first, then only what changed, then examples."""
    parts: list[RenderableType] = [
        Text.assemble((f" {decision.ruling.value} ", RULING_STYLE[decision.ruling]), " ", headline(decision))
    ]
    rows = noteworthy(decision)
    if rows:
        parts += [Text(""), _table(rows)]
    held = suites_with(decision, Verdict.PASS)
    if held:
        parts += [Text(""), _held(held)]
    parts += _detector(decision)
    parts += _kinds(decision, comparisons)
    parts += _examples(decision, comparisons)
    parts += _open(decision)
    parts += _triggers(decision)
    parts += _serving(decision)
    parts += _beside(decision)
    parts += _attribution(decision)
    if (other := unaudited(decision)) is not None:
        parts += [Text(""), Text(visible(other), style="yellow")]
    if (spent := attempt(decision)) is not None:
        parts += [Text(""), Text(spent, style="dim")]
    return Group(*parts)


def _triggers(decision: Decision) -> list[RenderableType]:
    """What was tried and what came of it."""
    lines = [Padding(Text(line), (0, 0, 0, 2)) for line in triggers.lines(decision)]
    return [Text(""), Text(triggers.TITLE, style="dim"), *lines] if lines else []


def _beside(decision: Decision) -> list[RenderableType]:
    """What was run beside the locked variants."""
    if decision.beside is None:
        return []
    rows = decision.beside.suites
    missing = [Padding(Text(visible(reason)), (0, 0, 0, 2)) for reason in decision.beside.missing]
    return [Text(""), Text(BESIDE, style="dim"), *([_table(rows)] if rows else []), *missing]


def _attribution(decision: Decision) -> list[RenderableType]:
    """Which step lost how much, where the table above does not say so already."""
    rows = attribution.told(decision)
    if decision.attribution is None or not attribution.says_more(rows):
        return []
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    for title in ("step", "from → to"):
        table.add_column(title, overflow="fold")
    for title in ("points", "90 % interval"):
        table.add_column(title, justify="right", no_wrap=True)
    suite = None
    for row in rows:
        if row.suite != suite:
            table.add_row(Text(visible(row.suite), style="bold"))
        suite, step, moved_from_to, _, change_, spread_ = attribution.cells(row)
        table.add_row(f"  {step}", visible(moved_from_to), change_, spread_)
    notes = [
        Padding(Text(visible(note, 400), style="dim"), (0, 0, 0, 2)) for note in attribution.notes(decision.attribution)
    ]
    return [Text(""), Text(attribution.TITLE, style="dim"), Padding(table, (0, 0, 0, 2)), *notes]


def _serving(decision: Decision) -> list[RenderableType]:
    """Cost and speed; what is certainly worse in red, certainly better in green."""
    parts: list[RenderableType] = []
    for block in serving.blocks(decision):
        table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
        table.add_column("")
        for title in (block.against, block.variant, "change"):
            table.add_column(title, justify="right", no_wrap=True)
        for row in block.rows:
            style = "red" if row.worse else "green" if row.better else ""
            table.add_row(row.what, row.base, row.candidate, Text(row.change, style=style))
        notes = [Padding(Text(visible(note), style="dim"), (0, 0, 0, 2)) for note in block.notes]
        parts += [Text(""), Padding(table, (0, 0, 0, 2)), *notes]
    return [Text(""), Text(serving.TITLE, style="dim"), *parts[1:]] if parts else []


def _table(rows: Sequence[SuiteVerdict]) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("suite", overflow="fold")
    table.add_column("variant", no_wrap=True)
    table.add_column("right", justify="right", no_wrap=True)
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("90 % interval", justify="right", no_wrap=True)
    table.add_column("margin", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    last = ""
    for v, variant in _together(rows):
        if v.role is Role.TARGET:
            bound = "gain" if v.min_gain is None else f"+{float(v.min_gain) * 100:g}"
        else:
            bound = "–" if v.margin is None else f"−{float(v.margin) * 100:g}"
        table.add_row(
            v.suite if v.suite != last else "",
            variant,
            moved(v),
            amount(v),
            spread(v),
            bound,
            Text(_word(v), style=VERDICT_STYLE[v.verdict]),
        )
        last = v.suite
    return table


def _together(rows: Sequence[SuiteVerdict]) -> list[tuple[SuiteVerdict, str]]:
    """Each row with its variant's name; variants of one suite that came out alike share a row."""
    found: dict[tuple[object, ...], tuple[SuiteVerdict, list[str]]] = {}
    for v in rows:
        found.setdefault((v.suite, v.counts, v.verdict, v.delta, v.ci90), (v, []))[1].append(v.variant)
    several = {2: "both"}
    return [
        (v, variants[0] if len(variants) == 1 else several.get(len(variants), f"all {len(variants)}"))
        for v, variants in found.values()
    ]


def _word(verdict: SuiteVerdict) -> str:
    if verdict.verdict is Verdict.UNDECIDED:
        return "OPEN"
    if verdict.role is Role.TARGET:
        return "GAIN"
    return verdict.verdict.value


def _held(held: Sequence[SuiteVerdict]) -> Text:
    by_suite: dict[str, list[SuiteVerdict]] = {}
    for v in held:
        by_suite.setdefault(v.suite, []).append(v)
    text = Text("within the margin: ", style="green")
    worst = [
        f"{suite} {change(min(verdicts, key=lambda v: v.delta or 0.0))}"
        + ("" if len(verdicts) > 1 else f" ({verdicts[0].variant})")
        for suite, verdicts in by_suite.items()
    ]
    text.append(", ".join(worst), style="default")
    return text.append("  (↓ lost something for certain)", style="dim") if "↓" in text.plain else text


def _detector(decision: Decision) -> list[RenderableType]:
    """Figures of a refusal detector, corrected where people labelled replies; else whose figures they are."""
    parts: list[RenderableType] = []
    if blocks := corrections(decision):
        parts += [Text(""), Text(TITLE, style="dim")]
    for head, *rest in blocks:
        parts.append(Padding(Text(visible(head)), (0, 0, 0, 2)))
        parts += [Padding(Text(visible(line), style="dim"), (0, 0, 0, 4)) for line in rest]
    if alone := uncorrected(decision):
        parts += [Text(""), *(Text(visible(line), style="dim") for line in alone)]
    return parts


def _kinds(decision: Decision, comparisons: Sequence[SuiteComparison]) -> list[RenderableType]:
    shown = {v.suite: v.variant for v in reversed(noteworthy(decision)) if v.role is Role.PROTECT}
    lines = []
    for c in comparisons:
        if shown.get(c.suite) == c.variant and (grown := new_kinds(c)):
            lines.append(Text.assemble((f"{c.suite}: ", "dim"), visible(grown)))
            if worst := worst_slices(c):
                lines.append(Text(f"  worst: {visible(worst)}", style="dim"))
    return (
        [Text(""), Text("how they fail now", style="dim"), *(Padding(line, (0, 0, 0, 2)) for line in lines)]
        if lines
        else []
    )


def _examples(decision: Decision, comparisons: Sequence[SuiteComparison]) -> list[RenderableType]:
    chosen = examples(comparisons, decision)
    if not chosen:
        return []
    return [Text(""), Text("lost, for example", style="dim"), *(_example(c, flip) for c, flip in chosen)]


def _example(comparison: SuiteComparison, flip: Flip) -> RenderableType:
    width = max(len(comparison.against), len(comparison.variant), 4)
    before, after = word_diff(visible(flip.base_reply, 150), visible(flip.candidate_reply, 150))
    lines = [
        Text.assemble(
            (f"{comparison.suite} · ", "dim"), (visible(flip.item, 40), "bold"), f"  {visible(flip.prompt, 150)}"
        ),
        Text.assemble((f"  {comparison.against:<{width}}  ", "green"), before),
        Text.assemble(
            (f"  {comparison.variant:<{width}}  ", "red"),
            after if after.plain else Text("(empty)", style="dim"),
            (f"  {visible(flip.candidate_kind, 40)}" if flip.candidate_kind not in (None, "wrong") else "", "dim"),
        ),
    ]
    return Padding(Group(*lines), (0, 0, 0, 2))


def word_diff(before: str, after: str) -> tuple[Text, Text]:
    """Both texts with the words that only one of them has in bold and colour; underlined, for who sees no colours."""
    old, new = re.findall(r"\s+|[^\s]+", before), re.findall(r"\s+|[^\s]+", after)
    left, right = Text(), Text()
    for what, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        same = what == "equal"
        left.append("".join(old[a:b]), style="" if same else "bold underline green")
        right.append("".join(new[c:d]), style="" if same else "bold underline red")
    return left, right


def _open(decision: Decision) -> list[RenderableType]:
    if decision.ruling is not Ruling.INCONCLUSIVE:
        return []
    return [
        Text(""),
        Text("still open", style="dim"),
        *(Padding(Text(visible(reason)), (0, 0, 0, 2)) for reason in decision.reasons),
    ]
