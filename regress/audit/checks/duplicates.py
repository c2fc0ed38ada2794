"""Rows that stand there more than once: learned twice as hard, and worth one row's evidence."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from regress.audit.protocol import Again, Chunk, Context, Found
from regress.audit.words import Hashes, Places
from regress.schema import Evidence, Finding, Severity

Seen = tuple[Places, Hashes]


class Duplicates:
    """Exact repetitions of prompt and reply together, case and white space folded."""

    name: ClassVar[str] = "duplicates"

    def __init__(self, context: Context) -> None:
        self._numbers: list[Places] = []
        self._keys: list[Hashes] = []

    def look(self, chunk: Chunk) -> Seen:
        numbers = np.array([row.number for row in chunk.rows], dtype=np.int64)
        with np.errstate(over="ignore"):
            return numbers, chunk.prompts.folded_keys * np.uint64(3) + chunk.replies.folded_keys

    def add(self, seen: Seen) -> None:
        self._numbers.append(seen[0])
        self._keys.append(seen[1])

    def finish(self, again: Again) -> Found:
        numbers, keys = np.concatenate(self._numbers), np.concatenate(self._keys)
        _, firsts, group = np.unique(keys, return_index=True, return_inverse=True)
        first = firsts[group]
        repeated = np.flatnonzero(first != np.arange(len(keys)))
        if not len(repeated):
            return Found(figures={"duplicates": 0})
        return Found(
            figures={"duplicates": len(repeated)},
            findings=(
                Finding(
                    rule="duplicates/exact",
                    severity=Severity.WARN,
                    title=f"{len(repeated):,} rows repeat an earlier one word for word",
                    detail="They weigh as much as two rows in training and teach as much as one.",
                    advice="Take the repetitions out: --fix keeps the first of each.",
                    count=len(repeated),
                    of=len(keys),
                    harm=len(repeated) / len(keys),
                    evidence=tuple(
                        Evidence(row=int(numbers[index]), text="", item=f"row {numbers[first[index]]}")
                        for index in repeated[:20]
                    ),
                    removable=tuple(numbers[repeated].tolist()),
                ),
            ),
        )
