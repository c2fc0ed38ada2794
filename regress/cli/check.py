"""`regress check ADAPTER`: the main job."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from regress.cli.console import Bar
from regress.cli.deliver import deliver, not_promoted_until_decided
from regress.cli.options import HERE, AdapterArgument, JsonOption, ProjectOption, QuietOption, WorkersOption
from regress.errors import UsageError
from regress.suite import read_project


def check(
    adapter: AdapterArgument,
    stop_early: Annotated[
        bool,
        typer.Option(
            "--stop-early",
            help="Ask look by look in the locked order and stop a suite once its verdict is certain or out of reach. "
            "Saves most on bad candidates; error rates stay as promised.",
        ),
    ] = False,
    screen: Annotated[
        bool,
        typer.Option(
            "--screen",
            help="Ask a suite only until it is clear how all of its items would come out. Quick; promotes and "
            "rejects nobody, but counts as this candidate's attempt.",
        ),
    ] = False,
    workers: WorkersOption = None,
    project: ProjectOption = HERE,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Judge an adapter: preflight, run what is missing (base, adapter, merged), diff, gate, report.

    Safe to repeat: what is stored is not asked again. Exit code 0 PROMOTE, 3 REJECT, 4 INCONCLUSIVE, 5 REFUSED.
    """
    if stop_early and screen:
        raise UsageError("--stop-early decides and --screen does not: choose one.")
    progress = Bar(quiet=quiet)
    with not_promoted_until_decided(project, adapter):
        opened = read_project(project)
        from regress.run.check import Mode, open_bench
        from regress.run.check import check as judge_adapter
        from regress.run.engines import load_engine

        mode = Mode.LOOKS if stop_early else Mode.SCREEN if screen else Mode.ALL
        engine_for = partial(load_engine, workers=workers or opened.file.engine.workers)
        try:
            bench = open_bench(opened)
            result = judge_adapter(bench, adapter, engine_for=engine_for, progress=progress, mode=mode)
        finally:
            progress.close()
        return deliver(opened.reports, result.decision, result.comparisons, as_json=json)
