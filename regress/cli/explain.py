"""`regress explain SUITE`: why this verdict, and what would change it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from regress.cli.console import put_json, say
from regress.cli.deliver import VERDICT
from regress.cli.options import HERE, JsonOption, ProjectOption
from regress.errors import StoreError, UsageError
from regress.report.explanation import paragraphs, sentences
from regress.report.verdict_json import suite_object
from regress.report.words import visible
from regress.schema.explanations import Explanation
from regress.suite import Project, read_project


def explain(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="A suite's name.")],
    adapter: Annotated[
        Path | None,
        typer.Option(help="The candidate's folder.", show_default="the one that reports/verdict.json speaks of"),
    ] = None,
    project: ProjectOption = HERE,
    json: JsonOption = False,
) -> int:
    """Say in words why a suite came out as it did, and what margin or how many items would change that.

    From stored runs only; no model is loaded, and nothing is decided anew.
    """
    from regress.run.explaining import explain as explained
    from regress.run.stored import judge_stored

    opened = read_project(project)
    judgement = judge_stored(opened, adapter or _last(opened))
    found = list(explained(judgement, suite, opened.policy))
    if not found:
        known = sorted({verdict.suite for verdict in judgement.decision.suites})
        raise UsageError(f"{suite!r} was not compared. Suites: {', '.join(known)}.")
    if json:
        put_json([_as_object(one) for one in found])
        return 0
    say(Text(visible(suite), style="bold"))
    for paragraph in paragraphs(found):
        say()
        for line in paragraph:
            say(visible(line))
    return 0


def _last(opened: Project) -> Path:
    """The candidate of the last verdict; raises UsageError where there is none."""
    from regress.run.stored import told_candidate

    try:
        _, folder = told_candidate(opened.reports / VERDICT, opened.folder)
    except StoreError as reason:
        raise UsageError(f"{reason} Say which, with --adapter FOLDER.") from reason
    return folder


def _as_object(found: Explanation) -> dict[str, Any]:
    def number(value: Any) -> float | None:
        return None if value is None else float(value)

    return {
        **suite_object(found.verdict),
        "alpha": found.alpha,
        "passes_from_margin": number(found.passes_from),
        "fails_up_to_margin": number(found.fails_up_to),
        "items_as_seen": found.items_as_seen,
        "items_unchanged": found.items_unchanged,
        "kinds": [asdict(kind) for kind in found.kinds],
        "in_words": sentences(found),
    }
