"""What an audit says in sentences, wherever it is shown."""

from __future__ import annotations

from collections.abc import Sequence

from regress.schema import Audit, Evidence, Severity

_MOST_NAMES = 8


def counted(audit: Audit) -> dict[Severity, int]:
    """Findings by severity."""
    return {severity: sum(f.severity is severity for f in audit.findings) for severity in Severity}


def summary(audit: Audit) -> str:
    """One sentence with the counts."""
    counts = counted(audit)
    if counts[Severity.BLOCK]:
        return (
            f"{many(counts[Severity.BLOCK], 'finding')} must be mended before anybody trains on this; "
            f"{many(counts[Severity.WARN], 'warning')}."
        )
    if counts[Severity.WARN]:
        return f"Nothing blocks; {many(counts[Severity.WARN], 'warning')} will cost quality."
    return "Nothing was found that would hurt the verdict."


def many(count: int, what: str) -> str:
    """'1 finding', '1,200 findings'"""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def forms(audit: Audit) -> str:
    """'1,200 messages, 3 prompt and completion'"""
    return ", ".join(f"{count:,} {form}" for form, count in audit.data.forms.items())


def against(audit: Audit) -> str:
    """'3 locked suites'"""
    return many(len(audit.suites), "locked suite") if audit.lock else f"{many(len(audit.suites), 'suite')}, not locked"


def columns(audit: Audit) -> str:
    """'prompt from question, completion; not used: id', empty where rows have no columns."""
    names = audit.data.unused
    more = " …" if len(names) > _MOST_NAMES else ""
    unused = f"; not used: {', '.join(names[:_MOST_NAMES])}{more}" if names else ""
    return _taken(tuple(audit.data.columns.items())) + unused if audit.data.columns else ""


def _taken(pairs: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{ours} from {theirs}" if ours != theirs else ours for ours, theirs in pairs)


def where(one: Evidence) -> str:
    """'row 17', 'row 17 of valid.jsonl', or 'all rows'"""
    row = f"row {one.row}" if one.row else ""
    return " of ".join(part for part in (row, one.source) if part) or "all rows"
