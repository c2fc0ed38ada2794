"""Files of unknown origin: regular files only, never through a link inside a folder, within budgets, as strict JSON."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from regress.errors import ResultsError
from regress.foreign.records import shown
from regress.strict_json import JsonFault, parse

MAX_DOCUMENT_BYTES = 256 * 2**20
MAX_LINE_BYTES = 32 * 2**20
MAX_LINES_BYTES = 16 * 2**30
MAX_LINES = 2_000_000
MAX_ENTRIES = 100_000  # of a folder


def listed(folder: Path) -> list[str]:
    """The names in a folder, sorted; raises ResultsError for too many, and for one that a terminal would act on."""
    names: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                names.append(entry.name)
                if len(names) > MAX_ENTRIES:
                    raise ResultsError(f"holds more than {MAX_ENTRIES:,} entries; name one file.", path=folder)
    except OSError as error:
        raise ResultsError(f"cannot be listed: {error.strerror}.", path=folder) from error
    for name in names:
        if not name.isprintable() or "::" in name:
            raise ResultsError(f"holds a file whose name is {shown(name)}; rename it.", path=folder)
    return sorted(names)


@contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[BinaryIO]:
    """A regular file of at most `max_bytes`; raises ResultsError for a link, a FIFO, a folder or a larger file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ResultsError(
            f"cannot be opened ({error.strerror}); links are not followed: copy the file.", path=path
        ) from error
    status = os.fstat(descriptor)
    problem = None
    if not stat.S_ISREG(status.st_mode):
        problem = "is not a regular file; copy it."
    elif status.st_size > max_bytes:
        problem = f"has {status.st_size:,} bytes, more than the {max_bytes:,} that are read."
    if problem is not None:
        os.close(descriptor)
        raise ResultsError(problem, path=path)
    with os.fdopen(descriptor, "rb") as file:
        yield file


def document(path: Path) -> dict[str, Any]:
    """One JSON object in a file; raises ResultsError."""
    with opened(path, MAX_DOCUMENT_BYTES) as file:
        data = file.read(MAX_DOCUMENT_BYTES + 1)
    return as_object(data, path)


def lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file, one a line, with their line numbers from 1; raises ResultsError."""
    with opened(path, MAX_LINES_BYTES) as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise ResultsError(f"the line is longer than {MAX_LINE_BYTES:,} bytes.", path=path, line=number)
            if number > MAX_LINES:
                raise ResultsError(f"there are more than {MAX_LINES:,} lines.", path=path, line=number)
            if not line.endswith(b"\n"):
                raise ResultsError("the file ends within this line: it was cut; copy it again.", path=path, line=number)
            yield number, as_object(line, path, number)


def as_object(data: bytes, path: Path, line: int | None = None) -> dict[str, Any]:
    """One JSON object, strictly, but for NaN and infinities.

    Python's writer puts them where a document or a log-likelihood holds one, which says nothing about the file; a score
    is checked where it is read.
    """
    try:
        parsed = parse(data, max_chars=MAX_DOCUMENT_BYTES, not_finite=True)
    except JsonFault as fault:
        raise ResultsError(f"is not JSON that can be trusted: {shown(str(fault))}.", path=path, line=line) from fault
    if parsed.duplicate_keys:
        key = shown(parsed.duplicate_keys[0])
        raise ResultsError(f"the key {key} occurs twice, so it says two things.", path=path, line=line)
    if not isinstance(parsed.value, dict):
        raise ResultsError("is not a JSON object.", path=path, line=line)
    return parsed.value


def member(value: Any, key: str, kind: type | tuple[type, ...], path: Path, line: int | None = None) -> Any:
    """`value[key]`, which must be there and be of that kind; raises ResultsError naming it."""
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        problem = "is missing" if found is None else f"is {shown(found)}"
        raise ResultsError(f"{shown(key)} {problem}; these are not the results it looks like.", path=path, line=line)
    return found


def score(value: Any, what: str, path: Path, line: int | None = None) -> float:
    """A score from 0 to 1; raises ResultsError for anything else, NaN included."""
    if isinstance(value, bool | int | float) and 0 <= value <= 1:
        return float(value)
    raise ResultsError(
        f"{what} is {shown(value)}, and only scores from 0 to 1 can be compared item by item; choose another with "
        "--metric.",
        path=path,
        line=line,
    )
