"""Rows that are nearly the same: pairs that their signatures make likely, and a second look at what they say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regress.audit.minhash import bands, jaccard, shingles, signatures
from regress.audit.protocol import Chunk
from regress.audit.table import Table
from regress.audit.words import Hashed, Hashes, Places, by_owner, distinct
from regress.rows.row import Row

ALIKE = 0.8
"""Jaccard of shingles from which two rows are near-duplicates: of their prompts, of these without what very many rows
ask, and of their replies."""

BAND = 4
"""Values that make a key of a signature: 12 keys, of which rows with Jaccard 0.8 share two with 98 %."""

SHARED_KEYS = 2
MAX_PAIRS = 10_000
"""Pairs that are looked at; of more, a sample stands for all."""

SAMPLE, COMMON = 2_000, 20
"""Rows from which is learned what very many ask: what stands in more than one of COMMON."""

MIN_OWN = 3

Keys = NDArray[np.uint32]
"""A row for each row of the data, VALUES // BAND keys each; 0 in all where there is nothing to compare."""

Pairs = NDArray[np.int64]
"""Two columns: a row's place and the place of an earlier one."""


def near_keys(texts: Hashed) -> Keys:
    """Keys by which near-duplicates find each other: four bytes each, since there is a second look."""
    hashes, owners = shingles(texts)
    keys = (bands(signatures(hashes, owners, len(texts)), BAND) >> np.uint64(32)).astype(np.uint32)
    keys[texts.lengths == 0] = 0
    return keys


def pairs_within(keys: Keys) -> Pairs:
    """Rows and the next earlier one with the same key, where they share enough keys."""
    found = []
    for column in keys.T:
        order = np.argsort(column, kind="stable")
        same = np.flatnonzero((column[order][1:] == column[order][:-1]) & (column[order][1:] != 0))
        found.append(np.stack([order[same + 1], order[same]], axis=1))
    return _enough(np.concatenate(found), keys, keys)


def pairs_between(keys: Keys, others: Keys) -> Pairs:
    """Rows of `keys` (first column) and of `others` that share enough keys, one for each key and other row."""
    found = []
    for mine, theirs in zip(keys.T, others.T, strict=True):
        table = Table(mine.astype(np.uint64) << np.uint64(32))
        places, entries = table.find(theirs.astype(np.uint64) << np.uint64(32))
        first = np.flatnonzero(np.diff(places, prepend=-1) & (theirs[places] != 0))
        found.append(np.stack([table.owners[entries[first]], places[first]], axis=1))
    return _enough(np.concatenate(found), keys, others)


def _enough(pairs: Pairs, keys: Keys, others: Keys) -> Pairs:
    pairs = np.unique(pairs, axis=0).astype(np.int64)
    shared = (keys[pairs[:, 0]] == others[pairs[:, 1]]).sum(axis=1)
    enough: Pairs = pairs[shared >= SHARED_KEYS]
    return enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Pairs that are near-duplicates, how alike each is, and how many of all pairs were looked at."""

    pairs: Pairs
    alike: list[float]
    looked: int
    likely: int

    @property
    def estimate(self) -> int:
        """How many there would be, had all likely pairs been looked at."""
        return round(len(self.pairs) * self.likely / self.looked) if self.looked else 0


Rows = Callable[[Collection[int]], dict[int, Row]]
"""Rows by their numbers."""


def compare(pairs: Pairs, rows: Sequence[tuple[Rows, Places]], common: Table, seed: int) -> Compared:
    """Look at the pairs, or at a sample of them. `rows` reads each column's, with the numbers of the places in it."""
    likely = len(pairs)
    if likely > MAX_PAIRS:
        pairs = pairs[np.sort(np.random.default_rng(seed).choice(likely, MAX_PAIRS, replace=False))]
    columns = [_shingles(read, numbers[np.unique(pairs[:, column])]) for column, (read, numbers) in enumerate(rows)]
    numbered = zip(rows[0][1][pairs[:, 0]].tolist(), rows[1][1][pairs[:, 1]].tolist(), strict=True)
    alike = np.array([_alike(columns[0][one], columns[1][other], common) for one, other in numbered])
    kept = np.flatnonzero(alike >= ALIKE)
    return Compared(pairs=pairs[kept], alike=alike[kept].tolist(), looked=len(pairs), likely=likely)


def common_shingles(sample: Sequence[Row]) -> Table:
    """What more than one of COMMON rows ask: a template, or how the language goes."""
    hashes, _ = distinct(*shingles(Chunk(list(sample)).prompts))
    seen, many = np.unique(hashes, return_counts=True)
    return Table(seen[many > max(4, len(sample) // COMMON)])


Parts = tuple[Hashes, Hashes]
"""Distinct shingles of a row's prompt and of its reply."""


def _shingles(read: Rows, numbers: Places) -> dict[int, Parts]:
    """Each row's by its number."""
    found = read(numbers.tolist())
    ordered = sorted(found)
    chunk = Chunk([found[number] for number in ordered])
    return dict(zip(ordered, zip(_split(chunk.prompts), _split(chunk.replies), strict=True), strict=True))


def _split(texts: Hashed) -> list[Hashes]:
    return by_owner(*distinct(*shingles(texts)), len(texts))


def _alike(one: Parts, other: Parts, common: Table) -> float:
    """The least Jaccard of two rows: of their prompts, of these without what is common, of their replies."""
    prompts = jaccard(one[0], other[0])
    if 0 < prompts < 1:
        mine, theirs = (asked[~common.has(asked)] for asked in (one[0], other[0]))
        prompts = min(prompts, jaccard(mine, theirs)) if min(len(mine), len(theirs)) >= MIN_OWN else 0.0
    return min(prompts, jaccard(one[1], other[1]))
