"""comment.md: the summary as one comment that a pull request keeps up to date, within what such a comment may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regress.report import markdown, several
from regress.schema import Attempt, Decision, SuiteComparison

COMMENT = "comment.md"

MARKER = "<!-- regress-gate -->"
"""The first line, seen by nobody: a comment that begins with it is replaced by the next one."""

LIMIT = 65_000
"""GitHub takes 65,536 characters; the rest is for whoever posts it and adds to the marker."""

Judged = Mapping[str, tuple[Decision, Sequence[SuiteComparison]]]


def render(decision: Decision, comparisons: Sequence[SuiteComparison]) -> str:
    """One candidate's summary, its examples folded."""
    return markdown.fitted([MARKER, *markdown.pieces(decision, comparisons, folded=True)], LIMIT, _utf16)


def render_several(judged: Judged, upcoming: Attempt | None) -> str:
    """The table of all candidates, then as many of their summaries as there is room for."""
    return markdown.fitted([MARKER, *all_pieces(judged, upcoming, folded=True)], LIMIT, _utf16)


def all_pieces(judged: Judged, upcoming: Attempt | None, *, folded: bool) -> list[str]:
    """Of one candidate the summary, of several a table before their summaries."""
    parts: list[str] = []
    if len(judged) != 1:
        parts += several.lines({name: decision for name, (decision, _) in judged.items()}, upcoming, linked=False)
    for decision, comparisons in judged.values():
        parts += markdown.pieces(decision, comparisons, folded=folded)
    return parts


def _utf16(text: str) -> int:
    """Its length as JavaScript counts it, which is never less than the number of characters."""
    return len(text.encode("utf-16-le")) // 2
