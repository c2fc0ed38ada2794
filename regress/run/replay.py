"""Does a stored run hold what its own rule would have asked, no more and no less?"""

from __future__ import annotations

from collections.abc import Iterable

from regress.errors import StoreError
from regress.run.looks import Portions
from regress.schema import Suite
from regress.store.runs import StoredRun


def check_asked(run: StoredRun, suites: Iterable[Suite], portions: Portions) -> None:
    """Walk the portions over the stored outcomes; raises StoreError where the run ended elsewhere.

    Suites without a portion have nothing to be asked. `portions` is one that has seen nothing yet.
    """
    for suite in suites:
        stored = run.outcomes.get(suite.name, {})
        done: list[str] = []
        for portion in portions.portions(suite):
            done += [suite.items[index].id for index in portion]
            if not all(id_ in stored for id_ in done):
                break
            if portions.enough(suite, {id_: stored[id_] for id_ in done}) is not None:
                break
        if set(done) != set(stored):
            raise StoreError(
                f"{run.folder} ended suite {suite.name} after {len(stored)} items, its rule after {len(done)}. Delete "
                "the folder and run again."
            )
