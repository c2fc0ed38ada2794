"""What every format of file is read as: blocks of raw rows, in order, as often as wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from regress.rows.forms import Columns, read_row, recognise
from regress.rows.row import Broken, Row, RowFault
from regress.strict_json import JsonFault, parse

BLOCK_ROWS = 2048
BLOCK_BYTES = 8 * 2**20
MAX_ROW_BYTES = 4 * 2**20
MAX_BYTES = 64 * 2**30
MAX_ROWS = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Consecutive rows before they are parsed: JSON texts as bytes, records of a table, or why there is none.

    `done` is how much of the source lies behind the block's end, in 0..1.
    """

    numbers: tuple[int, ...]
    raw: tuple[bytes | dict[str, Any] | RowFault, ...]
    done: float


class Source(Protocol):
    """A file, or a split of a data set. `name` is for messages; `blocks` can be called again and yields the same."""

    @property
    def name(self) -> str: ...

    def digest(self) -> str:
        """`sha256:<hex>` of what is there now, as training records have it; raises DataError."""

    @property
    def size(self) -> int:
        """Bytes on disk, 0 where not known."""

    def blocks(self) -> Iterator[Block]:
        """Every row, numbers ascending. Raises DataError where the file as a whole cannot be read."""

    def place(self, number: int) -> tuple[str, int]:
        """File and line, or file and count, of a row with this number, once `blocks` came by it."""


def read_block(block: Block, mapped: Columns) -> tuple[list[Row], list[Broken]]:
    """The block's rows, and those that cannot be read with the reason: none is left out silently."""
    rows: list[Row] = []
    broken: list[Broken] = []
    for number, raw in zip(block.numbers, block.raw, strict=True):
        try:
            rows.append(read_row(value_of(raw), number, mapped))
        except RowFault as fault:
            broken.append(Broken(number=number, reason=str(fault)))
    return rows, broken


def columns_of(block: Block, mapped: Columns) -> tuple[Columns, tuple[str, ...]]:
    """How the first readable row's columns are taken, and which are not; nothing where rows have no names."""
    for raw in block.raw:
        with suppress(RowFault):
            value = value_of(raw)
            if isinstance(value, dict):
                names = tuple(name for name, content in value.items() if content is not None)
                _, columns = recognise(names, mapped)
                return columns, tuple(name for name in value if name not in dict(columns).values())
    return (), ()


def value_of(raw: bytes | dict[str, Any] | RowFault) -> Any:
    """The parsed row; raises RowFault."""
    if isinstance(raw, RowFault):
        raise raw
    if isinstance(raw, dict):
        return raw
    if len(raw) > MAX_ROW_BYTES:
        raise RowFault(f"the row is longer than {MAX_ROW_BYTES:,} bytes")
    try:
        parsed = parse(raw)
    except JsonFault as reason:
        raise RowFault(f"is not JSON: {reason}") from reason
    if parsed.duplicate_keys:
        raise RowFault(f"gives the key {parsed.duplicate_keys[0]!r} twice")
    return parsed.value
