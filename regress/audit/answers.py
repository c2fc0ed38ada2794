"""What replies are: labels, numbers, JSON or free text, so that only what has one answer is held to one."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from regress.audit.words import Hashes, Places, folded, key
from regress.rows.row import Row
from regress.strict_json import JsonFault, parse

MAX_LABEL_WORDS = 8
MAX_LABEL_CHARS = 100
MAX_JSON = 20_000  # characters that are parsed
MIN_LABEL_ROWS = 5
"""So many rows make a short reply a label, and so many a label needs to be learned and cross-validated."""

FEW = 0.02
"""Share of distinct replies among all below which the data is a classification, however long its replies are."""

_NUMBER = re.compile(r"[-+]?[$€£]?\d[\d,.]*(e[-+]?\d+)?%?")

Flags = npt.NDArray[np.bool_]
Kinds = npt.NDArray[np.uint8]


class Kind(IntEnum):
    """What one reply looks like."""

    TEXT = 0
    SHORT = 1  # no sentence: a label, if others answer the same
    NUMBER = 2
    JSON = 3


def kind_and_key(reply: str) -> tuple[Kind, int]:
    """What a reply looks like, and a key that is equal for answers that say the same."""
    text = reply.strip()
    if text[:1] in ("{", "[") and len(text) <= MAX_JSON:
        try:
            return Kind.JSON, key(json.dumps(parse(text).value, sort_keys=True))
        except JsonFault:
            return Kind.TEXT, key(folded(text))
    plain = folded(text).rstrip(".")
    if len(text) > MAX_LABEL_CHARS:
        return Kind.TEXT, key(plain)
    if _NUMBER.fullmatch(plain):
        return Kind.NUMBER, key(plain.replace(",", ""))
    count = plain.count(" ") + 1
    sentence = text[-1:] in "!?…:" or (text[-1:] == "." and count > 1)
    return Kind.SHORT if count <= MAX_LABEL_WORDS and not sentence else Kind.TEXT, key(plain)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The last replies of all rows, in order: 9 bytes a row."""

    keys: Hashes
    kinds: Kinds

    @cached_property
    def _grouped(self) -> tuple[Places, Places, Places]:
        _, firsts, groups, counts = np.unique(self.keys, return_index=True, return_inverse=True, return_counts=True)
        return firsts.astype(np.int64), groups.astype(np.int64), counts.astype(np.int64)

    @property
    def firsts(self) -> Places:
        """Index of the first row with each distinct reply."""
        return self._grouped[0]

    @property
    def groups(self) -> Places:
        """For each row, which distinct reply it gives."""
        return self._grouped[1]

    @property
    def counts(self) -> Places:
        """Rows of each distinct reply."""
        return self._grouped[2]

    @property
    def distinct(self) -> int:
        return len(self.counts)

    @cached_property
    def few(self) -> bool:
        """Whether so few replies are given again and again that each of them is a class."""
        return self.distinct <= max(2, FEW * len(self.keys)) and len(self.keys) >= 2 * MIN_LABEL_ROWS

    @cached_property
    def labels(self) -> Flags:
        """Rows whose reply is a label: short, or one of few, and given by several rows.

        Numbers are labels only where few of them are given often (stars, 0 and 1), not as results of a sum.
        """
        often = self.counts[self.groups] >= MIN_LABEL_ROWS
        if self.few:
            return often
        numbers = self.kinds == Kind.NUMBER
        distinct = len(np.unique(self.keys[numbers]))
        scale = distinct <= 20 and np.count_nonzero(numbers) >= 20 * distinct
        result: Flags = often & ((self.kinds == Kind.SHORT) | (numbers & scale))
        return result

    @cached_property
    def settled(self) -> Flags:
        """Rows that have one right answer: labels, numbers, JSON."""
        result: Flags = self.labels | (self.kinds == Kind.NUMBER) | (self.kinds == Kind.JSON)
        return result


def look_at_answers(rows: Sequence[Row]) -> Answers:
    """The answers of a chunk."""
    pairs = [kind_and_key(row.reply) for row in rows]
    return Answers(
        keys=np.array([key for _, key in pairs], dtype=np.uint64),
        kinds=np.array([kind for kind, _ in pairs], dtype=np.uint8),
    )


def together(parts: Sequence[Answers]) -> Answers:
    """Those of all chunks."""
    return Answers(
        keys=np.concatenate([part.keys for part in parts]), kinds=np.concatenate([part.kinds for part in parts])
    )
