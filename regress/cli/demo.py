"""`regress demo`: the whole story on a tiny model, offline, on a CPU."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.rule import Rule
from rich.text import Text

from regress.cli.check import check
from regress.cli.console import Bar, console, say
from regress.cli.deliver import REPORTED
from regress.cli.lock import lock
from regress.demo.project import scaffold
from regress.schema import Exit
from regress.suite import read_project
from regress.suite.project import FILE_NAME

STORY = (
    ("careless", "support tickets only, at a high rate", Exit.REJECT),
    ("careful", "the same tickets among what it knew before", Exit.PROMOTE),
)


def demo(
    folder: Annotated[
        Path, typer.Argument(help="Project folder; made if it is not there.", show_default="regress-demo")
    ] = Path("regress-demo"),
) -> int:
    """Lock six suites, train two QLoRA adapters for a support desk, and judge both.

    One learns its task and forgets everything else: REJECT. The other keeps what there was: PROMOTE. About three
    minutes on two cores; nothing is downloaded. Exit code 0 when both verdicts come out as told.
    """
    started = time.monotonic()
    if not (folder / FILE_NAME).is_file():
        scaffold(folder)
    opened = read_project(folder)
    _chapter("1  Lock, before anything is trained")
    lock(project=folder)
    outcomes = {}
    for number, (name, how, _) in enumerate(STORY, start=2):
        _chapter(f"{number}  The {name} adapter: {how}")
        adapter = opened.runs / "adapters" / name
        _train(opened.folder, opened.baselines, adapter, name)
        say(f"\n$ regress check {adapter}")
        outcomes[name] = check([adapter], project=folder)
        _keep_reports(opened.reports, name)
    return _end(opened.reports, outcomes, time.monotonic() - started)


def _train(folder: Path, baselines: Path, adapter: Path, name: str) -> None:
    from regress.demo.adapters import RECIPES, train_adapter
    from regress.hashing.models import locate_model
    from regress.lock.lockfile import read_lock, write_training_record

    opened = read_project(folder)
    if (adapter / "adapter_model.safetensors").is_file():
        say(f"{adapter} is trained already; delete it to train again.")
        return
    base = locate_model(opened.file.base.model, opened.file.base.revision, opened.folder)
    progress, began = Bar(), datetime.now(UTC)
    recipe = RECIPES[name]
    shown = 0

    def on_step(step: int, total: int, loss: float) -> None:
        nonlocal shown
        if shown == 0:
            progress.start(f"training {name}", total, 0)
        progress.advance(step - shown, f"loss {loss:.2f}")
        shown = step

    try:
        data = train_adapter(base, adapter, recipe, on_step)
        progress.finish(unit="steps")
    finally:
        progress.close()
    write_training_record(read_lock(baselines), adapter, data=data, started=began)


def _keep_reports(reports: Path, name: str) -> None:
    """`check` writes over the last verdict; the story keeps both."""
    for file in REPORTED:
        (reports / file).replace(reports / f"{name}-{file}")


def _end(reports: Path, outcomes: dict[str, int], seconds: float) -> int:
    _chapter("What happened")
    as_told = True
    for name, _, told in STORY:
        got = Exit(outcomes[name])
        as_told &= got is told
        say(
            Text.assemble(
                (f"{name:<9}", "bold"), f" {got.name:<13} exit code {int(got)}   {reports / f'{name}-report.html'}"
            )
        )
    say(f"\n{seconds:.0f} seconds.")
    if as_told:
        say("Both adapters learned the support desk; only one of them may replace the base.")
    else:
        say("The story did not end as told: see the two reports.")
    return Exit.PROMOTE if as_told else Exit.BUG


def _chapter(title: str) -> None:
    say()
    console().print(Rule(Text(title, style="bold"), align="left"))
