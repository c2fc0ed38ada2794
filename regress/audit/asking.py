"""A sample of what users ask: from production logs, which need not hold anything to learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from regress.errors import DataError
from regress.rows.forms import ALIASES, Columns, read_row
from regress.rows.row import RowFault
from regress.rows.source import Source, value_of

COLUMNS = (*ALIASES["prompt"], *ALIASES["instruction"], *ALIASES["text"], *ALIASES["input"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One prompt and the number of its row."""

    number: int
    prompt: str


def sample_prompts(source: Source, size: int, seed: int, mapped: Columns = ()) -> tuple[list[Asked], int]:
    """At most `size` prompts, each row as likely as any other, in order, and how many rows there are with a prompt.

    One sequential pass with a reservoir (Vitter 1985, algorithm R), so memory does not depend on the log's length.
    Raises DataError where no row holds a prompt.
    """
    rng = np.random.default_rng(seed)
    kept: list[Asked] = []
    seen = 0
    fault = "it is empty"
    for block in source.blocks():
        for number, raw in zip(block.numbers, block.raw, strict=True):
            try:
                asked = Asked(number=number, prompt=prompt_of(value_of(raw), number, mapped))
            except RowFault as reason:
                fault = f"row {number} {reason}"
                continue
            seen += 1
            if len(kept) < size:
                kept.append(asked)
            elif (place := int(rng.integers(seen))) < size:
                kept[place] = asked
    if not kept:
        raise DataError(f"{source.name} holds no prompt: {fault}. Name one of the columns {', '.join(COLUMNS)}.")
    return sorted(kept, key=lambda one: one.number), seen


def prompt_of(value: Any, number: int, mapped: Columns = ()) -> str:
    """The user's last words in a row of any known shape, or in a column of COLUMNS alone; raises RowFault."""
    if isinstance(value, str) and value.strip():
        return value
    named = tuple(theirs for ours, theirs in mapped if ours in ("prompt", "instruction", "text"))
    if isinstance(value, Mapping) and "messages" not in value and "conversations" not in value:
        for name in (*named, *COLUMNS):
            if isinstance(text := value.get(name), str) and text.strip():
                more = value.get("input") if name == "instruction" else None
                return f"{text}\n\n{more}" if isinstance(more, str) and more.strip() else text
    prompt = _last_asked(value) or read_row(value, number, ()).prompt
    if not prompt.strip():
        raise RowFault("holds nothing that a user asks")
    return prompt


def _last_asked(value: Any) -> str | None:
    """Of a conversation without an answer, which `read_row` refuses."""
    turns = value.get("messages") or value.get("conversations") if isinstance(value, Mapping) else None
    for turn in reversed(turns) if isinstance(turns, list) else ():
        if isinstance(turn, Mapping) and turn.get("role", turn.get("from")) in ("user", "human", "prompter"):
            content = turn.get("content", turn.get("value"))
            return content if isinstance(content, str) else None
    return None
