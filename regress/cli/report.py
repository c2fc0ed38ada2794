"""`regress report ADAPTER`: render the decision again from stored runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regress.cli.console import say
from regress.cli.deliver import Report, write_reports
from regress.cli.options import HERE, AdapterArgument, ProjectOption
from regress.suite import read_project


def report(
    adapter: AdapterArgument,
    out: Annotated[Path | None, typer.Option(help="Folder to write to.", show_default="the project's reports/")] = None,
    project: ProjectOption = HERE,
) -> int:
    """Write the reports again from stored runs. Exit code 0 when they are written, whatever they say."""
    from regress.run.stored import judge_stored

    opened = read_project(project)
    result = judge_stored(opened, adapter)
    folder = out or opened.reports
    write_reports(folder, Report.of(result, adapter))
    say(f"{result.decision.ruling.value}: written to {folder}")
    return 0
