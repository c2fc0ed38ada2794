"""How the suites of a run look while it is under way: k of n right, an interval, and tokens a second."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from regress.report.words import share, visible
from regress.schema import ItemOutcome, Outcome
from regress.stats.intervals import wilson

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 12
"""Rows on a terminal: the suites that were asked last."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """One suite's counts so far."""

    planned: int
    asked: int = 0
    right: int = 0

    @property
    def interval(self) -> str:
        """Wilson's at 90 %, in percent."""
        low, high = wilson(self.right, self.asked, 0.90)
        return f"[{low * 100:.1f}, {high * 100:.1f}]"


class SoFar:
    """Tallies of one run, newest suite last."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}
        self._tokens = 0
        self._started = time.monotonic()

    def saw(self, suite: str, planned: int, outcomes: Sequence[ItemOutcome], *, asked: bool) -> str | None:
        """Count them; returns the suite's line once it is complete. Only those `asked` now count for the speed."""
        tally = self._tallies.setdefault(suite, Tally(planned=planned))
        was_open = tally.asked < tally.planned
        tally.asked += len(outcomes)
        tally.right += sum(outcome.outcome is Outcome.PASS for outcome in outcomes)
        if asked:
            self._tokens += sum(one.reply.prompt_tokens + one.reply.reply_tokens for one in outcomes)
        return self._line(suite, tally) if was_open and tally.asked >= tally.planned and tally.asked else None

    def _line(self, suite: str, tally: Tally) -> str:
        rate = share(tally.right, tally.asked)
        return f"{visible(suite, 64)}: {tally.right:,} of {tally.asked:,} right, {rate} {tally.interval}"

    @property
    def speed(self) -> str:
        """Tokens read and written a second, of what was asked now."""
        seconds = time.monotonic() - self._started
        return f"{self._tokens / seconds:,.0f} tok/s" if self._tokens and seconds > 0.5 else ""

    def table(self) -> Table:
        """A row a suite that was begun."""
        from rich.table import Table

        table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
        for title, justify in (("suite", "left"), ("right", "right"), ("%", "right"), ("90 % interval", "right")):
            table.add_column(title, justify="right" if justify == "right" else "left", no_wrap=True)
        begun = [(suite, tally) for suite, tally in self._tallies.items() if tally.asked]
        for suite, tally in begun[-SHOWN:]:
            style = "dim" if tally.asked >= tally.planned else ""
            right = f"{tally.right:,}/{tally.asked:,} of {tally.planned:,}"
            percent = f"{100 * tally.right / tally.asked:.1f}"
            table.add_row(visible(suite, 40), right, percent, tally.interval, style=style)
        return table
