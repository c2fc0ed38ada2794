"""`regress rescue ADAPTER`: what can be saved of a rejected adapter without training it again."""

from __future__ import annotations

import json as json_text
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from regress.backends.adapter_files import refuse_unexpected
from regress.cli.console import Bar, put_json, say
from regress.cli.deliver import REPORTS
from regress.cli.options import HERE, AdapterArgument, JsonOption, ProjectOption, QuietOption, WorkersOption
from regress.errors import AdapterError, UsageError
from regress.report import rescue as page
from regress.report.trade_off import draw
from regress.run.task_scorers import ready_to_score
from regress.schema import Rescue, Ruling
from regress.store.atomic import make_folder, write_atomic
from regress.suite import read_project

SUMMARY, DRAWING, OBJECT = "rescue.md", "rescue.svg", "rescue.json"


def rescue(
    adapter: AdapterArgument,
    out: Annotated[
        Path | None,
        typer.Option(help="Where the weakened adapter is written.", show_default="runs/rescued/NAME of the project"),
    ] = None,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm/--no-confirm",
            help="Ask the half that had no part in choosing, once: it counts as an attempt. Without it nothing is "
            "charged, and nothing is confirmed.",
        ),
    ] = True,
    workers: WorkersOption = None,
    project: ProjectOption = HERE,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Find the strongest copy of a rejected adapter that keeps what is protected and still reaches the target.

    The adapter's update is weakened, as a whole or without one group of its layers, on one half of every suite; the
    proposal is judged once on the other half and written as an ordinary PEFT folder. The adapter must have been checked
    before. Exit code 0 where the other half says PROMOTE, 3 where no strength will do or that half rejects it,
    4 where the proposal stays unconfirmed, 5 REFUSED.
    """
    reports = project / REPORTS
    for name in (SUMMARY, DRAWING, OBJECT):
        (reports / name).unlink(missing_ok=True)
    refuse_unexpected(adapter)
    opened = read_project(project)
    from regress.run.stored import judge_stored

    judged = judge_stored(opened, adapter).decision
    if judged.ruling is Ruling.REFUSED:
        raise AdapterError(
            f"nothing is concluded of {adapter} itself, so nothing of it is rescued: {judged.reasons[0]}."
        )
    if judged.ruling is Ruling.PROMOTE:
        raise UsageError(f"{adapter} may be promoted as it is: there is nothing to rescue.")
    from regress.rescue.rescuing import rescue as rescued
    from regress.run.bench import Job, open_bench
    from regress.run.engines import load_engine

    bench = ready_to_score(open_bench(opened))
    engine_for = partial(load_engine, workers=workers or bench.loaded.project.file.engine.workers)
    progress = Bar(quiet=quiet)
    target = out or opened.runs / "rescued" / adapter.resolve().name
    try:
        found = rescued(Job(bench=bench, engine_for=engine_for, progress=progress), adapter, target, confirm=confirm)
    finally:
        progress.close()
    return _deliver(reports, found, as_json=json)


def _deliver(reports: Path, found: Rescue, *, as_json: bool) -> int:
    """Show, write, return the exit code; the object comes last."""
    if as_json:
        put_json(page.as_json(found))
    else:
        say()
        say(page.terminal(found))
        say()
        say(f"{reports / SUMMARY} · {reports / OBJECT}")
    make_folder(reports)
    write_atomic(reports / DRAWING, draw(found).encode())
    write_atomic(reports / SUMMARY, page.markdown(found, DRAWING).encode())
    text = json_text.dumps(page.as_json(found), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(reports / OBJECT, text.encode() + b"\n")
    return found.ruling.exit_code
