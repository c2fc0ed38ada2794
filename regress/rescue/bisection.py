"""Where in a row of checkpoints did a suite break? Pure: whoever asks a checkpoint is an argument.

Two searches by halves. The first looks for the first checkpoint that is certainly beyond the margin, the second for the
last one before it that is certainly within. Both suppose that what broke stays broken; nothing else does: every verdict
on a checkpoint that was asked holds by itself. A checkpoint whose verdict is open counts as not yet broken in the first
search and as no longer whole in the second, so that the two ends of the answer are always certain.

All verdicts together are wrong with a probability of at most alpha. Which checkpoints are asked depends on the answers
to the same items, so alpha is shared among all that could be asked, not among those that were: with a share for each
checkpoint and suite no order and no number of probes needs another correction.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass

from regress.schema import Breakage, Step, Verdict

BASE = 0


def alpha_each(alpha: float, checkpoints: int, suites: int) -> float:
    """What the test of one suite at one checkpoint may spend (Bonferroni)."""
    if checkpoints < 1 or suites < 1 or not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha {alpha} for {checkpoints} checkpoints and {suites} suites")
    return alpha / (checkpoints * suites)


def most_probes(checkpoints: int) -> int:
    """How many checkpoints are asked for one suite at most: the last one, and two searches by halves."""
    return min(checkpoints, 1 + 2 * math.ceil(math.log2(checkpoints))) if checkpoints > 1 else 1


@dataclass(slots=True)
class Hunt:
    """One suite's search, fed a verdict at a time: `wanted` says at which checkpoint (1 to n), None at its end."""

    suite: str
    wanted: int | None
    _steps: list[Step]
    _search: Generator[int, Step, tuple[int | None, int | None]]
    _found: tuple[int | None, int | None] = (None, None)

    @classmethod
    def over(cls, suite: str, checkpoints: int) -> Hunt:
        """A search over checkpoints 1 to `checkpoints`; the base, 0, is within every margin."""
        search = _search(checkpoints)
        return cls(suite, next(search), [], search)

    def take(self, step: Step) -> None:
        """The verdict at the wanted checkpoint; raises ValueError for another one."""
        if step.checkpoint != self.wanted:
            raise ValueError(f"checkpoint {self.wanted} was asked for, not {step.checkpoint}")
        self._steps.append(step)
        try:
            self.wanted = self._search.send(step)
        except StopIteration as end:
            self.wanted, self._found = None, end.value

    @property
    def breakage(self) -> Breakage:
        """What is known now."""
        within, broken = self._found
        return Breakage(suite=self.suite, within=within, broken=broken, steps=tuple(self._steps))


def _search(last: int) -> Generator[int, Step, tuple[int | None, int | None]]:
    """Yields checkpoints to ask, is sent their steps; returns (last one within, first one broken)."""
    known: dict[int, Verdict] = {BASE: Verdict.PASS}

    def ask(place: int) -> Generator[int, Step, Verdict]:
        if place not in known:
            known[place] = (yield place).verdict
        return known[place]

    end = yield from ask(last)
    if end is Verdict.PASS:
        return last, None
    if end is Verdict.UNDECIDED:
        return None, None
    low, high = BASE, last  # high is broken, low is not known to be
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if (yield from ask(middle)) is Verdict.FAIL else (middle, high)
    broken = high
    low, high = _last_within(known, broken), broken  # low is within; everything known between the two is open
    while high - low > 1:
        nearest = high - 1
        middle = nearest if nearest in known else (low + high) // 2
        match (yield from ask(middle)):
            case Verdict.PASS:
                low = middle
            case Verdict.FAIL:
                broken = high = middle
            case Verdict.UNDECIDED:
                high = middle
    return low, broken


def _last_within(known: Mapping[int, Verdict], broken: int) -> int:
    return max(place for place, verdict in known.items() if verdict is Verdict.PASS and place < broken)
