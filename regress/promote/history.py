"""The line of promotions: events in order, what they make of it, and whether production stands where they say.

An event is written before production moves. So wherever something dies, production is at the last event's record or
still at the one before it; the next writer then notes that the last event was interrupted. Production anywhere else was
moved by somebody who went past this history, which is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

import msgspec

from regress.errors import PromotionError
from regress.hashing.canonical import canonical_json
from regress.promote.times import stamp
from regress.store.chain import chain_start

HISTORY_LABEL = "regress promotions 1"


class Move(StrEnum):
    """What happened to production."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    INTERRUPTED = "interrupted"  # the event before never took effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the history; records by their digest."""

    move: Move
    record: str
    previous: str | None  # in production before
    time: str
    why: str = ""

    def as_json(self) -> dict[str, object]:
        """As it is stored."""
        stored: dict[str, object] = msgspec.to_builtins(self)
        return stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A verified history. `standing` holds the records that led to production and were not taken back, newest last."""

    events: tuple[Event, ...] = ()
    standing: tuple[str, ...] = ()
    interrupted: Event | None = None  # the last event, where production did not move

    @property
    def production(self) -> str | None:
        """The record in production."""
        return self.standing[-1] if self.standing else None

    def upon(self, event: Event) -> tuple[Event, ...]:
        """What is to be written for `event` to happen: first that the last one did not, if so."""
        return (*self._settled(event.time), event)

    def promoted(self, record: str, now: datetime) -> tuple[Event, ...]:
        """What is to be written for `record` to go to production."""
        return self.upon(Event(move=Move.PROMOTE, record=record, previous=self.production, time=stamp(now)))

    def rolled_back(self, record: str, now: datetime, why: str) -> tuple[Event, ...]:
        """What is to be written for production to go back to `record`."""
        back = Event(move=Move.ROLLBACK, record=record, previous=self.production, time=stamp(now), why=why)
        return self.upon(back)

    def _settled(self, time: str) -> tuple[Event, ...]:
        last = self.interrupted
        if last is None:
            return ()
        return (Event(move=Move.INTERRUPTED, record=last.record, previous=last.previous, time=time),)


def read_line(bodies: Sequence[bytes], production: str | None, where: str) -> Line:
    """The line that a verified log tells; raises PromotionError where it breaks or production is elsewhere."""
    events = tuple(_event(body, number, where) for number, body in enumerate(bodies, start=1))
    before: tuple[str, ...] = ()
    standing: tuple[str, ...] = ()
    for number, event in enumerate(events, start=1):
        follows = _follow(event, before, standing)
        if follows is None:
            raise PromotionError(f"line {number} of the history of {where} does not follow from those before it.")
        before, standing = standing, follows
    if production == (standing[-1] if standing else None):
        return Line(events=events, standing=standing)
    last = events[-1] if events else None
    if last is not None and last.move is not Move.INTERRUPTED and production == last.previous:
        return Line(events=events, standing=before, interrupted=last)
    raise PromotionError(
        f"production of {where} is {_short(production)}, but its history ends at "
        f"{_short(standing[-1] if standing else None)}: one of the two was changed by hand. Restore it."
    )


def written(log: bytes, events: Sequence[Event]) -> bytes:
    """The verified log with the events appended, for registries that keep it elsewhere than in a file of this disk."""
    link = log.splitlines()[-1].partition(b" ")[0] if log else chain_start(HISTORY_LABEL)
    for event in events:
        body = canonical_json(event.as_json())
        link = sha256(link + body).hexdigest().encode("ascii")
        log += b"%s %s\n" % (link, body)
    return log


def _follow(event: Event, before: tuple[str, ...], standing: tuple[str, ...]) -> tuple[str, ...] | None:
    """What stands after the event; None where it cannot have happened."""
    if event.move is Move.INTERRUPTED:
        undone = standing and standing[-1] == event.record and event.previous == (before[-1] if before else None)
        return before if undone else None
    if event.previous != (standing[-1] if standing else None):
        return None
    if event.move is Move.PROMOTE:
        return (*standing, event.record)
    below = standing[:-1]
    return standing[: below.index(event.record) + 1] if event.record in below else None


def _event(body: bytes, number: int, where: str) -> Event:
    try:
        event = msgspec.json.decode(body, type=Event)
    except (msgspec.DecodeError, ValueError) as reason:
        raise PromotionError(f"line {number} of the history of {where} is no event: {reason}.") from reason
    if canonical_json(event.as_json()) != body:
        raise PromotionError(f"line {number} of the history of {where} holds keys that this version does not know.")
    return event


def _short(record: str | None) -> str:
    return "nowhere" if record is None else f"{record[:19]}…"
