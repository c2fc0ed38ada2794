"""Runs that are being written: how far, and how it looks so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from regress.errors import Refused
from regress.schema import Outcome
from regress.stats.intervals import wilson
from regress.store.chain import is_written
from regress.store.runs import LOG, read_partial
from regress.view.shelf import Run, Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSoFar:
    """k of n right so far, of `planned`; the interval is Wilson's at 90 %."""

    suite: str
    right: int
    asked: int
    planned: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """One unsealed run. `writing` says whether a process is at it, or it was interrupted."""

    run: str
    variant: str
    writing: bool
    seconds: float  # since its last outcome was stored
    suites: tuple[SuiteSoFar, ...]

    @property
    def done(self) -> int:
        return sum(suite.asked for suite in self.suites)

    @property
    def planned(self) -> int:
        return sum(suite.planned for suite in self.suites)


def live_runs(shelf: Shelf, planned: Mapping[str, int], now: float) -> list[Live]:
    """Every run without a seal, the one that was written to last first. `now` is a POSIX time."""
    found = [live for run in shelf.runs if not run.sealed and (live := _live(run, planned, now)) is not None]
    return sorted(found, key=lambda live: live.seconds)


def _live(run: Run, planned: Mapping[str, int], now: float) -> Live | None:
    try:
        outcomes = read_partial(run.folder).outcomes
        written = (run.folder / LOG).stat().st_mtime
    except (Refused, OSError):  # it is being sealed, or was taken away, at this very moment
        return None
    asked = Counter(suite for suite, _ in outcomes)
    right = Counter(suite for (suite, _), outcome in outcomes.items() if outcome.outcome is Outcome.PASS)
    return Live(
        run=run.name,
        variant=run.manifest.variant,
        writing=is_written(run.folder / LOG),
        seconds=max(0.0, now - written),
        suites=tuple(_so_far(name, right[name], asked[name], count) for name, count in planned.items()),
    )


def _so_far(suite: str, right: int, asked: int, planned: int) -> SuiteSoFar:
    low, high = wilson(right, asked, 0.90) if asked else (None, None)
    return SuiteSoFar(suite=suite, right=right, asked=asked, planned=planned, low=low, high=high)
