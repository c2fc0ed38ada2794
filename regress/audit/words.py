"""Texts as words and n-grams, for many rows at once: what nearly every check looks at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from regress.audit.tokens import (
    NORMALISATION,
    Hashes,
    Places,
    as_ascii,
    hash_texts,
    hash_words,
    key,
    squeezed,
    word_hash,
    words,
)

__all__ = [
    "NORMALISATION",
    "Hashed",
    "Hashes",
    "Places",
    "Texts",
    "by_owner",
    "distinct",
    "folded",
    "hashed",
    "key",
    "side_by_side",
    "squeezed",
    "word_hash",
    "words",
]

_PRIME = 0x9E3779B97F4A7C15  # 2**64 / golden ratio, odd


def folded(text: str) -> str:
    """The text with case and white space folded, and nothing else."""
    return " ".join(text.split()).casefold()


class Hashed:
    """Texts of consecutive rows as hashes of their words.

    `hashes` holds one 64-bit hash a word, of all texts one behind the other; text i has those from `starts[i]` to
    `starts[i + 1]`.
    """

    def __init__(self, hashes: Hashes, starts: Places) -> None:
        self.hashes = hashes
        self.starts = starts
        self._runs: dict[int, Hashes] = {}

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def lengths(self) -> Places:
        """Words of each text."""
        return np.diff(self.starts)

    @cached_property
    def owners(self) -> NDArray[np.int32]:
        """The text that each word belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.lengths)

    def ngrams(self, n: int) -> tuple[Hashes, Places]:
        """Hashes of all runs of n words within a text, and which text each belongs to."""
        count = len(self.hashes) - n + 1
        if count <= 0:
            return np.empty(0, np.uint64), np.empty(0, np.int64)
        inside = self.owners[:count] == self.owners[n - 1 :]
        mixed = self._run(n)[inside]
        mixed ^= mixed >> np.uint64(29)
        return mixed, self.owners[:count][inside].astype(np.int64)

    def _run(self, n: int) -> Hashes:
        """Hashes of n words from each place on, over the ends of texts, too: one step more than for n - 1 words."""
        if n not in self._runs:
            if n == 1:
                return self.hashes
            run = self._run(n - 1)[:-1] * np.uint64(_PRIME)
            run += self.hashes[n - 1 :]
            self._runs[n] = run
        return self._runs[n]


def hashed(texts: Sequence[Sequence[str]]) -> Hashed:
    """Texts that are words already."""
    starts = np.concatenate(([0], np.cumsum([len(text) for text in texts]))).astype(np.int64)
    return Hashed(hash_words(texts, int(starts[-1])), starts)


def distinct(hashes: Hashes, owners: Places) -> tuple[Hashes, Places]:
    """Each hash once for each owner: ascending by owner, then by hash."""
    order = np.lexsort((hashes, owners))
    hashes, owners = hashes[order], owners[order]
    new = np.ones(len(hashes), np.bool_)
    new[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
    return hashes[new], owners[new]


def by_owner(hashes: Hashes, owners: Places, count: int) -> list[Hashes]:
    """The hashes of each of `count` owners, who stand there in order."""
    starts = np.searchsorted(owners, np.arange(count + 1))
    return [hashes[begin:end] for begin, end in pairwise(starts)]


def side_by_side(left: Hashed, right: Hashed) -> Hashed:
    """Each text of `left` followed by the one of `right`, as one."""
    starts = left.starts + right.starts
    hashes = np.empty(starts[-1], np.uint64)
    hashes[np.arange(len(left.hashes)) + right.starts[left.owners]] = left.hashes
    hashes[np.arange(len(right.hashes)) + left.starts[right.owners + 1]] = right.hashes
    return Hashed(hashes, starts)


class Texts(Hashed):
    """Texts of consecutive rows, with their words once for all checks."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)
        both = _hashed_texts(self.texts)
        super().__init__(both.hashes, both.starts)

    @cached_property
    def words(self) -> list[list[str]]:
        """Each text's words; hashes do without them, so ask only where words are shown or looked up."""
        return [words(text) for text in self.texts]

    @cached_property
    def keys(self) -> Hashes:
        """A key for each text after NORMALISATION."""
        return np.array([key(squeezed(text)) for text in self.texts], dtype=np.uint64)

    @cached_property
    def folded_keys(self) -> Hashes:
        """A key for each text with only case and white space folded."""
        return np.array([key(folded(text)) for text in self.texts], dtype=np.uint64)


def _hashed_texts(texts: Sequence[str]) -> Hashed:
    """Those in ASCII by whole arrays, the others word by word."""
    plain = [as_ascii(text) for text in texts]
    quick = Hashed(*hash_texts([text or "" for text in plain]))
    if None not in plain:
        return quick
    return side_by_side(
        quick, hashed([words(text) if one is None else () for text, one in zip(texts, plain, strict=True)])
    )
