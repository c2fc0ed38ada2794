"""A check by itself: rows as chunks, a small suite to hold them against, the same rows again."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Collection, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np

from regress.audit.protocol import Check, Chunk, Context, Found
from regress.audit.words import Places
from regress.rows.forms import read_row
from regress.rows.row import Row
from regress.schema import GenerationSettings, Item, Message, ScorerSpec, Suite
from regress.schema.words import Ask, Category, PromptStyle, Role

Seen = TypeVar("Seen")


def an_item(number: int, asked: str | Sequence[str], target: str | None = None, **more: Any) -> Item:
    turns = (asked,) if isinstance(asked, str) else tuple(asked)
    messages = tuple(Message(role="user", content=turn) for turn in turns)
    targets = () if target is None else (target,)
    return Item(id=f"q{number}", messages=messages, targets=targets, digest="", line=number, **more)


def a_suite(items: Sequence[Item], name: str = "orders", margin: str = "0.02") -> Suite:
    return Suite(
        name=name,
        version=1,
        category=Category.DOMAIN,
        role=Role.PROTECT,
        ask=Ask.GENERATE,
        prompt=PromptStyle.CHAT,
        generation=GenerationSettings(),
        scorer=ScorerSpec(name="exact_match"),
        margin=Decimal(margin),
        items=tuple(items),
        path="",
        items_path="",
    )


def rows(*pairs: tuple[str, str] | dict[str, Any]) -> list[Row]:
    """Prompts with their completions, or rows as they stand in a file; numbered from 1."""
    values = [pair if isinstance(pair, dict) else {"prompt": pair[0], "completion": pair[1]} for pair in pairs]
    return [read_row(value, number, ()) for number, value in enumerate(values, start=1)]


class Kept:
    """`Again` over rows that are still there."""

    def __init__(self, kept: Sequence[Row], size: int) -> None:
        self._kept = {row.number: row for row in kept}
        self._size = size

    @property
    def numbers(self) -> Places:
        return np.array(sorted(self._kept), dtype=np.int64)

    def rows(self, numbers: Collection[int]) -> dict[int, Row]:
        return {number: self._kept[number] for number in numbers}

    def sample(self, size: int) -> list[Row]:
        return list(self._kept.values())[:size]

    def scan(self, look: Callable[[Chunk], Seen]) -> Iterator[Seen]:
        return (pickle.loads(pickle.dumps(look))(chunk) for chunk in chunks(list(self._kept.values()), self._size))


def chunks(of: Sequence[Row], size: int) -> list[Chunk]:
    return [Chunk(list(of[begin : begin + size])) for begin in range(0, len(of), size)]


def conclude(make: Callable[[Context], Check], of: Sequence[Row], *suites: Suite, size: int = 7, **more: Any) -> Found:
    """What a check finds in the rows; the looking is done by a copy, as in a worker."""
    check = make(Context(suites=suites, **more))
    worker = pickle.loads(pickle.dumps(check))
    for chunk in chunks(of, size):
        check.add(pickle.loads(pickle.dumps(worker.look(chunk))))
    return check.finish(Kept(of, size))
