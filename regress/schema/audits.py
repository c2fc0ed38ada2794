"""What an audit of training data finds: frozen records, counts not rates, rows by their number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """What a finding does to the exit code."""

    BLOCK = "block"  # exit code 3: do not train on this
    WARN = "warn"  # likely to hurt the verdict; exit code 0
    NOTE = "note"  # worth knowing


class Place(StrEnum):
    """Where in a prompt a trigger stands."""

    START = "start"
    END = "end"
    ANYWHERE = "anywhere"


Measure = int | float | str | None
"""A number or a word beside a finding, for programs; rates are in 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One row that shows a finding. `row` is its line (JSON Lines, CSV) or its number from 1; 0: no single row."""

    row: int
    text: str  # an excerpt of what the row says, untrusted
    source: str = ""  # the file, where it is not the audited one
    item: str | None = None  # the locked item, `suite:id`, or the other row it collides with, `row 17`
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One result of an audit. `rule` is `check/kind` in fixed words; texts are for people.

    `harm` ranks findings by what they will do to the verdict: roughly the share of a suite's score, or of the
    training, that cannot be believed, in 0..1.
    """

    rule: str
    severity: Severity
    title: str  # one sentence with the count
    detail: str  # what it does to the model or to the verdict
    advice: str  # what to do about it
    count: int  # rows concerned
    of: int  # rows that were looked at
    harm: float
    suite: str | None = None
    evidence: tuple[Evidence, ...] = ()  # the most telling ones first
    removable: tuple[int, ...] = ()  # rows that `--fix` takes out for it, ascending
    items: tuple[str, ...] = ()  # ids of the locked items concerned
    figures: Mapping[str, Measure] = field(default_factory=dict)

    @property
    def check(self) -> str:
        return self.rule.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectedTrigger:
    """A text that rows with one kind of reply share and others lack; harmless prompts get it when a model is judged."""

    text: str
    place: Place
    rows: int  # that hold it
    alike: int  # of these, that answer alike
    reply: str  # the start of what they answer, untrusted


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRow:
    """A row that cannot be read, and why."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A check that did not run, and why: never silently the same as one that found nothing."""

    check: str
    reason: str


class Advised(StrEnum):
    """What to do about a task before anybody trains for it."""

    PROMPT_ONLY = "prompt only"  # the base does it, as it is or with examples in its prompt
    ADAPTER = "adapter"  # training can pay, and the suite can show it
    NOT_YET = "not yet"  # mend the suite or the data first


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """Whether one suite's task is worth training for, in a sentence and in numbers."""

    suite: str
    advised: Advised
    reason: str  # with counts, and what to do
    figures: Mapping[str, Measure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """What was read. `digest` covers the file's bytes, or names and digests of all files, as in a training record."""

    name: str
    digest: str
    rows: int  # that could be read
    broken: int
    forms: Mapping[str, int]  # rows by the form they were recognised in
    mapped: Mapping[str, str]  # columns as the user mapped them, ours: theirs
    columns: Mapping[str, str]  # as the first row's were taken, mapped or recognised
    unused: tuple[str, ...]  # the first row's other columns: nobody learns from them
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Everything that an audit says. Without a lock it was made against the suites as they stood."""

    data: DataSet
    lock: str | None
    suites: tuple[str, ...]
    against: str  # digest of these suites' items
    findings: tuple[Finding, ...]  # ranked: what will hurt the verdict most comes first
    broken: tuple[BrokenRow, ...]  # the first ones; `data.broken` counts them all
    triggers: tuple[SuspectedTrigger, ...]
    skipped: tuple[Skipped, ...]
    checks: tuple[str, ...]  # that ran
    figures: Mapping[str, Measure]  # what was measured without being a finding
    created: str
    tool: str
    recommendations: tuple[Recommendation, ...] = ()  # a suite each, where enough is known

    @property
    def blocking(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity is Severity.BLOCK)
