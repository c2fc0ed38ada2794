"""`regress diff A B`: two stored runs, or two results of another harness, item by item."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from regress.cli.console import put_json, say
from regress.cli.flip_rates import share
from regress.cli.imported import Order, diff_imported
from regress.cli.options import HERE, JsonOption, ProjectOption
from regress.errors import UsageError
from regress.report.words import movement, new_kinds, visible
from regress.run.recognise import kind_of
from regress.schema import SuiteComparison
from regress.suite import read_project


def diff(
    a: Annotated[
        Path, typer.Argument(help="What to compare from, the base: a run folder, lm-eval results, an Inspect log.")
    ],
    b: Annotated[Path, typer.Argument(help="What to compare to, the candidate: of the same kind.")],
    project: ProjectOption = HERE,
    margin: Annotated[
        str | None,
        typer.Option(help="Imported results: the largest acceptable drop; 0.02 is two points.", show_default="0.02"),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[TASK=]NAME",
            help="Imported results: the score of each item that is compared, such as acc_norm; of Inspect a scorer, or "
            "SCORER/KEY. May be repeated.",
            show_default="each task's first",
        ),
    ] = None,
    filter: Annotated[  # noqa: A002  the option's name
        list[str] | None,
        typer.Option(
            metavar="[TASK=]NAME",
            help="lm-eval results: the filter whose answers were scored, such as flexible-extract. May be repeated.",
            show_default="the metric's first",
        ),
    ] = None,
    fail_on_loss: Annotated[
        bool,
        typer.Option(
            "--fail-on-loss",
            help="Imported results: exit 3 where a task lost more than the margin for certain (alpha 0.05, Holm over "
            "the tasks), else 4 where that is open, 0 where every task is within it.",
        ),
    ] = False,
    json: JsonOption = False,
) -> int:
    """Compare two evaluations item by item: what was lost, what was gained, and how it fails now. Decides nothing.

    A and B are two stored runs of this project; or results that you already have, in any folder: lm-eval's
    --output_path folder (made with --log_samples), its model folder, one results or samples file; or Inspect logs,
    .json or .eval, or a folder of them. Of several dates the newest is taken, and said. More is taken to be better,
    and scores lie between 0 and 1.

    Imported results are compared only where the items, prompts, settings and scorers are the same: otherwise it is
    REFUSED (exit 5) with the field, both values and the mend. Nothing was locked before, so there is no decision.
    """
    order = Order(
        margin=None if margin is None else share(margin, "margin"),
        metric=metric or (),
        filter=filter or (),
        fail_on_loss=fail_on_loss,
        as_json=json,
    )
    if (kind := kind_of(a, b)) is not None:
        return diff_imported(a, b, kind, order)
    if order.is_for_imports:
        raise UsageError("--margin, --metric, --filter and --fail-on-loss are for imported results; runs have a lock.")
    return _diff_runs(project, a, b, json)


def _diff_runs(project: Path, a: Path, b: Path, json: bool) -> int:
    from regress.run.stored import compare_stored

    comparisons = compare_stored(read_project(project), a, b)
    if json:
        put_json([_as_object(c) for c in comparisons])
        return 0
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    for column in ("suite", "right", "lost", "gained", "new kinds of failure"):
        table.add_column(column, justify="right" if column in ("right", "lost", "gained") else "left")
    for c in comparisons:
        table.add_row(c.suite, movement(c.counts), str(c.counts.lost), str(c.counts.gained), visible(new_kinds(c), 60))
        for part in sorted(c.slices, key=lambda s: s.counts.gained - s.counts.lost)[:3]:
            if part.counts.lost > part.counts.gained:
                table.add_row(
                    f"  {visible(part.slice, 30)}",
                    movement(part.counts),
                    str(part.counts.lost),
                    str(part.counts.gained),
                    "",
                    style="dim",
                )
    say(table)
    return 0


def _as_object(comparison: SuiteComparison) -> dict[str, object]:
    counts = comparison.counts
    return {
        "suite": comparison.suite,
        "variant": comparison.variant,
        "against": comparison.against,
        "n": counts.n,
        "base_pass": counts.base_pass,
        "candidate_pass": counts.candidate_pass,
        "lost": [flip.item for flip in comparison.flips if flip.lost],
        "gained": [flip.item for flip in comparison.flips if not flip.lost],
        "unpaired": counts.unpaired,
        "kinds": {kind.kind: [kind.base, kind.candidate] for kind in comparison.kinds},
        "slices": {
            part.slice: {"n": part.counts.n, "lost": part.counts.lost, "gained": part.counts.gained}
            for part in comparison.slices
        },
    }
