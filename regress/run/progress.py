"""What a running evaluation tells the outside; drawing it is the command line's business."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from regress.schema import ItemOutcome


class Progress(Protocol):
    """Calls in order: `start`, any number of `advance` and `skip`, `finish`; `say` at any time."""

    def say(self, text: str) -> None:
        """One line about what happens now."""

    def start(self, what: str, total: int, done: int) -> None:
        """A countable piece of work begins, `done` of `total` already there."""

    def advance(self, count: int, what: str) -> None:
        """`count` more are stored; `what` names the part being worked on."""

    def saw(self, suite: str, planned: int, outcomes: Sequence[ItemOutcome], *, asked: bool) -> None:
        """Outcomes that are stored, `asked` now or known before; `planned` is how many items the suite has."""

    def skip(self, count: int) -> None:
        """`count` of the total need not be done after all."""

    def finish(self) -> None:
        """The piece of work is over."""


class Silent:
    """Says nothing."""

    def say(self, text: str) -> None:
        pass

    def start(self, what: str, total: int, done: int) -> None:
        pass

    def advance(self, count: int, what: str) -> None:
        pass

    def saw(self, suite: str, planned: int, outcomes: Sequence[ItemOutcome], *, asked: bool) -> None:
        pass

    def skip(self, count: int) -> None:
        pass

    def finish(self) -> None:
        pass
