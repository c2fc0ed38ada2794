"""What commands do about suites that are lm-eval tasks: freeze what is missing, remember whose code is trusted.

lm-eval is imported only where a project has such a suite.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regress.cli.console import Bar, say
from regress.run.task_scorers import TRUSTED_FILE, trusted_code
from regress.store.atomic import make_folder, write_atomic
from regress.suite import Project, read_suite_file
from regress.suite.frozen import SCORER, frozen_paths

if TYPE_CHECKING:
    from regress.schema import Suite

TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust-task-code", help="Let lm-eval tasks run the Python code that they name. Without it: a refusal."
    ),
]


def freeze_missing(project: Project, *, trust: bool) -> None:
    """Freeze every lm-eval suite of the project that has no items yet; raises SuiteError."""
    for path in project.suite_paths():
        file, _ = read_suite_file(path)
        if file.lm_eval is not None and not all(each.exists() for each in frozen_paths(path, file.name)):
            freeze(path, project.folder, trust=trust)


def freeze(path: Path, project: Path, *, trust: bool) -> None:
    """Freeze one suite and say what came of it."""
    from regress.lmeval.freeze import freeze as write_frozen

    bar = Bar()
    bar.say(f"freezing {path.stem}: lm-eval's tasks are read first")
    bar.start(f"freezing {path.stem}", 1, 0)
    try:
        done = write_frozen(path, project, trust=trust, tell=bar.expect)
    finally:
        bar.close()
    tasks = f"{done.tasks} tasks, " if done.tasks > 1 else ""
    say(f"froze {done.suite}: {tasks}{done.items:,} items, scored by {done.metric}. Commit the two files.")
    for note in done.notes:
        say(f"  {note}.")


def remember_trust(project: Project, suites: Iterable[Suite], *, trust: bool) -> None:
    """Keep, on this machine only, that the code behind these suites' scores was trusted: by its digest."""
    if not trust or not (asked := [suite for suite in suites if suite.scorer.name == SCORER]):
        return
    from regress.lmeval.scoring import scoring_code

    found = [code for suite in asked if (code := scoring_code(suite)) is not None]
    known = trusted_code(project)
    if new := {code.digest: list(code.clauses) for code in found if code.digest not in known}:
        make_folder(project.runs)
        write_atomic(project.runs / TRUSTED_FILE, json.dumps(known | new, indent=1).encode() + b"\n")
