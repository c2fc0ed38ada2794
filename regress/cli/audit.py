"""`regress audit DATA`: what the training data will do to a model, before it does."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from regress.audit.auditing import audit as carry_out
from regress.audit.fixing import CHANGES
from regress.audit.fixing import fix as write_copy
from regress.audit.preparing import Request, parse_columns, prepare
from regress.cli.console import Bar, put_json, say
from regress.cli.deliver import REPORTS
from regress.cli.options import HERE, JsonOption, ProjectOption, QuietOption
from regress.lock.audited import AUDIT_FILE
from regress.report import audit_json, audit_sarif, audit_terminal
from regress.report.html import AUDIT_PAGE
from regress.rows.source import Source
from regress.run.featured import BaseFeatures
from regress.run.prompted import BaseAnswers
from regress.schema import Audit, Exit
from regress.store.atomic import make_folder, write_atomic
from regress.suite.project import FILE_NAME, read_project

SARIF = "audit.sarif"
BY_LINE = (".jsonl", ".ndjson", ".csv", ".tsv")  # elsewhere a row's number is no line of the file


SplitOption = Annotated[str | None, typer.Option(help="Which split, where there are several.", metavar="NAME")]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="KEY=COLUMN",
        help="Where a key stands: --map prompt=question --map completion=best. Keys: prompt, completion, chosen, "
        "rejected, instruction, input, output, messages, text, label.",
        show_default="recognised",
    ),
]
OnlyOption = Annotated[list[str] | None, typer.Option(metavar="CHECK", help="Run this check only; may be repeated.")]
AskOption = Annotated[
    bool,
    typer.Option(
        "--ask-base",
        help="Ask the base what is not stored: items of target and domain suites, as they are and behind examples from "
        "DATA, which needs a lock, and its features of a sample of DATA. Takes time.",
    ),
]
ReadersOption = Annotated[int | None, typer.Option(min=1, max=64, help="Processes that read.", show_default="cores")]


def audit(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Training data: a .jsonl, .json, .csv or .parquet file, a folder of them, a saved data set, or a "
            "hub id, org/name.",
        ),
    ],
    split: SplitOption = None,
    column: MapOption = None,
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
    only: OnlyOption = None,
    ask_base: AskOption = False,
    workers: ReadersOption = None,
    project: ProjectOption = HERE,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Audit training data against the suites that will judge the result.

    Finds leaked items, duplicates, conflicting labels, broken formats, unsafe rows, personal data, triggers of
    backdoors, and says whether the task needs training at all. Findings are ranked by what they will do to the verdict.
    Exit code 0, 3 where a finding blocks (`audit: severity:` in regress.yaml says which), 5 where nothing can be read.
    In a project, reports/audit.html, audit.json and audit.sarif are written: `regress lock --audit reports/audit.json`
    keeps it.
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
    for name in (AUDIT_FILE, AUDIT_PAGE, SARIF):  # yesterday's must not stand for today's
        (project / REPORTS / name).unlink(missing_ok=True)
    progress = Bar(quiet=quiet)
    try:
        order = prepare(project, request, *(_asking(project, progress) if ask_base else ()))
        result = carry_out(order, progress, datetime.now(UTC))
        fixed = None if fix is None else write_copy(result, order.source, fix)
    finally:
        progress.close()
    code = Exit.REJECT if result.blocking else Exit.PROMOTE
    _deliver(result, code, project, order.source, as_json=json)
    if fixed is not None:
        say(f"{fix}: {fixed[0]:,} rows kept, {fixed[1]:,} taken out; {fix}{CHANGES} says why.")
    return code


def _asking(project: Path, progress: Bar) -> tuple[BaseAnswers, BaseFeatures]:
    """The base itself: the one part of an audit that needs model libraries."""
    settings = read_project(project).file.engine
    from regress.run.boundary import AskedAnswers
    from regress.run.engines import load_engine
    from regress.run.features import AskedFeatures

    asked = AskedAnswers(project, partial(load_engine, workers=settings.workers), progress)
    return asked, AskedFeatures(project, progress)


def _deliver(result: Audit, code: Exit, project: Path, source: Source, *, as_json: bool) -> None:
    """Show it and, in a project, write it where `lock --audit`, reports and code scanning look for it."""
    body = audit_json.as_object(result, code)
    if as_json:
        put_json(body)
    else:
        say()
        say(audit_terminal.render(result))
    if (project / FILE_NAME).is_file():
        from regress.report.html.audit_page import render  # with jinja2, which nothing needs before there is a result

        reports = project / REPORTS
        make_folder(reports)
        log = audit_sarif.as_object(result, partial(_found_at, source, project))
        write_atomic(reports / SARIF, dumps(log, indent=1).encode() + b"\n")
        write_atomic(reports / AUDIT_PAGE, render(result))
        write_atomic(reports / AUDIT_FILE, dumps(body, indent=1).encode() + b"\n")
        if not as_json:
            say(f"\n{reports / AUDIT_PAGE} · {reports / AUDIT_FILE} · {reports / SARIF}")


def _found_at(source: Source, project: Path, row: int) -> audit_sarif.Location | None:
    """A row's place in the project, as code scanning names files; None where the data lies elsewhere."""
    name, number = source.place(row) if row else (source.name, 0)
    try:
        uri = Path(name).resolve(strict=True).relative_to(project.resolve()).as_posix()
    except (OSError, ValueError):
        return None
    return audit_sarif.Location(uri=uri, line=number if number and uri.endswith(BY_LINE) else None)
