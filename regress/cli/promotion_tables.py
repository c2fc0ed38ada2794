"""Promotions as people and programs read them."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regress.promote.history import Move
from regress.promote.record import Figures, PromotionRecord
from regress.promote.reviewing import Entry, Review
from regress.report.words import visible


def short(digest: str | None) -> str:
    """Twelve digits, enough to name a record."""
    return "–" if digest is None else digest.removeprefix("sha256:")[:12]


def summary(record: PromotionRecord) -> RenderableType:
    """What it rests on, and every waiver."""
    facts = record.facts
    trained = "trained under the lock" if facts.trained_under_lock else "no training record"
    lines = [Text(f"record {short(record.digest)} · lock {short(record.lock)} · {trained}", style="dim")]
    for waiver in facts.waivers:
        line = f"waived: {waiver.suite} until {waiver.expires}, by {waiver.by}: {waiver.reason}"
        lines.append(Text(visible(line), style="yellow"))
    return Group(*lines)


def as_object(record: PromotionRecord) -> dict[str, Any]:
    """The record as plain JSON."""
    return {
        "record": record.digest,
        "key": record.key,
        "files": {name: entry.digest for name, entry in record.files.files.items()},
        "configuration": dict(record.configuration),
        **msgspec.to_builtins(record.facts),
    }


def changes(before: PromotionRecord | None, after: PromotionRecord) -> RenderableType:
    """Per suite and variant: what was right until now, and what is again."""
    if before is None:
        return Text("the record that was in production cannot be read, so what changes is not known.", style="yellow")
    table = Table(box=None, pad_edge=False)
    for title in ("suite", "variant"):
        table.add_column(title)
    for title in ("until now", "again", "points"):
        table.add_column(title, justify="right")
    old, new = ({(f.suite, f.variant): f for f in record.facts.suites} for record in (before, after))
    for suite, variant in sorted(old.keys() | new.keys()):
        one, other = old.get((suite, variant)), new.get((suite, variant))
        table.add_row(suite, variant, _right(one), _right(other), _points(one, other))
    return table


def _right(figures: Figures | None) -> str:
    if figures is None:
        return "not asked"
    if figures.measured is not None:
        return f"{float(figures.measured[1]):.4g}"
    return f"{figures.candidate_pass:,} of {figures.n:,}"


def _points(before: Figures | None, after: Figures | None) -> str:
    if before is None or after is None or not before.n or not after.n or before.measured or after.measured:
        return ""
    change = 100 * (after.candidate_pass / after.n - before.candidate_pass / before.n)
    return (
        f"{change:+.1f}".replace("-", "−")
        if after.candidate_pass * before.n != before.candidate_pass * after.n
        else "0"
    )


def history_table(review: Review) -> RenderableType:
    """Oldest first; the last one that stands is in production."""
    table = Table(box=None, pad_edge=False)
    for title in ("", "when", "what", "record", "lock", "waived", "today"):
        table.add_column(title, overflow="fold", no_wrap=title in ("when", "record", "lock"))
    production = review.line.production
    last = max((i for i, e in enumerate(review.entries) if e.event.record == production), default=None)
    for index, entry in enumerate(review.entries):
        table.add_row(
            "→" if index == last else "",
            visible(entry.event.time),
            _what(entry, review),
            short(entry.event.record),
            "?" if entry.record is None else short(entry.record.lock),
            ", ".join(entry.record.waived) if entry.record else "?",
            visible((entry.complaint or "valid").partition(". ")[0]),
        )
    return Group(table, Text("\n→ in production", style="dim"))


def _what(entry: Entry, review: Review) -> str:
    event = entry.event
    if event is review.line.interrupted:
        return f"{event.move}, never took effect"
    return f"{event.move}: {visible(event.why)}" if event.why else str(event.move)


def history_objects(review: Review) -> dict[str, Any]:
    """The history as plain JSON."""
    return {
        "production": review.line.production,
        "events": [
            {
                **entry.event.as_json(),
                "took_effect": entry.event is not review.line.interrupted and entry.event.move is not Move.INTERRUPTED,
                "valid": entry.complaint is None,
                "complaint": entry.complaint,
                "waived": [] if entry.record is None else list(entry.record.waived),
                "lock": None if entry.record is None else entry.record.lock,
            }
            for entry in review.entries
        ],
    }
