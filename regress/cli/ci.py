"""Tell the CI server that runs us, where there is one, what was decided.

GitHub Actions and GitLab say of themselves who they are, so there is nothing to switch on. REGRESS_CI=github or gitlab
is for servers that speak the same language under another name, REGRESS_CI=none keeps quiet.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from regress.cli.console import say
from regress.errors import Refused, UsageError
from regress.report import github, gitlab
from regress.report.comment import COMMENT, Judged
from regress.report.junit import JUNIT
from regress.report.markdown import SUMMARY
from regress.schema import Attempt, Exit, Ruling
from regress.store.atomic import write_atomic
from regress.suite import read_project
from regress.suite.project import FILE_NAME

CHOICE = "REGRESS_CI"


class Server(StrEnum):
    """Whose language is spoken."""

    GITHUB = "github"
    GITLAB = "gitlab"
    NONE = "none"


def server() -> Server:
    """The one that runs us; raises UsageError where REGRESS_CI names none that we know."""
    chosen = os.environ.get(CHOICE, "")
    if chosen and chosen not in list(Server):
        raise UsageError(f"{CHOICE}={chosen!r} is none of {', '.join(Server)}.")
    if chosen:
        return Server(chosen)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        return Server.GITHUB
    return Server.GITLAB if os.environ.get("GITLAB_CI") == "true" else Server.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Everything that a server is told, rendered but not yet sent."""

    log: tuple[str, ...] = ()
    appended: dict[str, str] = field(default_factory=dict)  # by the environment variable that names the file
    written: dict[Path, str] = field(default_factory=dict)

    def speak(self) -> None:
        """To the log, before the verdict is written: nothing that fails here may leave one behind."""
        for line in self.log:
            sys.stderr.write(line + "\n")  # not through rich, which folds lines
        sys.stderr.flush()

    def send(self) -> None:
        """To the server's files and to ours, once the verdict is written. A file that cannot be is named, no more."""
        for variable, text in self.appended.items():
            if path := os.environ.get(variable):
                with _said(variable), Path(path).open("a", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(text)
        for report, text in self.written.items():
            with _said(str(report)):
                write_atomic(report, text.encode("utf-8", "backslashreplace"))


@contextmanager
def _said(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as reason:
        say(f"· {name} was not written: {reason}")


def message(reports: Path, judged: Judged, upcoming: Attempt | None = None) -> Message:
    """What the server is told of candidates whose reports are in the project's folder `reports`."""
    where = server()
    decisions = [decision for decision, _ in judged.values()]
    if where is Server.NONE or not decisions:
        return Message()
    ruling = _worst([decision.ruling for decision in decisions])
    if where is Server.GITHUB:
        files, _ = _files(reports.parent, "GITHUB_WORKSPACE")
        names = (COMMENT,) if len(decisions) > 1 else (SUMMARY, COMMENT, JUNIT)
        return Message(
            log=tuple(github.annotated(decisions, files)),
            appended={
                "GITHUB_STEP_SUMMARY": github.step_summary(judged, upcoming),
                "GITHUB_OUTPUT": github.outputs(ruling, reports, names),
            },
        )
    files, settings = _files(reports.parent, "CI_PROJECT_DIR")
    return Message(
        written={
            reports / gitlab.QUALITY: gitlab.code_quality(decisions, files, settings),
            reports / gitlab.VARIABLES: gitlab.variables(ruling),
        }
    )


def complain(reasons: list[str]) -> None:
    """Annotate what was refused before anything was judged."""
    if server() is Server.GITHUB:
        found = [github.command(github.Level.ERROR, "REFUSED", reason) for reason in reasons[: github.SHOWN]]
        Message(log=tuple(found)).speak()


def _worst(rulings: list[Ruling]) -> Ruling:
    worst = Exit.worst(ruling.exit_code for ruling in rulings)
    return next(ruling for ruling in rulings if ruling.exit_code is worst)


def _files(project: Path, variable: str) -> tuple[dict[str, str], str]:
    """The suites' files by name and regress.yaml, as the repository calls them: a suite's file has the suite's name."""
    root = Path(os.environ.get(variable) or ".").resolve()
    try:
        paths = read_project(project).suite_paths()
    except Refused:  # which is what is being told
        paths = []
    found = {path.stem: _relative(path, root) for path in paths}
    return found, _relative(project / FILE_NAME, root)


def _relative(path: Path, root: Path) -> str:
    resolved = path.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else path.name
