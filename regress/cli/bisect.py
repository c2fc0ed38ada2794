"""`regress bisect CHECKPOINTS...`: the first checkpoint of a training that breaks a suite."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from regress.cli.console import Bar, put_json, say
from regress.cli.options import HERE, JsonOption, ProjectOption, QuietOption, WorkersOption
from regress.report import bisect as page
from regress.run.task_scorers import ready_to_score
from regress.schema import Exit
from regress.suite import read_project


def bisect(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(
            help="Checkpoint folders, each with its adapter, or the training's output folder that holds checkpoint-*.",
            metavar="CHECKPOINTS...",
        ),
    ],
    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", help="Only this protected suite; may be repeated. Fewer suites need fewer items."),
    ] = None,
    workers: WorkersOption = None,
    project: ProjectOption = HERE,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Find the first checkpoint that breaks a protected suite, and the one before that does not.

    Asks few of them, each only as far as it takes, and controls the error of everything that it says together. It
    diagnoses and promotes nothing, so no attempt is charged. Exit code 0 where every suite is settled, 4 where one is
    not decidable with these items, 5 REFUSED.
    """
    from regress.rescue.checkpoints import read_row

    row = read_row(checkpoints)
    opened = read_project(project)
    from regress.rescue.bisecting import bisect as bisected
    from regress.run.bench import Job, open_bench
    from regress.run.engines import load_engine

    bench = ready_to_score(open_bench(opened))
    engine_for = partial(load_engine, workers=workers or bench.loaded.project.file.engine.workers)
    progress = Bar(quiet=quiet)
    try:
        found = bisected(Job(bench=bench, engine_for=engine_for, progress=progress), row, suite or ())
    finally:
        progress.close()
    if json:
        put_json(page.as_json(found))
    else:
        say()
        say(page.terminal(found))
    return 0 if all(breakage.is_settled for breakage in found.suites) else Exit.INCONCLUSIVE
