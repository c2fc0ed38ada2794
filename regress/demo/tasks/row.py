"""One question with its right answer, and the rule that keeps test questions out of training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

TEST_SHARE = 0.2
_GIVE_UP = 400  # draws without a new row, for each row wanted


class Split(StrEnum):
    """Which side of the hash a content falls on."""

    TRAIN = "train"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`answer` is the reply that is taught; `choices` and `schema` are what a suite needs to score another one."""

    prompt: str
    answer: str
    slice: str
    choices: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None


def split_of(content: str) -> Split:
    """TEST for a fifth of all contents, decided by SHA-256 alone."""
    first = int.from_bytes(hashlib.sha256(content.encode()).digest()[:4], "big")
    return Split.TEST if first < TEST_SHARE * 2**32 else Split.TRAIN


def distinct(draw: Callable[[Random], Row], rng: Random, count: int, split: Split) -> list[Row]:
    """`count` rows with different prompts from `draw`, those whose prompt belongs to the split.

    Raises ValueError when the task cannot make so many.
    """
    rows: dict[str, Row] = {}
    for _ in range(count * _GIVE_UP):
        if len(rows) == count:
            break
        row = draw(rng)
        if split_of(row.prompt) is split:
            rows.setdefault(row.prompt, row)
    if len(rows) < count:
        raise ValueError(f"only {len(rows)} different rows of {count}")
    return list(rows.values())
