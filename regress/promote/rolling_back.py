"""Back to what was in production before: verified first, then one move of the alias."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from regress.errors import PromotionError
from regress.promote.history import Line
from regress.promote.record import PromotionRecord
from regress.promote.registry import ADAPTER, RECORD, Registry, read_record
from regress.promote.trust import TrustRoot
from regress.promote.verifying import stated, verify_files, verify_record


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """What was in production, and what is now; `before` is None where its record cannot be read any more."""

    before: PromotionRecord | None
    after: PromotionRecord


def roll_back(registry: Registry, trust: TrustRoot, *, now: datetime, to: str | None, why: str) -> RolledBack:
    """Move production to the record before, or to the one in its line whose digest begins with `to`.

    Raises Refused, with production where it was, unless that record and its adapter verify today.
    """
    with registry.writing() as scratch:
        line = registry.line()
        target = _target(line, to, registry.where)
        try:
            before = stated(registry.record(line.standing[-1]))
        except PromotionError:  # damaged: one more reason to leave it
            before = None
        version = registry.version(target, scratch)
        after = verify_record(read_record(version / RECORD), trust, now=now)
        if after.digest != target:
            raise PromotionError(f"{version / RECORD} is not the record that was put there; somebody changed it.")
        verify_files(after, version / ADAPTER)
        registry.point(version, line.rolled_back(target, now, why))
        return RolledBack(before=before, after=after)


def _target(line: Line, to: str | None, where: str) -> str:
    earlier = line.standing[:-1]
    if not earlier:
        what = "only one promotion stands" if line.standing else "nothing is in production"
        raise PromotionError(f"{what} in {where}, so there is nothing to go back to.")
    if to is None:
        return earlier[-1]
    digits = to.removeprefix("sha256:")
    found = [record for record in earlier if digits and record.removeprefix("sha256:").startswith(digits)]
    if len(found) != 1:
        choices = ", ".join(record.removeprefix("sha256:")[:12] for record in reversed(earlier))
        raise PromotionError(
            f"{to!r} names {len(found)} earlier promotions, not one. Earlier, newest first: {choices}."
        )
    return found[0]
