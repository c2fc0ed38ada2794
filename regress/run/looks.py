"""In which portions a suite is asked, and when enough is known: all at once, or look by look in the locked order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from regress.diff import look_counts, screen
from regress.early import first_stop, look_sizes
from regress.lock.promise import ITEM_ORDER_SEED
from regress.plan import item_order
from regress.schema import ItemOutcome, Policy, Role, Suite

LOOKS = "look by look in the locked order: "
"""What the batch policy of such a run begins with: batches never reach over the end of a look."""


SCREEN = "until all items would agree, in the locked order: "
"""The same for a screening, which concludes nothing about other items."""


class Portions(Protocol):
    """How a run goes through a suite."""

    def portions(self, suite: Suite) -> list[list[int]]:
        """Positions of the suite's items, in the portions in which they are asked."""

    def enough(self, suite: Suite, outcomes: Mapping[str, ItemOutcome]) -> str | None:
        """Why nothing more needs to be asked after these outcomes, by item id; None to go on."""


class AllAtOnce:
    """Every item of every suite."""

    def portions(self, suite: Suite) -> list[list[int]]:
        return [list(range(len(suite.items)))]

    def enough(self, suite: Suite, outcomes: Mapping[str, ItemOutcome]) -> str | None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookByLook:
    """Ten portions of the locked random order; with a base to compare with it stops where the rule says so.

    The base itself is asked in the same portions, all of them, so that its batches are the candidate's.
    """

    policy: Policy
    alpha: float
    futility: bool = True  # stop where neither verdict is in reach any more, too
    screening: bool = False  # stop when it is clear how all the items would come out, and conclude nothing else
    base: Mapping[str, Mapping[str, ItemOutcome]] | None  # by suite and item id; None while the base itself is asked

    def portions(self, suite: Suite) -> list[list[int]]:
        if not may_stop(suite, self.policy):
            return [list(range(len(suite.items)))]
        position = {item.id: index for index, item in enumerate(suite.items)}
        order = [position[item.id] for item in item_order(suite, ITEM_ORDER_SEED)]
        sizes = look_sizes(len(order))
        return [order[start:end] for start, end in zip((0, *sizes), sizes, strict=False)]

    def enough(self, suite: Suite, outcomes: Mapping[str, ItemOutcome]) -> str | None:
        if self.base is None or not may_stop(suite, self.policy) or suite.margin is None:
            return None
        base = self.base.get(suite.name, {})
        if any(outcome.value is not None for outcome in outcomes.values()):
            return None  # graded scores are judged by their mean, once, at the end
        if self.screening:
            found = screen(suite, base, outcomes)
            within, beyond = found.p_within <= self.alpha, found.p_beyond <= self.alpha
            return (
                f"all items would show a drop {'within' if within else 'beyond'} the margin"
                if within or beyond
                else None
            )
        counts = [(c.lost, c.gained, c.n) for c in look_counts(suite, base, outcomes)]
        stop = first_stop(counts, look_sizes(len(suite.items)), float(suite.margin), self.alpha, futility=self.futility)
        return None if stop is None else f"{stop.kind} at look {stop.look}"


def may_stop(suite: Suite, policy: Policy) -> bool:
    """Protected suites of independent items; all probes of zero tolerance are asked, and all that serving rests on."""
    independent = all(item.cluster is None for item in suite.items)
    return suite.role is Role.PROTECT and suite.name not in policy.zero_tolerance and independent and not suite.serving


def asked(suite: Suite, portions: Sequence[Sequence[int]], outcomes: Mapping[str, ItemOutcome]) -> tuple[int, ...]:
    """Positions of the whole portions that were answered, from the first one on."""
    found: list[int] = []
    for portion in portions:
        if any(suite.items[index].id not in outcomes for index in portion):
            break
        found += portion
    return tuple(found)
