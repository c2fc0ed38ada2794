"""Texts as words and n-grams, for many rows at once: what nearly every check looks at."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import blake2b
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

NORMALISATION = "NFKC, case folded, without punctuation and white space"

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

_ASCII_WORD = re.compile(r"[a-z0-9_]+")
_WORD = re.compile(  # scripts that are written without spaces: a character each
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f]|[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f]+"
)
_PRIME = 0x9E3779B97F4A7C15  # 2**64 / golden ratio, odd
_MAX_KNOWN = 1_000_000


def words(text: str) -> list[str]:
    """The text's words after NORMALISATION."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def folded(text: str) -> str:
    """The text with case and white space folded, and nothing else."""
    return " ".join(text.split()).casefold()


def key(text: str) -> int:
    """64 bits of BLAKE2b: equal texts, equal keys; among a million texts two others share one with 3e-8."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class _Known(dict[str, int]):
    """Words by their hash, which is the same in every process and on every day."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _MAX_KNOWN:
            self.clear()
        value = self[word] = key(word)
        return value


_known = _Known()


def _hashes(texts: Iterable[Iterable[str]], count: int) -> Hashes:
    return np.fromiter(map(_known.__getitem__, chain.from_iterable(texts)), np.uint64, count)


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
        inside = np.flatnonzero(self.owners[:count] == self.owners[n - 1 :])
        mixed = self._run(n)[inside]
        mixed ^= mixed >> np.uint64(29)
        return mixed, self.owners[inside].astype(np.int64)

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
    return Hashed(_hashes(texts, int(starts[-1])), starts)


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
        self._runs = {}

    @cached_property
    def words(self) -> list[list[str]]:
        return [words(text) for text in self.texts]

    @cached_property
    def starts(self) -> Places:  # type: ignore[override]
        return np.concatenate(([0], np.cumsum([len(found) for found in self.words]))).astype(np.int64)

    @cached_property
    def hashes(self) -> Hashes:  # type: ignore[override]
        return _hashes(self.words, int(self.starts[-1]))

    @cached_property
    def keys(self) -> Hashes:
        """A key for each text after NORMALISATION."""
        return np.array([key("".join(found)) for found in self.words], dtype=np.uint64)

    @cached_property
    def folded_keys(self) -> Hashes:
        """A key for each text with only case and white space folded."""
        return np.array([key(folded(text)) for text in self.texts], dtype=np.uint64)
