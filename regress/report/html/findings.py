"""An audit as pages show it: the answer first, findings with their figures drawn, at most so many of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from regress.report import audit_words
from regress.report.words import share
from regress.schema import (
    Advised,
    Audit,
    Evidence,
    Finding,
    Measure,
    Recommendation,
    Severity,
    Skipped,
    SuspectedTrigger,
)

WIDTH = 240  # of a gauge's scale in pixels
_TELLING = 0.001  # a smaller share of the rows is told by their number
_TOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # where a scale may end


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of an audit one page holds."""

    findings: int
    rows: int  # of a finding
    items: int = 40  # ids of locked items of a finding


MOST_IN_REPORT = Limits(findings=60, rows=3, items=10)
MOST_ALONE = Limits(findings=1_000, rows=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A share on a scale from 0 to `top`, in pixels; with its interval and a line to hold it against, where known."""

    words: str
    at: float
    low: float | None
    high: float | None
    line: float | None
    line_words: str
    top: str
    width: int = WIDTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One finding with what is shown of it."""

    finding: Finding
    figure: str  # for the head of a page: the share of the score, of the labels or of the rows, or so few rows
    share: str  # "459 of 27,318 rows, 1.7 %"
    gauge: Gauge | None
    rows: tuple[tuple[str, Evidence], ...]  # where, and what is there
    more_rows: int
    items: tuple[str, ...]
    more_items: int
    has_other: bool  # a row names an item or another row
    has_detail: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What the base got right in one way of asking it."""

    how: str
    right: str
    wrong_form: str
    gauge: Gauge


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One recommendation with its figures."""

    given: Recommendation
    mark: str
    ways: tuple[Way, ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStory:
    """Everything that the templates show of an audit."""

    severity: Severity | None  # the worst; None where nothing but notes was found
    name: str
    place: str
    facts: tuple[tuple[str, str], ...]
    findings: tuple[Told, ...]
    more_findings: int
    triggers: tuple[SuspectedTrigger, ...]
    advice: tuple[Advice, ...]
    skipped: tuple[Skipped, ...]
    checks: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    summary: str
    digest: str
    lock: str | None
    created: str
    tool: str


def story_of(audit: Audit, most: Limits) -> AuditStory:
    """The audit as far as `most` allows; what is left out is counted."""
    counts = audit_words.counted(audit)
    worst = next((severity for severity in (Severity.BLOCK, Severity.WARN) if counts[severity]), None)
    return AuditStory(
        severity=worst,
        name=PurePath(audit.data.name).name or audit.data.name,
        place=audit.data.name,
        facts=tuple(_facts(audit)),
        findings=tuple(_told(one, most) for one in audit.findings[: most.findings]),
        more_findings=max(0, len(audit.findings) - most.findings),
        triggers=audit.triggers[: most.findings],
        advice=tuple(_advice(one) for one in audit.recommendations[: most.findings]),
        skipped=audit.skipped,
        checks=audit.checks,
        figures=tuple((_named(name), shown(value)) for name, value in audit.figures.items()),
        summary=audit_words.summary(audit),
        digest=audit.data.digest,
        lock=audit.lock,
        created=audit.created,
        tool=audit.tool,
    )


def _facts(audit: Audit) -> list[tuple[str, str]]:
    data = audit.data
    found = [("rows", f"{data.rows:,}" + (f", and {data.broken:,} that cannot be read" if data.broken else ""))]
    found += [("form", audit_words.forms(audit)), ("read as", audit_words.columns(audit))]
    found += [("held against", audit_words.against(audit)), ("checks", f"{len(audit.checks)} ran")]
    return [(name, text) for name, text in found if text]


def _told(finding: Finding, most: Limits) -> Told:
    rows, items = finding.evidence[: most.rows], finding.items[: most.items]
    numbers = _numbers(finding.figures)
    told = numbers.get("bound", numbers.get("noise"))
    if told is None and finding.of and finding.count / finding.of >= _TELLING:
        told = finding.count / finding.of
    return Told(
        finding=finding,
        figure=f"{finding.count:,}" if told is None else _percent(told),
        share=f"{finding.count:,} of {finding.of:,} rows, {share(finding.count, finding.of)}" if finding.of else "",
        gauge=_gauge_of(finding),
        rows=tuple((audit_words.where(one), one) for one in rows),
        more_rows=max(0, finding.count - len(rows)) if rows else 0,
        items=items,
        more_items=len(finding.items) - len(items),
        has_other=any(one.item for one in rows),
        has_detail=any(one.detail for one in rows),
    )


def _gauge_of(finding: Finding) -> Gauge | None:
    """The figure of a finding that says more than its count, drawn."""
    numbers = _numbers(finding.figures)
    if "bound" in numbers:
        words = "of the score may come from leaked items, at most"
        return gauge(numbers["bound"], words, line=numbers.get("margin"), line_words="margin")
    if "noise" in numbers:
        words = "of the labels are likely to be wrong"
        return gauge(numbers["noise"], words, low=numbers.get("low"), high=numbers.get("high"))
    if "auc" in numbers:
        words = "AUC of telling the two samples apart"
        return gauge(numbers["auc"], words, top=1.0, line=0.5, line_words="alike", as_share=False)
    if "share" in numbers:
        words = "is not covered; the bar begins where it is certain"
        return gauge(numbers["share"], words, low=numbers.get("at_least"), high=numbers["share"])
    return None


def gauge(
    value: float,
    words: str,
    *,
    low: float | None = None,
    high: float | None = None,
    line: float | None = None,
    line_words: str = "",
    top: float | None = None,
    as_share: bool = True,
) -> Gauge:
    """The value, drawn on the shortest scale that holds all of them."""
    known = [number for number in (value, high, line) if number is not None]
    end = top or next((end for end in _TOPS if end >= max(known) * 1.1), 1.0)

    def at(number: float | None) -> float | None:
        return None if number is None else round(WIDTH * min(1.0, max(0.0, number / end)), 1)

    said = f"{_percent(value)} {words}" if as_share else f"{value:.2f} {words}"
    spread = "" if low is None or high is None or low == high else f" ({_percent(low)} to {_percent(high)})"
    return Gauge(
        words=said + spread,
        at=at(value) or 0.0,
        low=at(low),
        high=at(high),
        line=at(line),
        line_words=f"{line_words} {_percent(line) if as_share else f'{line:g}'}" if line is not None else "",
        top=f"{end * 100:g} %" if as_share else f"{end:g}",
    )


_MARKS = {Advised.PROMPT_ONLY: "warn", Advised.ADAPTER: "fine", Advised.NOT_YET: "block"}


def _advice(one: Recommendation) -> Advice:
    """Ways of asking are found by their `…_right`, so that a further way needs no word here."""
    numbers = _numbers(one.figures)
    asked = numbers.get("asked", 0.0)
    names = [name.removesuffix("_right") for name in one.figures if name.endswith("_right")] if asked else []
    ways = tuple(_way(name, one.figures, numbers) for name in names if f"{name}_right" in numbers)
    told = {f"{name}_{part}" for name in names for part in ("how", "right", "low", "high", "wrong_form", "p_gain")}
    facts = tuple((_named(name), shown(value)) for name, value in one.figures.items() if name not in told)
    return Advice(given=one, mark=_MARKS[one.advised], ways=ways, facts=facts)


def _way(name: str, figures: Mapping[str, Measure], numbers: Mapping[str, float]) -> Way:
    right, asked = numbers[f"{name}_right"], numbers["asked"]
    chance = numbers.get("chance")
    return Way(
        how=str(figures.get(f"{name}_how") or name),
        right=f"{right:,.0f} of {asked:,.0f}",
        wrong_form=shown(figures.get(f"{name}_wrong_form")),
        gauge=gauge(
            right / asked,
            "right",
            low=numbers.get(f"{name}_low"),
            high=numbers.get(f"{name}_high"),
            line=None if chance is None else chance / asked,
            line_words="chance",
            top=1.0,
        ),
    )


def _numbers(figures: Mapping[str, Measure]) -> dict[str, float]:
    """Those that can be drawn: finite ones."""
    known = {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}
    return {name: value for name, value in known.items() if abs(value) < float("inf")}


def shown(value: Measure) -> str:
    """A figure as a person reads it."""
    match value:
        case None:
            return "–"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
        case _:
            return str(value)


def _named(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ")


def _percent(number: float) -> str:
    """'9.3 %'; a whole one only where it is."""
    text = f"{number * 100:.2g}" if abs(number) < 0.1 else f"{number * 100:.1f}"
    return f"{text.removesuffix('.0')} %"


def in_first_place(findings: Sequence[Told]) -> Sequence[Told]:
    """What the head of a page names: what blocks, or else what warns, five at most."""
    blocking = [told for told in findings if told.finding.severity is Severity.BLOCK]
    return (blocking or [told for told in findings if told.finding.severity is Severity.WARN])[:5]
