"""`regress train`: the trainer stage, then `check`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from regress.cli.check import check
from regress.cli.console import Bar, put_json, say
from regress.cli.deliver import not_promoted_until_decided
from regress.cli.options import HERE, JsonOption, ProjectOption, QuietOption
from regress.errors import Refused, TrainingError
from regress.run.task_scorers import ready_to_score
from regress.suite import read_project

if TYPE_CHECKING:
    from regress.train.stage import Plan


def train(
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Only train: judge later, with `regress check`.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Begin anew: take away the adapter, or the interrupted training, that is there."),
    ] = False,
    project: ProjectOption = HERE,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Train an adapter as `train:` in regress.yaml says, under the lock, then judge it as `check` does.

    Refuses to begin without a valid lock. Interrupted trainings go on from their last checkpoint, as long as lock, data
    and recipe are the same; a finished one is not trained again. Exit code of the gate: 0 PROMOTE, 3 REJECT,
    4 INCONCLUSIVE, 5 REFUSED; with --no-check 0 once the adapter is there.
    """
    with _no_verdict_yet(project, judged=not no_check):
        record, adapter = _train(project, again=again, quiet=quiet)
    if adapter.is_relative_to(Path.cwd()):  # as one would type it, in reports too
        adapter = adapter.relative_to(Path.cwd())
    if no_check:
        say(f"{adapter}: trained under {record['lock'][:19]}…, {record['steps']:,} steps.")
        if json:
            put_json(record)
        return 0
    say(f"\n$ regress check {adapter}")
    return check([adapter], project=project, json=json, quiet=quiet)


@contextmanager
def _no_verdict_yet(project: Path, *, judged: bool) -> Iterator[None]:
    """Where a verdict will follow, the last one is taken away first, and a refusal leaves a REFUSED one."""
    if not judged:
        yield
        return
    try:
        output = project / read_project(project).file.train.output
    except Refused:  # said again, and reported, inside
        output = project
    with not_promoted_until_decided(project, output):
        yield


def _train(project: Path, *, again: bool, quiet: bool) -> tuple[dict[str, Any], Path]:
    """The training record and the adapter's folder, trained now or before."""
    opened = read_project(project)
    from regress.run.bench import open_bench
    from regress.train import folders, stage

    plan = stage.plan(ready_to_score(open_bench(opened)))
    if importlib.util.find_spec("trl") is None:
        raise TrainingError("regress train needs TRL. Install it: pip install 'regress-harness[train]'.")
    for note in plan.notes:
        say(f"· {note}")
    with folders.held(plan.place):
        if again:
            folders.clear(plan.place)
        found = folders.find(plan.place, plan.promised)
        if found.finished is not None:
            say(f"{plan.place.output} is trained already, with this lock, data and recipe; --again trains it anew.")
            return dict(found.finished), plan.place.output
        return _carry_out(plan, found.checkpoint, stage.begin(plan, found, datetime.now(UTC)), quiet=quiet)


def _carry_out(
    plan: Plan, checkpoint: Path | None, started: dict[str, Any], *, quiet: bool
) -> tuple[dict[str, Any], Path]:
    from regress.train import stage
    from regress.train.fit import fit, free_memory

    progress = Bar(quiet=quiet)
    try:
        if changed := stage.other_tools(started):
            progress.say(changed)
        result = fit(plan, progress, checkpoint).as_record()
    finally:
        progress.close()
    free_memory()
    return stage.finish(plan, started, result, datetime.now(UTC)), plan.place.output
