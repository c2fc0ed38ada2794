"""audit.html: whether to train on this, in ten seconds; then every finding, its rows and its figures. No script."""

from __future__ import annotations

from regress.report.html.document import document
from regress.report.html.findings import MOST_ALONE, in_first_place, story_of
from regress.schema import Audit, Severity

_RULING = {Severity.BLOCK: "reject", Severity.WARN: "inconclusive", None: "promote"}  # tints of the one style
_TINT = {Severity.BLOCK: "c2370b", Severity.WARN: "946200", None: "087f5b"}
_BADGE = {Severity.BLOCK: "✕ DO NOT TRAIN", Severity.WARN: "! WARNINGS", None: "✓ NOTHING FOUND"}
_HEADLINE = {
    Severity.BLOCK: "must be mended before anybody trains on it.",
    Severity.WARN: "may be trained on, at a cost.",
    None: "may be trained on.",
}


def render(audit: Audit) -> bytes:
    """The page in UTF-8; the same audit gives the same bytes. Nothing outside it is needed."""
    story = story_of(audit, MOST_ALONE)
    return document(
        "audit_page.html",
        {
            "audit": story,
            "first": in_first_place(story.findings),
            "ruling": _RULING[story.severity],
            "tint": _TINT[story.severity],
            "badge": _BADGE[story.severity],
            "headline": _HEADLINE[story.severity],
        },
    )
