"""An audit in order: read and look at every row, let the checks conclude, rank what they found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from regress import __version__
from regress.audit.again import Second
from regress.audit.checks import CHECKS
from regress.audit.checks.personal_data import hide
from regress.audit.passing import AllLooks, look_through
from regress.audit.protocol import Again, Check, Context, Found
from regress.errors import DataError
from regress.lock.audited import items_digest
from regress.rows.row import Broken, Row
from regress.rows.source import Source, columns_of
from regress.schema import Audit, BrokenRow, DataSet, Evidence, Finding, Severity, Skipped
from regress.suite.audit_section import AuditSection

MAX_BROKEN_LISTED = 1_000
MAX_EVIDENCE = 20
EXCERPT = 240
MAX_EXCERPTED = 4_000  # characters that are looked at for it
ORDER = {Severity.BLOCK: 0, Severity.WARN: 1, Severity.NOTE: 2}


class Progress(Protocol):
    """What an audit tells the outside."""

    def during(self, text: str) -> AbstractContextManager[None]:
        """What happens inside, in a few words."""

    def start(self, what: str, total: int, done: int) -> None:
        """Rows begin to be read."""

    def expect(self, done: int, total: int) -> None:
        """So many are read, of so many that there seem to be."""

    def finish(self, unit: str = ...) -> None:
        """All are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is audited, against what, and how."""

    source: Source
    context: Context
    policy: AuditSection
    lock: str | None  # digest
    workers: int | None = None
    checks: Sequence[str] = tuple(CHECKS)


def audit(order: Order, progress: Progress, now: datetime) -> Audit:
    """Everything that the checks have to say of the data.

    Raises DataError where the data cannot be read at all, holds no row, or changes meanwhile.
    """
    digest = order.source.digest()
    made = {name: CHECKS[name](order.context) for name in order.checks}
    read = _read(order, list(made.values()), progress)
    if not len(read.numbers):
        first = f" Row {read.broken[0].number} {read.broken[0].reason}." if read.broken else ""
        raise DataError(f"{order.source.name} holds no row that can be read.{first}")
    again = Second(
        source=order.source,
        mapped=order.context.mapped,
        numbers=read.numbers,
        seed=order.context.seed,
        workers=order.workers,
    )
    found = [_conclude(name, check, again, progress) for name, check in made.items()]
    if order.source.digest() != digest:
        raise DataError(f"{order.source.name} changed while it was read. Leave it alone, and audit again.")
    findings = _ruled([*_broken_rows(read), *(one for f in found for one in f.findings)], order.policy)
    return Audit(
        data=_data_set(order, digest, read),
        lock=order.lock,
        suites=tuple(suite.name for suite in order.context.suites),
        against=items_digest(order.context.suites),
        findings=_with_excerpts(findings, again),
        broken=tuple(BrokenRow(row=one.number, reason=one.reason) for one in read.broken),
        triggers=tuple(trigger for f in found for trigger in f.triggers),
        skipped=tuple(skip for f in found for skip in f.skipped),
        checks=tuple(made),
        figures={name: value for f in found for name, value in f.figures.items()},
        created=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        tool=f"regress-harness {__version__}",
        recommendations=tuple(one for f in found for one in f.recommendations),
    )


@dataclass(slots=True, kw_only=True)
class _Read:
    """What is known when every row was looked at once."""

    numbers: np.ndarray[tuple[int], np.dtype[np.int64]]
    forms: Counter[str]
    broken: list[Broken]
    broken_count: int


def _read(order: Order, checks: Sequence[Check], progress: Progress) -> _Read:
    read = _Read(numbers=np.empty(0, np.int64), forms=Counter(), broken=[], broken_count=0)
    numbers: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
    progress.start("reading", 0, 0)
    count = 0
    for looked in look_through(order.source, order.context.mapped, AllLooks(checks), workers=order.workers):
        numbers.append(looked.numbers)
        read.forms += looked.forms
        read.broken += looked.broken[: MAX_BROKEN_LISTED - len(read.broken)]
        read.broken_count += len(looked.broken)
        for check, seen in zip(checks, looked.seen, strict=True):
            check.add(seen)
        count += len(looked.numbers) + len(looked.broken)
        progress.expect(count, round(count / looked.done) if looked.done > 0 else count)
    progress.finish("rows")
    if numbers:
        read.numbers = np.concatenate(numbers)
    return read


def _data_set(order: Order, digest: str, read: _Read) -> DataSet:
    mapped = order.context.mapped
    columns, unused = columns_of(next(order.source.blocks()), mapped)
    return DataSet(
        name=order.source.name,
        digest=digest,
        rows=len(read.numbers),
        broken=read.broken_count,
        forms=dict(read.forms.most_common()),
        mapped=dict(mapped),
        columns=dict(columns),
        unused=unused,
        bytes=order.source.size,
    )


def _conclude(name: str, check: Check, again: Again, progress: Progress) -> Found:
    """A check's findings; a missing library is a reason to skip it, anything else is not."""
    try:
        with progress.during(f"concluding: {name}"):
            return check.finish(again)
    except ModuleNotFoundError as reason:
        mend = f"needs {reason.name}: pip install 'regress-harness[audit]'"
        return Found(skipped=(Skipped(check=name, reason=mend),))


def _broken_rows(read: _Read) -> list[Finding]:
    if not read.broken_count:
        return []
    return [
        Finding(
            rule="rows/broken",
            severity=Severity.BLOCK,
            title=f"{read.broken_count:,} row{'' if read.broken_count == 1 else 's'} cannot be read",
            detail="A trainer stops at them or, worse, leaves them out; nothing else was checked in them.",
            advice="Mend the lines listed, or take them out with --fix.",
            count=read.broken_count,
            of=len(read.numbers) + read.broken_count,
            harm=read.broken_count / (len(read.numbers) + read.broken_count),
            evidence=tuple(Evidence(row=one.number, text=one.reason) for one in read.broken[:MAX_EVIDENCE]),
            removable=tuple(one.number for one in read.broken),
        )
    ]


def _ruled(findings: Sequence[Finding], policy: AuditSection) -> list[Finding]:
    """Severities as the policy has them, ranked: severity, then harm, then name."""
    ruled = [
        replace(finding, severity=severity)
        for finding in findings
        if (severity := policy.severity_of(finding.rule, finding.severity)) is not None
    ]
    return sorted(ruled, key=lambda f: (ORDER[f.severity], -f.harm, f.rule, f.suite or ""))


def _with_excerpts(findings: Sequence[Finding], again: Again) -> tuple[Finding, ...]:
    """Evidence that names only its row gets an excerpt of it: one more read for all findings together.

    Secrets are masked in all of it: reports travel further than data.
    """
    findings = [replace(finding, evidence=finding.evidence[:MAX_EVIDENCE]) for finding in findings]
    wanted = {one.row for finding in findings for one in finding.evidence if not one.text and not one.source}
    rows = again.rows(wanted)
    return tuple(
        replace(finding, evidence=tuple(_filled(one, rows) for one in finding.evidence)) for finding in findings
    )


def _filled(evidence: Evidence, rows: dict[int, Row]) -> Evidence:
    if evidence.text or evidence.row not in rows:
        return replace(evidence, text=hide(evidence.text))
    return replace(evidence, text=excerpt(rows[evidence.row]))


def excerpt(row: Row) -> str:
    """The start of what a row asks and teaches, in one line, untrusted, secrets masked."""
    prompt, reply = (hide(" ".join(text[:MAX_EXCERPTED].split())) for text in (row.prompt, row.reply))
    half = EXCERPT // 2
    return f"{_cut(prompt, half)} → {_cut(reply, half)}" if prompt else _cut(reply, EXCERPT)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
