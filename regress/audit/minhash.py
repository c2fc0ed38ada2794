"""MinHash signatures for a whole chunk at once: which texts are nearly the same, without comparing all with all.

One-permutation hashing with rotation (Shrivastava and Li 2014, ICML, "Densifying one permutation hashing via rotation
for fast near neighbor search"): one hash of a shingle falls into one of BINS bins, and a bin keeps its least. ROUNDS
independent rounds make short texts, which leave bins empty, less of a lottery. Shingles are runs of two words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from regress.audit.words import Hashed, Hashes, Places

BINS, ROUNDS = 16, 3
VALUES = BINS * ROUNDS

Signatures = NDArray[np.uint32]
"""A row for each text, VALUES values each; all EMPTY where a text has no shingle."""

EMPTY = np.uint32(0xFFFFFFFF)
_SEEDS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_LENT = (np.arange(BINS, dtype=np.uint64) * np.uint64(0x85EBCA6B)).astype(np.uint32)  # by distance


def shingles(texts: Hashed) -> tuple[Hashes, Places]:
    """Runs of two words, and of one in texts that have no more, with the text each belongs to."""
    pairs, owners = texts.ngrams(2)
    alone = np.flatnonzero(texts.lengths == 1)
    if not len(alone):
        return pairs, owners
    owners = np.concatenate([owners, alone])
    order = np.argsort(owners, kind="stable")
    return np.concatenate([pairs, texts.hashes[texts.starts[alone]]])[order], owners[order]


def signatures(hashes: Hashes, owners: Places, texts: int) -> Signatures:
    """One signature for each of `texts` texts, from their shingles; the share of equal values estimates Jaccard's."""
    rounds = []
    for seed in _SEEDS[:ROUNDS]:
        mixed = (hashes ^ np.uint64(seed)) * _MIX
        mixed ^= mixed >> np.uint64(32)
        mixed *= _MIX
        least = np.full(texts * BINS, EMPTY, np.uint32)
        np.minimum.at(least, owners * BINS + (mixed >> np.uint64(60)).astype(np.int64), mixed.astype(np.uint32))
        rounds.append(_filled(least.reshape(texts, BINS)))
    return np.concatenate(rounds, axis=1)


def _filled(least: Signatures) -> Signatures:
    """Empty bins take over the next one's value, changed by its distance so that it stands for another hash."""
    found = least.copy()
    for step in range(1, BINS):
        empty = found == EMPTY
        if not empty.any():
            break
        lent = np.roll(least, -step, axis=1)
        found = np.where(empty & (lent != EMPTY), lent + _LENT[step], found)
    return found


def bands(of: Signatures, rows: int) -> Hashes:
    """Keys for runs of `rows` values, (texts, VALUES // rows): texts that share a key may be alike."""
    count = VALUES // rows
    parts = of[:, : count * rows].reshape(len(of), count, rows).astype(np.uint64)
    keys = np.broadcast_to(np.arange(1, count + 1, dtype=np.uint64) * _MIX, parts.shape[:2]).copy()
    for place in range(rows):
        keys = (keys ^ parts[:, :, place]) * _MIX
        keys ^= keys >> np.uint64(31)
    return keys


def jaccard(one: Hashes, other: Hashes) -> float:
    """Shared of all shingles of two texts, exactly; both without repetitions. Two empty texts are the same."""
    if not len(one) and not len(other):
        return 1.0
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)
