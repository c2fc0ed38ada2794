"""Texts as words and n-grams, for many rows at once: what nearly every check looks at."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b

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


class Texts:
    """Texts of consecutive rows, with their words once for all checks.

    `hashes` holds one 64-bit hash a word, of all texts one behind the other; text i has those from `starts[i]` to
    `starts[i + 1]`.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)

    @cached_property
    def words(self) -> list[list[str]]:
        return [words(text) for text in self.texts]

    @cached_property
    def starts(self) -> Places:
        return np.concatenate(([0], np.cumsum([len(found) for found in self.words]))).astype(np.int64)

    @cached_property
    def hashes(self) -> Hashes:
        flat = [_known[word] for found in self.words for word in found]
        return np.array(flat, dtype=np.uint64)

    @cached_property
    def keys(self) -> Hashes:
        """A key for each text after NORMALISATION."""
        return np.array([key(" ".join(found)) for found in self.words], dtype=np.uint64)

    @cached_property
    def folded_keys(self) -> Hashes:
        """A key for each text with only case and white space folded."""
        return np.array([key(folded(text)) for text in self.texts], dtype=np.uint64)

    def ngrams(self, n: int) -> tuple[Hashes, Places]:
        """Hashes of all runs of n words within a text, and which text each belongs to."""
        count = len(self.hashes) - n + 1
        if count <= 0:
            return np.empty(0, np.uint64), np.empty(0, np.int64)
        owners = np.repeat(np.arange(len(self.texts)), np.diff(self.starts))
        inside = owners[:count] == owners[n - 1 :]
        mixed = np.zeros(count, np.uint64)
        for offset in range(n):
            mixed = mixed * np.uint64(_PRIME) + self.hashes[offset : offset + count]
        mixed ^= mixed >> np.uint64(29)
        return mixed[inside], owners[:count][inside]
