"""An audit on a terminal: what will hurt first, in sentences, with a row or two to look at; notes in a line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from regress.report import audit_words
from regress.report.words import visible
from regress.schema import Audit, Evidence, Finding, Recommendation, Severity

SHOWN_FINDINGS = 12
SHOWN_ROWS = 2
SHOWN_NOTES = 8
SHOWN_SKIPPED = 6
SHORT = 24  # characters of a reason that stands in the row's own line
ROW = 68  # characters: one line beside the indent of 8, a wide letter or two aside
STYLE = {
    Severity.BLOCK: ("BLOCK", "bold white on red3"),
    Severity.WARN: ("WARN ", "bold black on yellow3"),
    Severity.NOTE: ("NOTE ", "bold black on grey70"),
}


def render(audit: Audit) -> RenderableType:
    """What was read, then findings from the worst to the least, then what was not checked."""
    findings = [one for one in audit.findings if one.severity is not Severity.NOTE]
    notes = [one for one in audit.findings if one.severity is Severity.NOTE]
    parts: list[RenderableType] = [
        Text(_read(audit)),
        *(_finding(one) for one in findings[:SHOWN_FINDINGS]),
        *_more(len(findings) - SHOWN_FINDINGS, "finding"),
    ]
    if notes:
        parts += [Text(""), *map(_note, notes[:SHOWN_NOTES]), *_more(len(notes) - SHOWN_NOTES, "note")]
    if audit.recommendations:
        parts += [Text(""), *(_recommended(one) for one in audit.recommendations)]
    if audit.skipped:
        skips = [Text(f"not checked: {one.check}: {visible(one.reason, 200)}", style="dim") for one in audit.skipped]
        parts += [Text(""), *skips[:SHOWN_SKIPPED], *_more(len(skips) - SHOWN_SKIPPED, "check")]
    parts += [Text(""), Text(audit_words.summary(audit), style="bold")]
    return Group(*parts)


def _more(count: int, what: str) -> Sequence[Text]:
    return [Text(f"and {audit_words.many(count, f'more {what}')}, in the report.", style="dim")] if count > 0 else []


def _read(audit: Audit) -> str:
    data = audit.data
    broken = f"; {audit_words.many(data.broken, 'row')} cannot be read" if data.broken else ""
    taken = audit_words.columns(audit)
    read = f" Read as {taken}." if taken else ""
    return visible(
        f"{data.name}: {data.rows:,} rows ({audit_words.forms(audit)}){broken}; "
        f"against {audit_words.against(audit)}.{read}"
    )


def _finding(finding: Finding) -> RenderableType:
    word, style = STYLE[finding.severity]
    head = Text.assemble("\n", (f" {word} ", style), " ", (visible(finding.title), "bold"))
    advice = Text.assemble(("→ ", "bold"), visible(finding.advice), (f"  [{_rule(finding)}]", "dim"))
    body = [Text(visible(finding.detail)), *map(_row, finding.evidence[:SHOWN_ROWS]), advice]
    return Group(head, *(Padding(part, (0, 0, 0, 8)) for part in body))


def _note(finding: Finding) -> Text:
    word, style = STYLE[finding.severity]
    return Text.assemble((f" {word} ", style), " ", visible(finding.title), (f"  [{_rule(finding)}]", "dim"))


def _rule(finding: Finding) -> str:
    return f"{finding.rule} · {visible(finding.suite, 80)}" if finding.suite else finding.rule


def _recommended(one: Recommendation) -> Text:
    return Text.assemble("recommended for ", visible(one.suite, 80), ": ", (one.advised.value.upper(), "bold"))


def _row(one: Evidence) -> Text:
    """Where, what it is the same as, and what fits into the line of what it says; a longer reason below."""
    other = f" = {visible(one.item, 30)}" if one.item else ""
    detail = visible(one.detail, ROW) if one.detail else ""
    beside, below = (f" ({detail})", "") if 0 < len(detail) <= SHORT else ("", f"\n{detail}" if detail else "")
    head = f"{visible(audit_words.where(one), 60)}{other}{beside}: "
    return Text.assemble((head, "dim"), visible(one.text, max(20, ROW - len(head))), (below, "dim"))
