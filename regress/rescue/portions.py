"""How the selection half is asked: look by look, with a way out where a strength has certainly broken something."""

from __future__ import annotations

from collections.abc import Mapping

from regress.diff import look_counts
from regress.early import StopKind, first_stop, look_sizes
from regress.lock.promise import ITEM_ORDER_SEED
from regress.plan import item_order
from regress.run.looks import may_stop
from regress.schema import ItemOutcome, Policy, Role, Suite

LOOKS = 5


class SelectionHalf:
    """A suite ends where it has certainly lost more than its margin, and protected ones after it a look later.

    Stopping here makes no claim, so nothing is corrected for it: a strength that was thrown away cannot be promoted.
    Suites are asked in one order, so that the stored replies alone say where each of them ended. Without a base to
    compare with (the base itself) all is asked, in the same portions.
    """

    def __init__(
        self, policy: Policy, alpha: float, base: Mapping[str, Mapping[str, ItemOutcome]] | None = None
    ) -> None:
        self._policy = policy
        self._alpha = alpha
        self._base = base
        self._broken: str | None = None  # the first suite that ended so

    def portions(self, suite: Suite) -> list[list[int]]:
        """Equal portions of the half's locked random order."""
        position = {item.id: index for index, item in enumerate(suite.items)}
        order = [position[item.id] for item in item_order(suite, ITEM_ORDER_SEED)]
        sizes = look_sizes(len(order), LOOKS)
        return [order[start:end] for start, end in zip((0, *sizes), sizes, strict=False)]

    def enough(self, suite: Suite, outcomes: Mapping[str, ItemOutcome]) -> str | None:
        if self._base is None:
            return None
        if suite.role is not Role.PROTECT:
            return None
        if self._broken is not None and self._broken != suite.name:
            return f"{self._broken} is broken at this strength"
        graded = any(outcome.value is not None for outcome in outcomes.values())
        if suite.margin is None or graded or not may_stop(suite, self._policy):
            return None
        seen = look_counts(suite, self._base.get(suite.name, {}), outcomes, LOOKS)
        counts = [(c.lost, c.gained, c.n) for c in seen]
        stop = first_stop(counts, look_sizes(len(suite.items), LOOKS), float(suite.margin), self._alpha, futility=False)
        if stop is None or stop.kind is not StopKind.FAIL:
            return None
        self._broken = suite.name
        return f"broken at look {stop.look}"
