"""What flips when nothing was changed, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regress.schema import NoiseFloor


def noise_table(floors: Sequence[NoiseFloor]) -> RenderableType:
    """One row a suite: flips in either direction, their 95 % limit, and what they cost in items."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("suite")
    for heading in ("items", "lost", "gained", "at most", "costs"):
        table.add_column(heading, justify="right", no_wrap=True)
    for floor in floors:
        price = "" if floor.extra_items is None else f"{floor.extra_items:,} items"
        counts = floor.counts
        table.add_row(
            floor.suite, f"{counts.n:,}", f"{counts.lost}", f"{counts.gained}", f"{floor.upper * 100:.2f} %", price
        )
    legend = Text(
        "\nThe base, asked twice in other batches. 'at most' is the 95 % limit of the share of answers that flip "
        "without any change; 'costs' is how many more items a suite needs for it, where training flips 5 %.",
        style="dim",
    )
    return Group(table, legend)
