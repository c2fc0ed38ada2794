"""A table of hashes that many rows are held against: most are not in it, and that has to cost next to nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from regress.audit.words import Hashes, Places

MIN_BITS, MAX_BITS = 10, 24


def pairs(left: NDArray[np.int64] | NDArray[np.int32], right: Places, size: int) -> tuple[Places, Places]:
    """Each pair of numbers once, ascending; those on the right are less than `size`."""
    both = np.unique(left.astype(np.int64) * size + right)
    return both // size, both % size


class Table:
    """Hashes and the numbers they lead to, their places where none are given; one hash may lead to several."""

    def __init__(self, hashes: Hashes, owners: Places | None = None) -> None:
        order = np.argsort(hashes, kind="stable")
        self.hashes = hashes[order]
        self.owners: Places = order if owners is None else owners[order]
        bits = min(MAX_BITS, max(MIN_BITS, (16 * len(hashes)).bit_length()))
        self._shift = np.uint64(64 - bits)
        self._taken: NDArray[np.bool_] = np.zeros(1 << bits, np.bool_)
        self._taken[self._buckets(hashes)] = True

    def __len__(self) -> int:
        return len(self.hashes)

    def _buckets(self, hashes: Hashes) -> Places:
        return (hashes >> self._shift).astype(np.int64)

    def find(self, wanted: Hashes) -> tuple[Places, Places]:
        """Places in `wanted` and the entries they meet, one pair for each meeting, by place."""
        maybe = np.flatnonzero(self._taken[self._buckets(wanted)])
        begin = np.searchsorted(self.hashes, wanted[maybe], "left")
        many = np.searchsorted(self.hashes, wanted[maybe], "right") - begin
        before = np.cumsum(many) - many
        entries = np.repeat(begin - before, many) + np.arange(many.sum())
        return np.repeat(maybe, many), entries

    def has(self, wanted: Hashes) -> NDArray[np.bool_]:
        """Which of `wanted` are in the table."""
        found = np.zeros(len(wanted), np.bool_)
        found[self.find(wanted)[0]] = True
        return found
