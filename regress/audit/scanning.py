"""Texts of many rows searched at once, in one pass of RE2: rows without a hit cost next to nothing."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from regress.scorers._re2 import Scanner

MAX_HITS = 1_000
AROUND = 40
"""Bytes of the text on either side that come with a hit."""


@dataclass(frozen=True, slots=True)
class Place:
    """A hit within its text. Bytes that are no whole character of UTF-8 are replaced in the strings."""

    owner: int  # index of the text
    name: str  # of the pattern
    text: str
    before: str
    after: str
    start: int  # in the text, in bytes
    end: int
    length: int  # of the whole text, in bytes


class Joined:
    """Texts one behind the other, a newline between two: patterns must not match newlines."""

    def __init__(self, texts: Sequence[str]) -> None:
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        self._joined = b"\n".join(encoded)
        self._starts = [0, *accumulate(len(one) + 1 for one in encoded)]

    def places(self, scanner: Scanner) -> Iterator[Place]:
        """Hits from left to right, the first MAX_HITS of each text: a text made of hits must not take minutes."""
        owner, count, end = -1, 0, 0
        for hit in scanner.hits(self._joined):
            count += 1
            if hit.start >= end:
                owner, count = bisect_right(self._starts, hit.start) - 1, 1
                end = self._starts[owner + 1]
            if count > MAX_HITS:
                continue
            first, last = self._starts[owner], self._starts[owner + 1] - 1
            yield Place(
                owner=owner,
                name=hit.name,
                text=self._part(hit.start, hit.end),
                before=self._part(max(first, hit.start - AROUND), hit.start),
                after=self._part(hit.end, min(last, hit.end + AROUND)),
                start=hit.start - first,
                end=hit.end - first,
                length=last - first,
            )

    def _part(self, start: int, end: int) -> str:
        return self._joined[start:end].decode("utf-8", "replace")
