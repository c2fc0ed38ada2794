"""Write a decision where a project keeps it, show it, and turn it into the exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from regress.backends.model_files import is_checkpoint
from regress.cli import ci
from regress.cli.console import put_json, say
from regress.errors import Refused
from regress.report import comment, gitlab, junit, markdown, terminal, verdict_json
from regress.report.comment import COMMENT
from regress.report.junit import JUNIT
from regress.report.markdown import SUMMARY
from regress.schema import Candidate, Check, Decision, Exit, Ruling, SuiteComparison
from regress.store.atomic import make_folder, write_atomic
from regress.suite.project import FILE_NAME

REPORTS = "reports"
VERDICT = "verdict.json"
INDEX = "index.md"
VERDICTS = "verdicts.json"
Renderer = Callable[[Decision, Sequence[SuiteComparison]], str]

REPORTED: dict[str, Renderer] = {
    SUMMARY: markdown.render,
    COMMENT: comment.render,
    JUNIT: junit.render,
    VERDICT: lambda decision, _: verdict_json.render(decision),  # last: whatever fails before leaves no verdict
}
"""What is written of every candidate, in this order, by file name."""

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
            decision = refused(adapter, str(refusal))
            told = ci.message(reports, {str(adapter): (decision, ())})
            told.speak()
            write_reports(reports, decision, ())
            told.send()
        raise


def take_away(reports: Path, folders: Iterable[str] = ()) -> None:
    """What `check` and `gate` left there, and in those folders of it."""
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


def write_reports(reports: Path, decision: Decision, comparisons: Sequence[SuiteComparison]) -> None:
    """Every report, the verdict last, each all or nothing."""
    make_folder(reports)
    for name, render in REPORTED.items():
        write_atomic(reports / name, render(decision, comparisons).encode())


def deliver(reports: Path, decision: Decision, comparisons: Sequence[SuiteComparison], *, as_json: bool) -> Exit:
    """Show, write, and return the exit code. The verdict is written last: whatever fails before leaves none."""
    if as_json:
        put_json(verdict_json.as_object(decision))
    else:
        say()
        say(terminal.render(decision, comparisons))
        say()
        say(f"{reports / SUMMARY} · {reports / VERDICT}")
    told = ci.message(reports, {reports.name: (decision, comparisons)})
    told.speak()
    write_reports(reports, decision, comparisons)
    told.send()
    return decision.ruling.exit_code
