"""JSON Schema, draft 2020-12: checking a value, stopping at the first violation and at a fixed amount of work.

Work is counted, not timed, so that a reply gets the same score on every machine: one unit a keyword looked at, and
more where a keyword reads a whole value. Doubling through `$ref` and `allOf` thus ends after `BUDGET` units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from regress.scorers._json_value import Path, canonical
from regress.scorers._schema_compile import Document, Node, Resource

BUDGET = 500_000  # about half a second; an ordinary reply takes tens to hundreds
CHARS_A_UNIT = 32  # of canonical text or of text searched


class OverBudget(Exception):
    """The schema asks for more work than is granted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """The first thing wrong: where in the value, by which keyword, and what that keyword asks."""

    at: Path
    keyword: str
    asked: str


@dataclass(slots=True)
class Seen:
    """Which members and elements of one value were evaluated by adjacent keywords (core section 11)."""

    names: set[str] = field(default_factory=set)
    indexes: set[int] = field(default_factory=set)


class Run:
    """One value being checked: the work left, and the resources entered on the way (the dynamic scope)."""

    __slots__ = ("document", "left", "scope", "tracks")

    def __init__(self, document: Document) -> None:
        self.document = document
        self.tracks = document.tracks
        self.left = BUDGET
        self.scope: list[Resource] = []

    def check_root(self, value: Any) -> Violation | None:
        """The first violation of the document's root schema."""
        return self.check(self.document.root, value, None, Seen())

    def check(self, node: Node, value: Any, at: Path, seen: Seen) -> Violation | None:
        """The first violation of one subschema; what it evaluates is added to `seen`."""
        if node.always is not None:
            return None if node.always else Violation(at=at, keyword="false", asked="nothing is allowed here")
        self.spend(1)
        self.scope.append(node.resource)
        for keyword, check, argument in node.steps:
            self.spend(1)
            wrong: Violation | str | None = check(self, argument, value, at, seen)
            if wrong is not None:
                self.scope.pop()
                return Violation(at=at, keyword=keyword, asked=wrong) if isinstance(wrong, str) else wrong
        self.scope.pop()
        return None

    def holds(self, node: Node, value: Any, at: Path, seen: Seen) -> bool:
        """Whether the value is valid under an adjacent subschema; only then what it evaluated counts."""
        inner = Seen()
        if self.check(node, value, at, inner) is not None:
            return False
        self.merge(seen, inner)
        return True

    def merge(self, seen: Seen, inner: Seen) -> None:
        """Add what an adjacent subschema evaluated."""
        if self.tracks:
            self.spend((len(inner.names) + len(inner.indexes)) // 8)
            seen.names |= inner.names
            seen.indexes |= inner.indexes

    def spend(self, units: int) -> None:
        """Count work."""
        self.left -= units
        if self.left < 0:
            raise OverBudget(f"more than {BUDGET} steps")

    def canonical(self, value: Any) -> str:
        """The value's canonical text, paid for by its length."""
        text = canonical(value)
        self.spend(len(text) // CHARS_A_UNIT)
        return text


Result = Violation | str | None  # a string is what was asked at this very place
Check = Callable[[Run, Any, Any, Path, Seen], Result]
