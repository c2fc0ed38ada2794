"""The history, read again today: every event with its record and with what would keep it from being deployed now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from regress.errors import PromotionError, Refused
from regress.promote.history import Event, Line, Move
from regress.promote.record import PromotionRecord
from regress.promote.registry import Registry
from regress.promote.trust import TrustRoot
from regress.promote.verifying import stated, verify_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event; `record` is None where it cannot be read, `complaint` None where it verifies today."""

    event: Event
    record: PromotionRecord | None
    complaint: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The line and its entries, oldest first."""

    line: Line
    entries: tuple[Entry, ...]


def review(registry: Registry, trust: TrustRoot, *, now: datetime) -> Review:
    """Raises PromotionError where the history breaks, or where a signed record says that it replaced another one."""
    line = registry.line()
    entries = tuple(_entry(registry, trust, event, now) for event in line.events)
    for number, entry in enumerate(entries, start=1):
        promoted = entry.event.move is Move.PROMOTE and entry.record is not None
        if promoted and entry.record is not None and entry.record.facts.previous != entry.event.previous:
            raise PromotionError(
                f"line {number} of the history of {registry.where} is not what its signed record says: it replaced "
                "another promotion. The history was rewritten; restore it."
            )
    return Review(line=line, entries=entries)


def _entry(registry: Registry, trust: TrustRoot, event: Event, now: datetime) -> Entry:
    record = None
    try:
        data = registry.record(event.record)
        record = stated(data)
        verify_record(data, trust, now=now)
    except Refused as complaint:
        return Entry(event=event, record=record, complaint=str(complaint))
    return Entry(event=event, record=record, complaint=None)
