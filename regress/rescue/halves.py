"""Two halves of every suite: one to choose a strength on, one to confirm it on, drawn before anybody was asked."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from regress.errors import SuiteError
from regress.hashing.canonical import digest_json
from regress.lock.promise import ITEM_ORDER_SEED
from regress.schema import Item, Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """Every suite twice, by name, with the items of either half in the suite's own order."""

    select: Mapping[str, Suite]
    confirm: Mapping[str, Suite]

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """(items to select on, items to confirm on) by suite."""
        return {name: (len(suite.items), len(self.confirm[name].items)) for name, suite in self.select.items()}

    @property
    def digest(self) -> str:
        """Over the confirmation half's item digests: which questions an attempt was confirmed on."""
        return digest_json({name: {i.id: i.digest for i in suite.items} for name, suite in self.confirm.items()})


def split(suites: Iterable[Suite]) -> Halves:
    """Split each suite by the locked seed; raises SuiteError for one that has no two units to part.

    Whole clusters stay together, and slices are spread evenly. Nothing that anybody answered has a part in it, so the
    split is the same for every adapter.
    """
    select, confirm = {}, {}
    for suite in suites:
        chosen = _selection(suite)
        select[suite.name] = replace(suite, items=tuple(item for item in suite.items if item.id in chosen))
        confirm[suite.name] = replace(suite, items=tuple(item for item in suite.items if item.id not in chosen))
        if not select[suite.name].items or not confirm[suite.name].items:
            raise SuiteError(
                f"suite {suite.name} cannot be split into a half to select on and a half to confirm on: it has one "
                "item, or all are one cluster."
            )
    return Halves(select=select, confirm=confirm)


def _selection(suite: Suite) -> set[str]:
    """Ids of one half. Each unit goes where its stratum has fewer items, else where the suite has, else by a coin."""
    rng = random.Random(f"{ITEM_ORDER_SEED}:halves:{suite.name}")
    strata: dict[tuple[str, ...], list[list[Item]]] = defaultdict(list)
    for unit in _units(suite):
        strata[tuple(sorted({item.slice or "" for item in unit}))].append(unit)
    chosen: list[str] = []
    whole = [0, 0]
    for _, units in sorted(strata.items()):
        rng.shuffle(units)
        part = [0, 0]
        for unit in sorted(units, key=len, reverse=True):
            side = min((0, 1), key=lambda s: (part[s], whole[s], rng.random()))
            part[side] += len(unit)
            whole[side] += len(unit)
            if side == 0:
                chosen += [item.id for item in unit]
    return set(chosen)


def _units(suite: Suite) -> list[list[Item]]:
    """What must not be parted, in an order that does not depend on the file's."""
    units: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in sorted(suite.items, key=lambda item: item.id):
        units[("item", item.id) if item.cluster is None else ("cluster", item.cluster)].append(item)
    return [unit for _, unit in sorted(units.items())]
