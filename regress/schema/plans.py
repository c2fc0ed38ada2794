"""What so many items can and cannot tell."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a suite promises at one assumed flip rate."""

    flip_rate: Decimal
    detectable: float | None  # smallest true drop called FAIL with the policy's power; None when no drop is
    missed: float  # chance that a true drop of twice the margin is not called FAIL
    pass_chance: float  # of PASS when nothing was lost
    needed_n: int  # items for PASS with the policy's power when nothing was lost


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitePlan:
    """What a suite of n items can and cannot tell under the policy; no outlooks where it has no margin to hold."""

    n: int
    outlooks: tuple[Outlook, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPoint:
    """At a true drop (negative: a gain), the chances of PASS and of FAIL."""

    drop: float
    passes: float
    fails: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCurve:
    """What n items say, over true drops."""

    n: int
    margin: Decimal
    flip_rate: Decimal
    points: tuple[PowerPoint, ...]
