"""Tables of what a row would hold had it seen a locked item."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from regress.audit.checks._locked import Asked
from regress.audit.minhash import Signatures, bands, shingles, signatures
from regress.audit.table import Table
from regress.audit.words import Hashes, Places, by_owner, distinct, folded, hashed, key, squeezed

GRAM = 8
"""Words of a run that is hardly ever said twice by chance; texts with fewer are looked for as a whole."""

SHORTEST = 4
"""Texts with fewer words are looked for as whole prompts only: 'what is this' stands in many a text."""

BAND = 3
"""Values that make a key of a signature: 16 keys, of which texts with Jaccard 0.6 share one with 98 %."""

MIN_OWN = 3
"""Shingles of its own that a text needs to be near another."""


RARE, RAREST = 30, 3
"""Items that may say a word for it to tell something of them: one in a hundred, but no more and no fewer than these."""


Weights = NDArray[np.float64]


class Probes:
    """What to look for in rows; entries of all tables lead to an index into `asked`."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self.asked = tuple(asked)
        self._suites = _suites(asked)
        self.folded = Table(np.array([key(folded(one.text)) for one in asked], dtype=np.uint64))
        worded = [index for index, one in enumerate(asked) if one.words]
        self.normalised = Table(
            np.array([key(squeezed(asked[index].text)) for index in worded], dtype=np.uint64),
            np.array(worded, dtype=np.int64),
        )
        self.grams = self._grams()
        self.own_grams: Places = np.bincount(self.grams.owners, minlength=len(asked))
        self.runs = dict(self._runs())
        hashes, owners = distinct(*shingles(hashed([one.words for one in asked])))
        self.common = Table(self._common(hashes, owners, least=4, share=20))
        self.signatures, self.bands = self._bands(hashes, owners)
        self.rare, self.weights, self.told = self._rare()
        self.shingles = by_owner(hashes, owners, len(asked))  # distinct, ascending

    def _grams(self) -> Table:
        """8-grams that are an item's own."""
        grams, owners = distinct(*hashed([one.core for one in self.asked]).ngrams(GRAM))
        kept = ~np.isin(grams, self._common(grams, owners, least=2, share=200))
        return Table(grams[kept], owners[kept])

    def _runs(self) -> Iterable[tuple[int, Table]]:
        """Texts that are too short for 8-grams, one run each, by its length."""
        for length in range(SHORTEST, GRAM):
            those = [index for index, one in enumerate(self.asked) if len(one.core) == length]
            if those:
                yield (
                    length,
                    Table(hashed([self.asked[index].core for index in those]).ngrams(length)[0], np.array(those)),
                )

    def _bands(self, hashes: Hashes, owners: Places) -> tuple[Signatures, Table]:
        own = ~self.common.has(hashes)
        signed = signatures(hashes[own], owners[own], len(self.asked))
        enough = np.flatnonzero(np.bincount(owners[own], minlength=len(self.asked)) >= MIN_OWN)
        keys = bands(signed, BAND)[enough]
        return signed, Table(keys.ravel(), np.repeat(enough, keys.shape[1]))

    def _rare(self) -> tuple[Table, Weights, Weights]:
        """Words that few items say, how telling each is (inverse document frequency), and the sum for each text."""
        texts = hashed([one.words for one in self.asked])
        hashes, owners = distinct(texts.hashes, texts.owners.astype(np.int64))
        _, group, many = np.unique(hashes, return_inverse=True, return_counts=True)
        few = many[group] <= min(RARE, max(RAREST, len(self.asked) // 100))
        table = Table(hashes[few], owners[few])
        _, group, many = np.unique(table.hashes, return_inverse=True, return_counts=True)
        weights: Weights = np.log1p(len(self.asked) / many[group])
        told: Weights = np.bincount(table.owners, weights, minlength=len(self.asked)).astype(np.float64)
        return table, weights, told

    def _common(self, hashes: Hashes, owners: Places, *, least: int, share: int) -> Hashes:
        """What more than `least` texts of a suite, and more than one of `share`, have in common."""
        found = [np.empty(0, np.uint64)]
        for number, size in enumerate(np.bincount(self._suites)):
            seen, many = np.unique(hashes[self._suites[owners] == number], return_counts=True)
            found.append(seen[many > max(least, size // share)])
        return np.unique(np.concatenate(found))


def _suites(asked: Sequence[Asked]) -> Places:
    """The suite of each text, as a number."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(one.suite for one in asked))}
    return np.array([numbers[one.suite] for one in asked], dtype=np.int64)
