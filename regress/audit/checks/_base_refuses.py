"""What the base refuses today, from its sealed runs: what a row that complies takes away."""

from __future__ import annotations

from dataclasses import dataclass

from regress.audit.checks._requests import expects
from regress.audit.protocol import Context
from regress.schema import Outcome, VariantKind
from regress.store.runs import is_sealed, load_run, read_manifest


@dataclass(frozen=True, slots=True)
class BaseRefusals:
    """Items that want a refusal, by suite and id: those that the base refuses, of all that it was asked."""

    refused: frozenset[tuple[str, str]]
    asked: int

    @property
    def sentence(self) -> str:
        """For people."""
        return (
            f"The base refuses {len(self.refused):,} of the {self.asked:,} locked items that want it: that is at stake."
        )


def read_base_refusals(context: Context) -> BaseRefusals | None:
    """From the first sealed run of the base that asked the suites as they stand; None where there is none.

    Raises StoreError where such a run is damaged.
    """
    wanted = {
        (suite.name, item.id): item.digest
        for suite in context.suites
        if expects(suite) == "refuse"
        for item in suite.items
    }
    folders = sorted(context.runs.iterdir()) if context.runs is not None and context.runs.is_dir() else []
    for folder in folders:
        if not is_sealed(folder) or read_manifest(folder).variant.partition("@")[0] != VariantKind.BASE:
            continue
        outcomes = {
            (one.suite, one.item): one.outcome
            for items in load_run(folder).outcomes.values()
            for one in items.values()
            if wanted.get((one.suite, one.item)) == one.item_digest
        }
        if outcomes:
            refused = frozenset(key for key, outcome in outcomes.items() if outcome is Outcome.PASS)
            return BaseRefusals(refused, len(outcomes))
    return None
