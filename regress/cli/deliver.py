"""Write a decision where a project keeps it, show it, and turn it into the exit code."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from regress.backends.model_files import is_checkpoint
from regress.cli import ci
from regress.cli.console import put_json, say
from regress.errors import Refused
from regress.report import comment, gitlab, junit, markdown, terminal, verdict_json
from regress.report.comment import COMMENT
from regress.report.html import PAGE
from regress.report.junit import JUNIT
from regress.report.markdown import SUMMARY
from regress.run.exhibits import gather
from regress.run.judge import Judgement
from regress.schema import Candidate, Check, Decision, Exit, Ruling, SuiteComparison
from regress.store.atomic import make_folder, write_atomic
from regress.suite.project import FILE_NAME

REPORTS = "reports"
VERDICT = "verdict.json"
INDEX = "index.md"
VERDICTS = "verdicts.json"
_OF_ALL = (VERDICTS, INDEX, gitlab.QUALITY, gitlab.VARIABLES)


@contextmanager
def not_promoted_until_decided(project: Path, adapter: Path) -> Iterator[None]:
    """Take yesterday's verdict away first; whatever is refused inside leaves a REFUSED verdict behind.

    Reading the project belongs inside: a regress.yaml that is refused must not leave an old PROMOTE behind either.
    """
    reports = project / REPORTS
    take_away(reports)
    ci.server()  # refuses a wrong choice before the work, not behind it
    try:
        yield
    except Refused as refusal:
        if (project / FILE_NAME).is_file():  # elsewhere there is no project to report in
            report = Report.of_refusal(adapter, refusal)
            told = ci.message(reports, {str(adapter): report.told})
            told.speak()
            write_reports(reports, report)
            told.send()
        raise


def take_away(reports: Path, folders: Iterable[str] = ()) -> None:
    """What `check` and `gate` left there, and in those folders of it."""
    with _one_at_a_time(reports):
        for name in _OF_ALL:
            (reports / name).unlink(missing_ok=True)
        for place in (reports, *(reports / folder for folder in folders)):
            for name in REPORTED:
                (place / name).unlink(missing_ok=True)


def refused(adapter: Path, reason: str, checks: Sequence[Check] = ()) -> Decision:
    """A decision that says only why there is none."""
    return Decision(
        ruling=Ruling.REFUSED,
        lock=None,
        candidate=Candidate(
            kind="model" if is_checkpoint(adapter) else "adapter", digest="", path=str(adapter), trained_under_lock=None
        ),
        suites=(),
        checks=tuple(checks),
        reasons=(reason,),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is written of one candidate; the runs that its page was made from are no longer held."""

    decision: Decision
    comparisons: Sequence[SuiteComparison]
    page: bytes

    @classmethod
    def of(cls, judgement: Judgement, adapter: Path) -> Report:
        """Render the page; a second or two for 10,000 items."""
        from regress.report.html.page import render  # with jinja2, which nothing needs before there is a decision

        exhibits = None if judgement.grounds is None else gather(judgement.grounds, adapter)
        page = render(judgement.decision, judgement.comparisons, exhibits)
        return cls(decision=judgement.decision, comparisons=judgement.comparisons, page=page)

    @classmethod
    def of_refusal(cls, adapter: Path, refusal: Refused) -> Report:
        """Only why there is no decision."""
        decision = refused(adapter, str(refusal))
        return cls.of(Judgement(decision=decision, comparisons=(), seals={}), adapter)

    @property
    def told(self) -> tuple[Decision, Sequence[SuiteComparison]]:
        """What texts for CI servers are made from."""
        return self.decision, self.comparisons


REPORTED: dict[str, Callable[[Report], bytes]] = {
    PAGE: lambda report: report.page,
    SUMMARY: lambda report: markdown.render(*report.told).encode(),
    COMMENT: lambda report: comment.render(*report.told).encode(),
    JUNIT: lambda report: junit.render(*report.told).encode(),
    VERDICT: lambda report: verdict_json.render(report.decision).encode(),  # last: what fails before leaves no verdict
}
"""What is written of every candidate, in this order, by file name."""


def write_reports(reports: Path, report: Report) -> None:
    """Every report, each all or nothing. An earlier verdict goes first and the new one comes last.

    So whatever fails between leaves none, and of two commands at once all files are of the one that wrote last.
    """
    rendered = {name: render(report) for name, render in REPORTED.items()}
    make_folder(reports)
    with _one_at_a_time(reports):
        (reports / VERDICT).unlink(missing_ok=True)
        for name, data in rendered.items():
            write_atomic(reports / name, data)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait for whoever is writing there; where the folder is missing, or its file system locks none, for nobody."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def deliver(reports: Path, judgement: Judgement, adapter: Path, *, as_json: bool) -> Exit:
    """Show, write, and return the exit code. The verdict is written last: whatever fails before leaves none."""
    decision = judgement.decision
    if as_json:
        put_json(verdict_json.as_object(decision))
    else:
        say()
        say(terminal.render(decision, judgement.comparisons))
        say()
        say(f"{reports / PAGE} · {reports / SUMMARY} · {reports / VERDICT}")
    report = Report.of(judgement, adapter)
    told = ci.message(reports, {reports.name: report.told})
    told.speak()
    write_reports(reports, report)
    told.send()
    return decision.ruling.exit_code
