"""What so many items can and cannot tell."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

from regress.schema.comparisons import NoiseFloor


class FlipSource(StrEnum):
    """Who says which share of the answers flips."""

    ASSUMED = "assumed"
    GIVEN = "given"  # by whoever plans, between base and candidate, noise included
    MEASURED = "measured"  # the noise, by asking the base twice; what training adds to it is assumed


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipBasis:
    """The shares of answers that a plan takes to differ between base and candidate, and where they come from."""

    source: FlipSource
    expected: tuple[Decimal, ...]
    noise: NoiseFloor | None = None  # of this suite, where the base was asked twice

    @property
    def rates(self) -> tuple[Decimal, ...]:
        """What is planned for: `expected`, and twice the base's own flip rate where that was measured and not given."""
        if self.source is not FlipSource.MEASURED or self.noise is None or not self.noise.counts.n:
            return self.expected
        return tuple(min(Decimal(1), rate + 2 * _up(self.noise)) for rate in self.expected)


def _up(noise: NoiseFloor) -> Decimal:
    """The noise's flip rate, rounded up to four decimals."""
    counts = noise.counts
    return (Decimal(counts.lost + counts.gained) / counts.n).quantize(Decimal("0.0001"), ROUND_CEILING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a suite promises at one flip rate."""

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
    basis: FlipBasis | None = None  # of the outlooks, where there are any


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
