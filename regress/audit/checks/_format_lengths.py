"""Rows that do not fit: longer than training takes, or than the base's positions reach.

Tokens are counted only where it could matter. No tokenizer makes more tokens than a text has bytes, so short rows need
no counting. Of a chunk's other rows some are counted, which says how many bytes a token usually has here; then those
nearest to the limit are, and the rest, far from it, are estimated: a million rows stay cheap whatever the limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from regress.audit.checks._base import tokenizer, window
from regress.audit.checks._wording import EVIDENCE, Wording
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.rows.row import Row
from regress.schema import Evidence, Message, Severity, Skipped

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SAMPLE = 64  # rows of a chunk that are counted, for the usual bytes a token
NEAR = 192  # that are counted because they are nearest to the limit

Sizes = NDArray[np.int64]
TooLong = tuple[int, int, bool]
"""A row's number, its tokens, and whether the prompt alone is too long."""

TOO_LONG = Wording(
    "format/too-long", Severity.WARN, 1.0, ("has", "have"), "more tokens than training takes",
    "What is too long is cut from its end: neither the rest of the reply nor the end token is learned.",
    "Raise train.max_length if the memory allows it, or shorten or split these rows.",
)  # fmt: skip


class Lengths:
    """Kept are only the rows that are too long."""

    def __init__(self, context: Context) -> None:
        reach = None if context.base is None else window(context.base)
        self._base: Path | None = context.base
        self._limit = context.max_length if reach is None else min(reach, context.max_length)
        self._reach = reach
        self._counted = False
        self._looked_at = 0
        self._long: list[TooLong] = []

    def look(self, chunk: Chunk) -> tuple[int, list[TooLong] | None]:
        known = None if self._base is None else tokenizer(self._base)
        return len(chunk.rows), None if known is None else _too_long(known, chunk.rows, self._limit)

    def add(self, seen: tuple[int, list[TooLong] | None]) -> None:
        self._looked_at += seen[0]
        if seen[1] is not None:
            self._counted = True
            self._long += seen[1]

    def finish(self, again: Again) -> Found:
        if not self._counted:
            reason = "rows were not counted in tokens: the base's tokenizer.json is not here"
            return Found(skipped=(Skipped(check="format/too-long", reason=reason),))
        figures = {"too_long": len(self._long), "max_tokens": self._limit}
        if not self._long:
            return Found(figures=figures)
        lost = sum(prompt for _, _, prompt in self._long)
        more = f"The limit is {self._limit:,} tokens, without the template's own; rows far from it are estimated."
        if self._reach is not None and self._reach <= self._limit:
            more += " The base's positions reach no further."
        if lost:
            more += f" Of about {lost:,} the prompt alone is longer: of their replies nothing is learned."
        longest = sorted(self._long, key=lambda row: -row[1])[:EVIDENCE]
        evidence = [Evidence(row=row, text="", detail=f"about {tokens:,} tokens") for row, tokens, _ in longest]
        rows = [row for row, _, _ in self._long]
        finding = TOO_LONG.finding(rows, self._looked_at, more=more, evidence=evidence, figures={"prompt_alone": lost})
        return Found(findings=(finding,), figures=figures)


def _too_long(known: Tokenizer, rows: list[Row], limit: int) -> list[TooLong]:
    asked = np.array([_bytes(row.turns[:-1]) for row in rows])
    sizes = asked + [_bytes(row.turns[-1:]) for row in rows]
    possible = np.flatnonzero(sizes > limit)
    if not len(possible):
        return []
    sample = possible[:: max(1, len(possible) // SAMPLE)].tolist()
    counted = {index: count_tokens(known, rows[index].turns) for index in sample}
    prompts = {index: count_tokens(known, rows[index].turns[:-1]) for index in sample}
    estimates = sizes / _usual(sizes, counted)
    nearest = possible[np.argsort(np.abs(estimates[possible] - limit), kind="stable")[:NEAR]].tolist()
    counted |= {index: count_tokens(known, rows[index].turns) for index in nearest if index not in counted}
    alone = asked / _usual(asked, prompts) >= limit
    tokens = ((index, counted.get(index, int(estimates[index]))) for index in possible.tolist())
    return [(rows[index].number, count, bool(alone[index])) for index, count in tokens if count > limit]


def _usual(sizes: Sizes, counted: Mapping[int, int]) -> float:
    """Bytes a token, the median of the rows that were counted."""
    return float(np.median([max(1, sizes[index]) / max(1, count) for index, count in counted.items()]))


def _bytes(turns: Sequence[Message]) -> int:
    return sum(len(turn.content.encode("utf-8", "replace")) for turn in turns)


def count_tokens(known: Tokenizer, turns: Sequence[Message]) -> int:
    """Tokens of these turns, without what a template puts around them."""
    texts = (turn.content.encode("utf-8", "replace").decode() for turn in turns)
    return sum(len(known.encode(text, add_special_tokens=False)) for text in texts)
