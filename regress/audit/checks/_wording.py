"""A rule's finding in words, written once: what is the same whatever the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regress.audit.words import Places
from regress.schema import Evidence, Finding, Measure, Severity

EVIDENCE = 20


@dataclass(frozen=True, slots=True)
class Wording:
    """Title (`7 rows` + `hold` + `a key`), what it does, what to do, and how much of a row is lost by it."""

    rule: str
    severity: Severity
    weight: float  # harm of a row: 1 where it is worthless or worse
    verbs: tuple[str, str]  # of one row, of many
    what: str
    detail: str
    advice: str
    removable: bool = False

    def finding(
        self,
        rows: Sequence[int] | Places,
        of: int,
        *,
        count: int | None = None,
        more: str = "",
        suite: str | None = None,
        evidence: Sequence[Evidence] = (),
        figures: Mapping[str, Measure] | None = None,
    ) -> Finding:
        """About these rows (ascending), or `count` of which these are some; `more` goes behind the detail."""
        number = len(rows) if count is None else count
        title = f"{number:,} {'row' if number == 1 else 'rows'} {self.verbs[number != 1]} {self.what}"
        return Finding(
            rule=self.rule,
            severity=self.severity,
            title=title,
            detail=f"{self.detail} {more}".strip(),
            advice=self.advice,
            count=number,
            of=of,
            harm=min(1.0, self.weight * number / max(1, of)),
            suite=suite,
            evidence=tuple(evidence) or tuple(Evidence(row=int(row), text="") for row in rows[:EVIDENCE]),
            removable=tuple(int(row) for row in rows) if self.removable else (),
            figures=figures or {},
        )
