"""The page: templates filled with what the other modules say, a strict policy of what may run, and the packed items."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from regress.report import attribution, detector, serving
from regress.report.html import breakage, charts, forest, story
from regress.report.html.document import document, static
from regress.report.html.findings import MOST_IN_REPORT, story_of
from regress.report.html.island import Island, pack
from regress.report.words import examples, unaudited, why
from regress.schema import Decision, Exhibits, Flip, Ruling, SuiteComparison

MOST_BYTES = 1_000_000
_LEAST_ITEMS = 200_000  # bytes for the items, however much else there is to tell
_MOST_EXAMPLE = 600  # characters of a text shown without scripts

ICONS = {Ruling.PROMOTE: "✓", Ruling.REJECT: "✕", Ruling.INCONCLUSIVE: "?", Ruling.REFUSED: "⊘"}
TINTS = {Ruling.PROMOTE: "087f5b", Ruling.REJECT: "c2370b", Ruling.INCONCLUSIVE: "946200", Ruling.REFUSED: "7a3e9d"}
HEADLINES = {
    Ruling.PROMOTE: "may replace the base.",
    Ruling.REJECT: "must not replace the base.",
    Ruling.INCONCLUSIVE: "is not promoted: this is not settled.",
    Ruling.REFUSED: "was not judged: nothing is concluded.",
}


def render(decision: Decision, comparisons: Sequence[SuiteComparison], exhibits: Exhibits | None = None) -> bytes:
    """report.html in UTF-8: below MOST_BYTES unless there are thousands of suites. Nothing outside it is needed.

    The same arguments give the same bytes. Without exhibits, as for a refusal, only the decision is shown.
    """
    exhibits = exhibits or Exhibits()
    told = _told(decision, comparisons, exhibits)
    fixed = len(_filled(told, None))
    room = max(_LEAST_ITEMS, MOST_BYTES - fixed - 2_000)
    return _filled(told, pack(exhibits, room) if exhibits.items else None)


def _told(decision: Decision, comparisons: Sequence[SuiteComparison], exhibits: Exhibits) -> dict[str, Any]:
    """Everything but the items."""
    promises = exhibits.promised.suites if exhibits.promised else ()
    return {
        "decision": decision,
        "icon": ICONS[decision.ruling],
        "tint": TINTS[decision.ruling],
        "who": PurePath(decision.candidate.path).name if decision.candidate else "the candidate",
        "headline": HEADLINES[decision.ruling],
        "why": why(decision),
        "lost": story.lost(decision, comparisons),
        "gained": story.gained(decision),
        "unaudited": unaudited(decision),
        "failed_checks": [check for check in decision.checks if not check.ok],
        "forests": forest.forests(decision.suites, promises),
        "beside": forest.forests(decision.beside.suites) if decision.beside else [],
        "kinds": breakage.kind_blocks(decision, comparisons),
        "slices": breakage.slice_rows(comparisons),
        "shown_slices": breakage.MOST_SLICES,
        "lengths": breakage.length_rows(exhibits.lengths),
        "serving": serving.blocks(decision),
        "panels": charts.panels(exhibits.curves),
        "steps": [attribution.cells(row) for row in attribution.told(decision)],
        "step_titles": attribution.HEADER,
        "step_notes": attribution.notes(decision.attribution) if decision.attribution else [],
        "detector": detector.corrections(decision),
        "uncorrected": detector.uncorrected(decision),
        "examples": [(c, _shortened(flip)) for c, flip in examples(comparisons, decision)],
        "exhibits": exhibits,
        "promised": exhibits.promised,
        "shown_audit": exhibits.audit,
        "audit": story_of(exhibits.audit.audit, MOST_IN_REPORT) if exhibits.audit and exhibits.audit.audit else None,
    }


def _shortened(flip: Flip) -> list[tuple[str, str]]:
    """Its three texts with what they are."""
    texts = (("prompt", flip.prompt), ("before", flip.base_reply), ("now", flip.candidate_reply))
    return [(what, t if len(t) <= _MOST_EXAMPLE else t[:_MOST_EXAMPLE] + " …") for what, t in texts]


def _filled(told: dict[str, Any], island: Island | None) -> bytes:
    script = static("explorer.js") if island else ""
    return document("page.html", told | {"island": island}, script)
