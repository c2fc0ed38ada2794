"""Where text goes: people read stderr, programs read stdout."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.text import Text

from regress.cli.interrupts import raise_pending
from regress.cli.so_far import SoFar
from regress.schema import ItemOutcome

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.status import Status

PLAIN_WIDTH = 100
PLAIN_LINE_SECONDS = 10.0
SLOW_SECONDS = 2.0
"""What is over before is not worth a line."""


def console() -> Console:
    """stderr, coloured only where somebody looks at it (rich honours NO_COLOR and FORCE_COLOR)."""
    width = None if sys.stderr.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(stderr=True, highlight=False, width=width, soft_wrap=False)


def say(text: RenderableType = "") -> None:
    """One renderable to stderr; plain strings are not read as markup."""
    console().print(text, markup=False)


def put_json(value: Any) -> None:
    """Data to stdout."""
    # ASCII, because stdout may have any encoding; flushed, so that a pipe that closed early fails here, not at exit.
    sys.stdout.write(json.dumps(value, indent=1, allow_nan=False) + "\n")
    sys.stdout.flush()


class Bar:
    """Progress with an ETA: a bar on a terminal, a plain line every ten seconds elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = console()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._status: Status | None = None
        self._what = ""
        self._total = self._done = self._at_start = 0
        self._started = self._spoke = time.monotonic()
        self._so_far = SoFar()

    def say(self, text: str) -> None:
        """A line about what happens now."""
        if not self._quiet:
            self._console.print(f"· {text}", style="dim", markup=False)

    @contextmanager
    def during(self, text: str) -> Iterator[None]:
        """What happens inside, as a line that goes away on a terminal; elsewhere a line if it takes long."""
        timer = None
        if not self._quiet and self._console.is_terminal:
            self._status = self._console.status(Text(text, style="dim"))
            self._status.start()
        elif not self._quiet:
            timer = Timer(SLOW_SECONDS, self.say, (text,))
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            self._end_status()

    def _end_status(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def start(self, what: str, total: int, done: int) -> None:
        """A new bar."""
        self._end_status()  # one thing moves at a time
        self._what, self._total, self._done, self._at_start = what, total, done, done
        self._started = self._spoke = time.monotonic()
        self._so_far = SoFar()
        if done:
            self.say(f"{what}: {done:,} of {total:,} items are stored already")
        if self._quiet or not self._console.is_terminal:
            return
        from regress.cli.live_bar import LiveBar

        self._bar = LiveBar(self._console, self._so_far)
        self._task = self._bar.add_task(what, total=total, completed=done)
        self._bar.start()

    def advance(self, count: int, what: str) -> None:
        """`count` more items of suite `what` are stored: a good place to be interrupted."""
        raise_pending()
        self._done += count
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=count, description=f"{self._what} · {what}")
        elif not self._quiet and time.monotonic() - self._spoke >= PLAIN_LINE_SECONDS:
            self._spoke = time.monotonic()
            self.say(f"{self._what} · {what}: {self._done:,}/{self._total:,}{self._eta()}")

    def saw(self, suite: str, planned: int, outcomes: Sequence[ItemOutcome], *, asked: bool) -> None:
        """Outcomes of a suite that are stored: drawn on a terminal, elsewhere a line once the suite is complete."""
        line = self._so_far.saw(suite, planned, outcomes, asked=asked)
        if line and self._bar is None:
            self.say(f"{self._what} · {line}")

    def expect(self, done: int, total: int) -> None:
        """`done` of `total`, where the total was not known at the start."""
        raise_pending()
        self._done, self._total = done, total
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif not self._quiet and time.monotonic() - self._spoke >= PLAIN_LINE_SECONDS:
            self._spoke = time.monotonic()
            self.say(f"{self._what}: {self._done:,}/{self._total:,}{self._eta()}")

    def skip(self, count: int) -> None:
        """`count` items need not be asked after all."""
        self._total -= count
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=self._total)

    def finish(self, unit: str = "items") -> None:
        """Close the bar and say how long it took."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        asked = self._done - self._at_start
        self.say(f"{self._what}: {asked:,} {unit} in {time.monotonic() - self._started:.1f} s")

    def close(self) -> None:
        """Give the terminal back after an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _eta(self) -> str:
        asked = self._done - self._at_start
        if asked == 0:
            return ""
        left = (time.monotonic() - self._started) / asked * (self._total - self._done)
        return f", about {left:.0f} s left"
