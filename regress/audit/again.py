"""The data a second time: cited rows, a sample, or another look at everything."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np

from regress.audit.passing import Look, Seen, look_through
from regress.audit.words import Places
from regress.rows.forms import Columns, read_row
from regress.rows.row import Row
from regress.rows.source import Source, value_of

SAMPLED = 50_000
"""Rows of the largest sample; every smaller one is part of it, so that the data is read once for all of them."""

MAX_CHARS = 2**28
"""Characters that a sample may hold: of rows that are pages long there are fewer."""


@dataclass(slots=True, kw_only=True)
class Second:
    """See `protocol.Again`."""

    source: Source
    mapped: Columns
    numbers: Places
    seed: int = 0
    workers: int | None = None
    _sampled: list[Row] | None = field(default=None, init=False)  # in the order of their drawing

    def rows(self, numbers: Collection[int]) -> dict[int, Row]:
        return dict(self._wanted(set(numbers)))

    def sample(self, size: int) -> list[Row]:
        if self._sampled is None:
            self._sampled = self._draw(SAMPLED)
        rows = self._sampled if size <= SAMPLED else self._draw(size)
        return sorted(rows[:size], key=lambda row: row.number)

    def scan(self, look: Look[Seen]) -> Iterator[Seen]:
        for looked in look_through(self.source, self.mapped, look, workers=self.workers):
            yield looked.seen

    def _draw(self, size: int) -> list[Row]:
        """At most `size` rows, and no more than hold MAX_CHARS: the last drawn are dropped, whatever they say."""
        drawn = np.random.default_rng(self.seed).permutation(self.numbers)[:size]
        turns = {int(number): turn for turn, number in enumerate(drawn)}
        kept: dict[int, Row] = {}  # by turn
        least, held = len(drawn), 0
        for number, row in self._wanted(set(turns)):
            if turns[number] >= least:
                continue
            kept[turns[number]] = row
            held += _characters(row)
            while held > MAX_CHARS and len(kept) > 1:
                least = max(kept)
                held -= _characters(kept.pop(least))
        return [kept[turn] for turn in sorted(kept)]

    def _wanted(self, wanted: Collection[int]) -> Iterator[tuple[int, Row]]:
        left = len(wanted)
        for block in self.source.blocks() if wanted else ():
            for number, raw in zip(block.numbers, block.raw, strict=True):
                if number in wanted:
                    yield number, read_row(value_of(raw), number, self.mapped)
                    left -= 1
            if not left:
                break


def _characters(row: Row) -> int:
    return sum(len(turn.content) for turn in row.turns) + len(row.rejected or "")
