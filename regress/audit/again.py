"""The data a second time: cited rows, a sample, or another look at everything."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from regress.audit.passing import Look, Seen, look_through
from regress.audit.words import Places
from regress.rows.forms import Columns, read_row
from regress.rows.row import Row
from regress.rows.source import Source, value_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """See `protocol.Again`."""

    source: Source
    mapped: Columns
    numbers: Places
    seed: int = 0
    workers: int | None = None

    def rows(self, numbers: Collection[int]) -> dict[int, Row]:
        wanted = set(numbers)
        found: dict[int, Row] = {}
        for block in self.source.blocks() if wanted else ():
            for number, raw in zip(block.numbers, block.raw, strict=True):
                if number in wanted:
                    found[number] = read_row(value_of(raw), number, self.mapped)
            if len(found) == len(wanted):
                break
        return found

    def sample(self, size: int) -> list[Row]:
        chosen = self.numbers
        if len(chosen) > size:
            chosen = np.random.default_rng(self.seed).choice(chosen, size, replace=False)
        found = self.rows({int(number) for number in chosen})
        return [found[number] for number in sorted(found)]

    def scan(self, look: Look[Seen]) -> Iterator[Seen]:
        for looked in look_through(self.source, self.mapped, look, workers=self.workers):
            yield looked.seen
