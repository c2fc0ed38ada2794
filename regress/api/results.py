"""What the calls of the Python interface return: the shared records, with tables and notebook pages on top."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Self

from regress.api import frames
from regress.report import notebook
from regress.report.words import headline
from regress.run.exhibits import Grounds, gather
from regress.run.judge import Judgement
from regress.schema import Decision, SuiteComparison, SuiteVerdict
from regress.store.atomic import write_atomic
from regress.store.runs import StoredRun

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Judged(Decision):
    """A decision with the comparisons that it rests on. `promoted` is the answer; a notebook shows the plot."""

    comparisons: tuple[SuiteComparison, ...] = ()
    grounds: Grounds | None = field(default=None, compare=False)  # the runs, for the page

    @classmethod
    def of(cls, judgement: Judgement) -> Self:
        decision = judgement.decision
        return cls(
            **{one.name: getattr(decision, one.name) for one in fields(Decision)},
            comparisons=judgement.comparisons,
            grounds=judgement.grounds,
        )

    def to_frame(self) -> pd.DataFrame:
        """One row for each suite and variant; see `frames.VERDICT_COLUMNS`. Needs pandas, raises UsageError."""
        return frames.verdicts(self.suites)

    def flips_to_frame(self) -> pd.DataFrame:
        """One row for each item that was lost or gained, with both replies. Needs pandas, raises UsageError."""
        return frames.flips(self.comparisons)

    def write_html(self, path: str | PathLike[str]) -> Path:
        """The report of `regress report`: one page that needs nothing else; all or nothing. Returns its path."""
        from regress.report.html.page import render  # noqa: PLC0415 - with jinja2, which no other call needs

        adapter = Path(self.candidate.path) if self.candidate else Path()
        exhibits = None if self.grounds is None else gather(self.grounds, adapter)
        written = Path(path)
        write_atomic(written, render(self, self.comparisons, exhibits))
        return written

    def __repr__(self) -> str:
        return f"<{self.ruling.value}: {headline(self)}>"

    def _repr_html_(self) -> str:
        return notebook.decision(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Diff:
    """Two evaluations side by side: an interval and a verdict for each suite, which decide nothing."""

    suites: tuple[SuiteVerdict, ...]
    comparisons: tuple[SuiteComparison, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row for each suite; see `frames.VERDICT_COLUMNS`. Needs pandas, raises UsageError."""
        return frames.verdicts(self.suites)

    def flips_to_frame(self) -> pd.DataFrame:
        """One row for each item that was lost or gained, with both replies. Needs pandas, raises UsageError."""
        return frames.flips(self.comparisons)

    def __repr__(self) -> str:
        return f"<{notebook.difference_line(self.suites)}>"

    def _repr_html_(self) -> str:
        return notebook.difference(self.suites)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Run(StoredRun):
    """A sealed run, verified: `outcomes[suite][item]`, `manifest`, `seal`."""

    def to_frame(self) -> pd.DataFrame:
        """One row for each item; see `frames.OUTCOME_COLUMNS`. Needs pandas, raises UsageError."""
        return frames.outcomes(self.manifest.variant, self.outcomes)

    def __repr__(self) -> str:
        items = sum(map(len, self.outcomes.values()))
        return f"<run {self.manifest.variant}: {items:,} items of {len(self.outcomes)} suites, {self.folder}>"
