"""What a terminal shows of a run under way: the suites so far, and a bar with an ETA below them."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from regress.cli.so_far import SoFar


class LiveBar(Progress):
    """A progress bar under a table of the suites; both are gone when it stops."""

    def __init__(self, console: Console, so_far: SoFar) -> None:
        self._so_far = so_far
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            _Speed(so_far),
            console=console,
            transient=True,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        table = self._so_far.table()
        if table.row_count:
            yield table
        yield from super().get_renderables()


class _Speed(ProgressColumn):
    def __init__(self, so_far: SoFar) -> None:
        self._so_far = so_far
        super().__init__(table_column=Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        return Text(self._so_far.speed, style="dim")
