"""Training data as examples: every file and shape that `regress audit` reads; a broken row is refused by its line.

Every turn of the assistant in a conversation becomes an example of its own, behind everything that came before it: that
is what the model will see when it is asked, whatever its template does with turns that are past.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.errors import DataError, TrainingError
from regress.rows.forms import read_row, recognise
from regress.rows.opening import open_source
from regress.rows.row import Form, Row, RowFault
from regress.rows.source import value_of
from regress.schema import Message

MAX_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One thing to learn: what follows `prompt`, or which of two replies is better."""

    line: int
    prompt: tuple[Message, ...]
    completion: str = ""  # sft
    chosen: str = ""  # dpo
    rejected: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Data as it was read. `digest` is the source's, as `regress lock --training-data` and `audit` have it."""

    path: Path
    digest: str
    rows: int
    examples: tuple[Example, ...]
    unused: Mapping[str, int]  # keys that mean nothing here, and in how many rows they stand


def read_data(path: Path, objective: str) -> TrainingData:
    """Every row, or TrainingError for the first that is broken, with its line."""
    try:
        return _read(path, objective)
    except DataError as reason:
        raise TrainingError(f"{reason} It is train.data in regress.yaml.") from reason


def _read(path: Path, objective: str) -> TrainingData:
    source = open_source(str(path))
    if source.size > MAX_BYTES:
        raise TrainingError(f"is larger than {MAX_BYTES:,} bytes.", path=path)
    digest = source.digest()
    examples: list[Example] = []
    unused: Counter[str] = Counter()
    rows = 0
    for block in source.blocks():
        for number, raw in zip(block.numbers, block.raw, strict=True):
            rows += 1
            try:
                value = value_of(raw)
                examples += _examples(read_row(value, number, ()), objective)
            except RowFault as fault:
                file, line = source.place(number)
                raise TrainingError(f"{fault}.", path=Path(file), line=line) from fault
            unused.update(_unused(value))
    if not examples:
        raise TrainingError("holds no row, so there is nothing to learn.", path=path)
    if source.digest() != digest:
        raise TrainingError("changed while it was read. Leave it alone, and begin again.", path=path)
    return TrainingData(
        path=path, digest=digest, rows=rows, examples=tuple(examples), unused=dict(sorted(unused.items()))
    )


def _unused(value: Any) -> set[str]:
    """The row's keys that no shape takes."""
    if not isinstance(value, dict):
        return set()
    _, columns = recognise(tuple(name for name, content in value.items() if content is not None), ())
    return value.keys() - dict(columns).values()


def _examples(row: Row, objective: str) -> Iterator[Example]:
    """What one row teaches; raises RowFault where it teaches something else than the objective learns."""
    if (row.form is Form.PAIR) != (objective == "dpo"):
        wanted = "pairs (prompt, chosen, rejected)" if objective == "dpo" else "what to answer (prompt, completion)"
        raise RowFault(
            f"the row holds {row.form.value}, and train.objective is {objective}, which learns from {wanted}"
        )
    if row.form is Form.TEXT:
        raise RowFault("holds a text without a prompt, so nobody asks for what it would teach")
    if any(turn.role == "tool" for turn in row.turns):
        raise RowFault("calls a tool, which every chat template writes in its own way: not learned here")
    if row.form is Form.PAIR:
        yield Example(line=row.number, prompt=row.turns[:-1], chosen=row.reply, rejected=row.rejected or "")
        return
    for place, turn in enumerate(row.turns):
        if turn.role == "assistant":
            if not any(before.role == "user" for before in row.turns[:place]):
                raise RowFault("the assistant speaks before any user does")
            yield Example(line=row.number, prompt=row.turns[:place], completion=turn.content)
