"""Words of many texts as hashes, without making a string of each: what an audit spends most of its time on.

A word's hash folds its UTF-8 bytes eight at a time, so that English is hashed by whole arrays, and any other text word
by word, to the same values in every process and on every day.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import chain

import numpy as np
from numpy.typing import NDArray

NORMALISATION = "NFKC, case folded, without punctuation and white space"

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

_ASCII_WORD = re.compile(r"[a-z0-9_]+")
_WORD = re.compile(  # scripts that are written without spaces: a character each
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f]|[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f]+"
)
_FOREIGN_MARKS = re.compile(r"[^\w\x00-\x7f]+")  # dashes and quotation marks, mostly
_MAX_KNOWN = 1_000_000
_LONG = 64  # bytes of a word from which it is hashed by itself

_MARK = b"_"
_BETWEEN_NUMBERS = re.compile(rb"(?<=[0-9])[^A-Za-z0-9_\x80-\xff]+(?=[0-9])")
_FOLD = np.array(
    [ord(chr(c).lower()) if c < 128 and (chr(c).isalnum() or c == 95) else 0 for c in range(256)], np.uint8
)
_FOLDED = bytes(_FOLD)
_NO_WORD = bytes(c for c in range(256) if not _FOLD[c])
_MASKS = np.array([(1 << 8 * length) - 1 for length in range(9)], np.uint64)
_ONE, _TWO = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93  # odd
_ALL = (1 << 64) - 1


def words(text: str) -> list[str]:
    """The text's words after NORMALISATION."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def squeezed(text: str) -> bytes:
    """The text's words without anything between them, but a mark between numbers: 1 + 23 is not 12 + 3."""
    if text.isascii():
        return _BETWEEN_NUMBERS.sub(_MARK, text.encode()).translate(_FOLDED, _NO_WORD)
    marked = _BETWEEN_NUMBERS.sub(_MARK, " ".join(words(text)).encode("utf-8", "surrogatepass"))
    return marked.replace(b" ", b"")


def key(text: str | bytes) -> int:
    """64 bits of BLAKE2b: equal texts, equal keys; among a million texts two others share one with 3e-8."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "little")


def word_hash(word: str) -> int:
    """One word's hash, as `hash_texts` has it."""
    raw = word.encode("utf-8", "surrogatepass")
    if len(raw) > _LONG:
        return key(raw)
    value = len(raw)
    for begin in range(0, len(raw), 8):
        value = (value ^ int.from_bytes(raw[begin : begin + 8], "little")) * _ONE & _ALL
        value = (value ^ value >> 32) * _TWO & _ALL
    return value


class _Known(dict[str, int]):
    """Hashes of words that were met."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _MAX_KNOWN:
            self.clear()
        value = self[word] = word_hash(word)
        return value


_known = _Known()


def hash_words(texts: Sequence[Iterable[str]], count: int) -> Hashes:
    """Hashes of words that are known as such, `count` in all."""
    return np.fromiter(map(_known.__getitem__, chain.from_iterable(texts)), np.uint64, count)


def hash_texts(texts: Sequence[str]) -> tuple[Hashes, Places]:
    """Hashes of all words of ASCII texts, one behind the other, and where each text's begin; one place more."""
    raw = b"\0%b\0" % "\0".join(texts).encode("ascii") + bytes(8)
    folded = _FOLD[np.frombuffer(raw, np.uint8)]
    inside = folded != 0
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    begins, ends = edges[0::2], edges[1::2]
    offsets = np.cumsum([1, *(len(text) + 1 for text in texts)])
    return _hash_spans(folded, begins, ends - begins), np.searchsorted(begins, offsets)


def _hash_spans(folded: NDArray[np.uint8], begins: Places, lengths: Places) -> Hashes:
    """Hashes of runs of bytes, behind whose last there are eight more."""
    eight = np.ndarray((len(folded) - 7,), "<u8", folded, strides=(1,))
    hashes = lengths.astype(np.uint64)
    longer = np.arange(len(begins))
    for done in range(0, _LONG, 8):
        part = eight[begins[longer] + done] & _MASKS[np.minimum(lengths[longer] - done, 8)]
        value = (hashes[longer] ^ part) * np.uint64(_ONE)
        hashes[longer] = (value ^ value >> np.uint64(32)) * np.uint64(_TWO)
        longer = longer[lengths[longer] > done + 8]
        if not len(longer):
            return hashes
    for place in longer.tolist():
        hashes[place] = key(folded[begins[place] : begins[place] + lengths[place]].tobytes())
    return hashes


def as_ascii(text: str) -> str | None:
    """The text, or what NORMALISATION leaves of it where that is ASCII; None where it is not."""
    if text.isascii():
        return text
    plain = _FOREIGN_MARKS.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return plain if plain.isascii() else None
