"""`regress diff A B`: two stored runs, item by item."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from regress.cli.console import put_json, say
from regress.cli.options import HERE, JsonOption, ProjectOption
from regress.report.words import movement, new_kinds, visible
from regress.schema import SuiteComparison
from regress.suite import read_project


def diff(
    a: Annotated[Path, typer.Argument(help="Run folder to compare from (the base).")],
    b: Annotated[Path, typer.Argument(help="Run folder to compare to (the candidate).")],
    project: ProjectOption = HERE,
    json: JsonOption = False,
) -> int:
    """Compare two stored runs item by item: what was lost, what was gained, and how it fails now. Decides nothing."""
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
