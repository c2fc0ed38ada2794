"""An audit on a terminal: what will hurt first, in sentences, with the rows to look at."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from regress.report.words import visible
from regress.schema import Audit, Evidence, Finding, Recommendation, Severity

SHOWN_ROWS = 3
SHOWN_NOTES = 6
STYLE = {
    Severity.BLOCK: ("BLOCK", "bold white on red3"),
    Severity.WARN: ("WARN ", "bold black on yellow3"),
    Severity.NOTE: ("NOTE ", "bold black on grey70"),
}


def render(audit: Audit) -> RenderableType:
    """What was read, then findings from the worst to the least, then what was not checked."""
    parts: list[RenderableType] = [Text(_read(audit)), *(_finding(one) for one in _shown(audit))]
    left = len(audit.findings) - len(_shown(audit))
    if left:
        parts += [Text(""), Text(f"and {left} more notes, in the report.", style="dim")]
    if audit.skipped:
        parts.append(Text(""))
        parts += [Text(f"not checked: {one.check}: {visible(one.reason, 300)}", style="dim") for one in audit.skipped]
    if audit.recommendations:
        parts += [Text(""), *(_recommended(one) for one in audit.recommendations)]
    parts += [Text(""), Text(summary(audit), style="bold")]
    return Group(*parts)


def summary(audit: Audit) -> str:
    """One sentence with the counts."""
    counts = {severity: sum(f.severity is severity for f in audit.findings) for severity in Severity}
    if counts[Severity.BLOCK]:
        return (
            f"{_many(counts[Severity.BLOCK], 'finding')} must be mended before anybody trains on this; "
            f"{_many(counts[Severity.WARN], 'warning')}."
        )
    if counts[Severity.WARN]:
        return f"Nothing blocks; {_many(counts[Severity.WARN], 'warning')} will cost quality."
    return "Nothing was found that would hurt the verdict."


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _shown(audit: Audit) -> Sequence[Finding]:
    notes = [finding for finding in audit.findings if finding.severity is Severity.NOTE][:SHOWN_NOTES]
    return [*(finding for finding in audit.findings if finding.severity is not Severity.NOTE), *notes]


def _read(audit: Audit) -> str:
    data = audit.data
    forms = ", ".join(f"{count:,} {form}" for form, count in data.forms.items())
    against = f"{len(audit.suites)} locked suites" if audit.lock else f"{len(audit.suites)} suites, not locked yet"
    broken = f"; {data.broken:,} rows cannot be read" if data.broken else ""
    taken = ", ".join(f"{ours} from {theirs}" if ours != theirs else ours for ours, theirs in data.columns.items())
    columns = f" Read as {taken}{_unused(data.unused)}." if taken else ""
    return visible(f"{data.name}: {data.rows:,} rows ({forms}){broken}; against {against}.{columns}")


def _unused(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f"; not used: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}"


def _finding(finding: Finding) -> RenderableType:
    word, style = STYLE[finding.severity]
    suite = f" · {finding.suite}" if finding.suite else ""
    head = Text.assemble("\n", (f" {word} ", style), " ", (visible(finding.title), "bold"))
    body: list[RenderableType] = [
        Padding(Text(visible(finding.detail)), (0, 0, 0, 8)),
        *(Padding(_row(one), (0, 0, 0, 8)) for one in finding.evidence[:SHOWN_ROWS]),
        Padding(
            Text.assemble(("→ ", "bold"), visible(finding.advice), (f"  [{finding.rule}{suite}]", "dim")), (0, 0, 0, 8)
        ),
    ]
    return Group(head, *body)


def _recommended(one: Recommendation) -> Text:
    return Text.assemble("recommended for ", visible(one.suite, 80), ": ", (one.advised.value.upper(), "bold"))


def _row(one: Evidence) -> Text:
    where = f"row {one.row}" if one.row else one.source or "all rows"
    other = f" = {visible(one.item, 80)}" if one.item else ""
    detail = f"  ({visible(one.detail, 120)})" if one.detail else ""
    return Text.assemble((f"{where}{other}: ", "dim"), visible(one.text, 160), (detail, "dim"))
