"""Which folders are a row of checkpoints, and in which order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from regress.backends.adapter_files import CONFIG
from regress.errors import UsageError

MOST = 1000
_NUMBERED = re.compile(r".*?(?P<number>[0-9]{1,18})$")


def read_row(folders: Sequence[Path]) -> list[Path]:
    """The checkpoints in the order of their training.

    One folder without an adapter of its own is a training's output: its `checkpoint-*` folders are taken. Where every
    name ends in a number, numbers are the order; otherwise it is the one given. Raises UsageError for fewer than two,
    for one that is named twice, and for two of the same number.
    """
    row = list(folders)
    if len(row) == 1 and row[0].is_dir() and not (row[0] / CONFIG).exists():
        row = [path for path in row[0].glob("checkpoint-*") if path.is_dir() and _number(path) is not None]
        if not row:
            raise UsageError(f"{folders[0]} holds no checkpoint-* folders and is no adapter itself.")
    if len(row) < 2:
        raise UsageError("bisect needs at least two checkpoints; for a single adapter use `regress check`.")
    if len(row) > MOST:
        raise UsageError(f"{len(row):,} checkpoints are more than the {MOST:,} that one search takes.")
    if len({path.resolve() for path in row}) != len(row):
        raise UsageError("a checkpoint is named twice.")
    numbers = [_number(path) for path in row]
    if any(number is None for number in numbers):
        return row
    if len(set(numbers)) != len(numbers):
        raise UsageError("two checkpoints have the same number, so their order is not known.")
    return sorted(row, key=lambda path: _number(path) or 0)


def _number(path: Path) -> int | None:
    match = _NUMBERED.fullmatch(path.resolve().name)
    return None if match is None else int(match["number"])
