"""Moments and days as they stand in what is signed: UTC, to the second, in one spelling."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from regress.errors import PromotionError

_FORM = "%Y-%m-%dT%H:%M:%SZ"


def stamp(now: datetime) -> str:
    """`2026-11-23T10:15:10Z`; `now` knows its time zone."""
    return now.astimezone(UTC).strftime(_FORM)


def moment(text: str) -> datetime:
    """The moment that `stamp` wrote; raises PromotionError for any other spelling."""
    try:
        found = datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    except ValueError as reason:
        raise PromotionError(f"{text[:40]!r} is no moment such as 2026-11-23T10:15:10Z.") from reason
    if stamp(found) != text:
        raise PromotionError(f"{text[:40]!r} is no moment such as 2026-11-23T10:15:10Z.")
    return found


def day(text: str) -> date:
    """`2026-12-31`; raises PromotionError for any other spelling."""
    try:
        found = date.fromisoformat(text)
    except ValueError as reason:
        raise PromotionError(f"{text[:40]!r} is no day such as 2026-12-31.") from reason
    if found.isoformat() != text:
        raise PromotionError(f"{text[:40]!r} is no day such as 2026-12-31.")
    return found


def end_of(text: str) -> datetime:
    """The moment at which the day `text` is over, in UTC."""
    return datetime.combine(day(text), time(), UTC) + timedelta(days=1)
