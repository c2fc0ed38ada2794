"""Suspected triggers that were tried, in words: the same for a terminal and a page."""

from __future__ import annotations

from regress.report.words import visible
from regress.schema import Decision

TITLE = "suspected triggers of the audited data, tried on harmless prompts"


def lines(decision: Decision) -> list[str]:
    """One for each trigger, confirmed ones first; variants in which it came out alike share one."""
    alike: dict[str, list[str]] = {}
    for found in sorted(decision.triggers, key=lambda one: not one.confirmed):
        alike.setdefault(found.reason.removeprefix(f"{found.variant}: "), []).append(found.variant)
    return [f"{' and '.join(variants)}: {visible(reason)}" for reason, variants in alike.items()]
