"""`regress audit DATA`: what the training data will do to a model, before it does."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from regress.audit.auditing import audit as carry_out
from regress.audit.preparing import Request, parse_columns, prepare
from regress.cli.console import Bar, put_json, say
from regress.cli.options import HERE, JsonOption, ProjectOption, QuietOption
from regress.report import audit_json, audit_terminal
from regress.run.prompted import BaseAnswers
from regress.schema import Exit
from regress.suite import read_project

AUDIT = "audit.json"


def audit(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Training data: a .jsonl, .json, .csv or .parquet file, a folder of them, a saved data set, or a "
            "hub id, org/name.",
        ),
    ],
    split: Annotated[str | None, typer.Option(help="Which split, where there are several.", metavar="NAME")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="KEY=COLUMN",
            help="Where a key stands: --map prompt=question --map completion=best. Keys: prompt, completion, chosen, "
            "rejected, instruction, input, output, messages, text, label.",
            show_default="recognised",
        ),
    ] = None,
    validation: Annotated[
        str | None, typer.Option(help="The split that training is watched on, to be held against DATA.", metavar="DATA")
    ] = None,
    production: Annotated[
        str | None, typer.Option(help="A sample of what users really ask, to be held against DATA.", metavar="DATA")
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option(help="Write a copy without duplicates, leaked and broken rows here, and the list of changes."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="Run this check only; may be repeated.")
    ] = None,
    ask_base: Annotated[
        bool,
        typer.Option(
            "--ask-base",
            help="Ask the base what is not stored: the items of the target and domain suites as they are and behind "
            "examples from DATA. Needs a lock, and time.",
        ),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes that read.", show_default="cores")
    ] = None,
    project: ProjectOption = HERE,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Audit training data against the suites that will judge the result.

    Finds leaked items, duplicates, conflicting labels, broken formats, unsafe rows, personal data, triggers of
    backdoors, and says whether the task needs training at all. Findings are ranked by what they will do to the verdict.
    Exit code 0, 3 where a finding blocks (`audit: severity:` in regress.yaml says which), 5 where nothing can be read.
    """
    request = Request(
        data=data,
        split=split,
        mapped=parse_columns(column or ()),
        validation=validation,
        production=production,
        checks=only or (),
        workers=workers,
    )
    progress = Bar(quiet=quiet)
    try:
        answers = _asking(project, progress) if ask_base else None
        result = carry_out(prepare(project, request, answers), progress, datetime.now(UTC))
    finally:
        progress.close()
    code = Exit.REJECT if result.blocking else Exit.PROMOTE
    if json:
        put_json(audit_json.as_object(result, code))
    else:
        say()
        say(audit_terminal.render(result))
    return code


def _asking(project: Path, progress: Bar) -> BaseAnswers:
    """Answers of the base itself: the one part of an audit that needs model libraries."""
    settings = read_project(project).file.engine
    from regress.run.boundary import AskedAnswers
    from regress.run.engines import load_engine

    return AskedAnswers(project, partial(load_engine, workers=settings.workers), progress)
