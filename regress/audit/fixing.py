"""`--fix`: a cleaned copy, and the list of what was taken out and why; the data itself is never touched."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from regress.errors import DataError
from regress.rows.forms import Columns, read_row
from regress.rows.row import RowFault
from regress.rows.source import Block, Source, value_of
from regress.schema import Audit
from regress.store.atomic import sync_folder

CHANGES = ".changes.jsonl"


def fix(audit: Audit, source: Source, target: Path) -> tuple[int, int]:
    """Write `target` (.jsonl or .csv) and `target.changes.jsonl`; returns how many rows were kept and taken out.

    JSON Lines are copied byte for byte. Raises DataError where a file is there already, for another ending, and where
    the data is not what was audited.
    """
    changes = target.with_name(target.name + CHANGES)
    for path in (target, changes):
        if path.exists() or path.is_symlink():
            raise DataError("exists, and a copy is never written over anything. Choose another name.", path=path)
    if target.suffix not in (".jsonl", ".csv"):
        raise DataError("name the copy .jsonl or .csv.", path=target)
    if source.digest() != audit.data.digest:
        raise DataError(f"{source.name} is not what was audited. Audit it again.")
    reasons = _reasons(audit)
    try:
        with _new(target) as kept, _new(changes) as listed:
            mapped = tuple(audit.data.mapped.items())
            return _copy(source, mapped, reasons, kept, listed, as_csv=target.suffix == ".csv")
    except BaseException:
        target.unlink(missing_ok=True)
        changes.unlink(missing_ok=True)
        raise
    finally:
        sync_folder(target.parent)


def _reasons(audit: Audit) -> Mapping[int, str]:
    """Row number to the rule that takes it out, of the worst finding first."""
    reasons: dict[int, str] = {}
    for finding in audit.findings:
        for row in finding.removable:
            reasons.setdefault(row, finding.rule)
    return reasons


def _new(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666), "wb")


def _copy(
    source: Source, mapped: Columns, reasons: Mapping[int, str], kept: BinaryIO, listed: BinaryIO, *, as_csv: bool
) -> tuple[int, int]:
    count = taken = 0
    header: list[str] = []
    for block in source.blocks():
        for number, raw in _rows(block):
            reason = reasons.get(number) or _fault(raw, number, mapped)
            if reason is not None or isinstance(raw, RowFault):
                taken += 1
                file, line = source.place(number)
                change = {"row": line, "file": Path(file).name, "removed_for": reason}
                listed.write(json.dumps(change, ensure_ascii=False).encode() + b"\n")
                continue
            count += 1
            kept.write(_csv_line(raw, header) if as_csv else _json_line(raw))
    for file_ in (kept, listed):
        file_.flush()
        os.fsync(file_.fileno())
    return count, taken


def _fault(raw: bytes | dict[str, Any] | RowFault, number: int, mapped: Columns) -> str | None:
    """Why a row cannot be read, if so: an audit lists only the first of them."""
    try:
        read_row(value_of(raw), number, mapped)
    except RowFault as fault:
        return f"rows/broken: {fault}"
    return None


def _rows(block: Block) -> Iterator[tuple[int, bytes | dict[str, Any] | RowFault]]:
    return zip(block.numbers, block.raw, strict=True)


def _json_line(raw: bytes | dict[str, Any]) -> bytes:
    if isinstance(raw, bytes):
        return raw.rstrip(b"\r\n").replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"  # an array's row may span lines
    return json.dumps(raw, ensure_ascii=False, allow_nan=False, default=str).encode("utf-8", "backslashreplace") + b"\n"


def _csv_line(raw: bytes | dict[str, Any], header: list[str]) -> bytes:
    record = json.loads(raw) if isinstance(raw, bytes) else raw
    if not isinstance(record, dict):
        raise DataError("only tables and objects can be written as CSV. Name the copy .jsonl.")
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if not header:
        header.extend(record)
        writer.writerow(header)
    if set(record) - set(header):
        raise DataError(f"rows have other columns ({', '.join(sorted(set(record) - set(header)))[:80]}). Use .jsonl.")
    writer.writerow([record.get(name, "") for name in header])
    return text.getvalue().encode("utf-8")
