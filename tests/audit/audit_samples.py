"""Data files and projects to audit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regress.audit.auditing import Order, audit
from regress.audit.checks import CHECKS
from regress.audit.protocol import Context
from regress.rows.opening import open_source
from regress.schema import Audit, Finding, Suite
from regress.suite.audit_section import AuditSection

NOW = datetime(2026, 11, 27, 4, 5, 6, tzinfo=UTC)


class Spoken:
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.read = (0, 0)

    def during(self, text: str) -> AbstractContextManager[None]:
        self.lines.append(text)
        return nullcontext()

    def start(self, what: str, total: int, done: int) -> None:
        self.lines.append(what)

    def expect(self, done: int, total: int) -> None:
        self.read = done, total

    def finish(self, unit: str = "items") -> None:
        self.lines.append(unit)


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def audited(
    data: Path,
    *,
    checks: Sequence[str] = tuple(CHECKS),
    suites: tuple[Suite, ...] = (),
    section: AuditSection | None = None,
    workers: int = 1,
    **context: Any,
) -> Audit:
    """The audit of a file, in this process unless more workers are asked for."""
    return audit(
        Order(
            source=open_source(str(data)),
            context=Context(suites=suites, **context),
            policy=section or AuditSection(),
            lock=None,
            workers=workers,
            checks=checks,
        ),
        Spoken(),
        NOW,
    )


def rules(result: Audit) -> dict[str, Finding]:
    """Findings by rule, with the suite behind it where there is one."""
    return {f"{f.rule}:{f.suite}" if f.suite else f.rule: f for f in result.findings}
