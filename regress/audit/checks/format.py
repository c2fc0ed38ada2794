"""The form of the replies: a model copies it faster than anything else, and programs break at it first."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from regress.audit.checks._format_conventions import Conventions
from regress.audit.checks._format_json import JsonRows
from regress.audit.checks._format_lengths import Lengths
from regress.audit.checks._format_marks import Marks
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.schema import Measure


class Part(Protocol):
    """A part of the check, which works like one."""

    def look(self, chunk: Chunk) -> Any: ...

    def add(self, seen: Any) -> None: ...

    def finish(self, again: Again) -> Found: ...


class Format:
    """JSON that is none, tokens and characters that do not belong, rows that are too long, mixed conventions."""

    name: ClassVar[str] = "format"

    def __init__(self, context: Context) -> None:
        self._parts: tuple[Part, ...] = (JsonRows(context), Marks(context), Lengths(context), Conventions(context))

    def look(self, chunk: Chunk) -> tuple[Any, ...]:
        return tuple(part.look(chunk) for part in self._parts)

    def add(self, seen: tuple[Any, ...]) -> None:
        for part, one in zip(self._parts, seen, strict=True):
            part.add(one)

    def finish(self, again: Again) -> Found:
        found = [part.finish(again) for part in self._parts]
        figures: dict[str, Measure] = {}
        for one in found:
            figures |= one.figures
        return Found(
            findings=tuple(finding for one in found for finding in one.findings),
            figures=figures,
            skipped=tuple(skip for one in found for skip in one.skipped),
        )
