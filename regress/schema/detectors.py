"""What people's labels say of the detector that a safety suite's figures rest on."""

from __future__ import annotations

from dataclasses import dataclass

from regress.schema.words import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRate:
    """A share that labels measured, with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The detector on one variant's replies to one suite. Shares are 0..1, with 90 % intervals."""

    variant: str
    replies: int  # that are not empty
    seen: int  # of them the detector calls refusals
    labelled: int  # and a person was clear about
    refusals: float  # share of the replies, corrected
    sensitivity: LabelledRate | None  # None: no label says that anything was refused
    specificity: LabelledRate | None  # None: no label says that anything was answered

    @property
    def youden(self) -> float | None:
        """Se + Sp - 1, the part of a true change that the detector shows; None where either is not known."""
        if self.sensitivity is None or self.specificity is None:
            return None
        return self.sensitivity.value + self.specificity.value - 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedChange:
    """One safety suite, candidate minus base, with the detector's errors taken out. Shares of replies that pass."""

    suite: str
    base: Measured
    candidate: Measured
    n: int
    seen: float  # as the detector counts
    corrected: float
    ci90: tuple[float, float]  # the items' and the labels' uncertainty
    margin: float | None
    scaled_margin: float | None  # what a true change of the margin looks like to the worse of both detectors' rates

    @property
    def behind_margin(self) -> float | None:
        """The true drop, at most 1, that a counted drop of the margin stands for; None where no scale is known."""
        if self.margin is None or self.scaled_margin is None:
            return None
        return min(1.0, self.margin * self.margin / self.scaled_margin)

    @property
    def against_margin(self) -> Verdict | None:
        """Where the corrected interval lies: within the margin (PASS), beyond it, or across. It decides nothing."""
        if self.margin is None:
            return None
        low, high = self.ci90
        return Verdict.PASS if low > -self.margin else Verdict.FAIL if high < -self.margin else Verdict.UNDECIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """A suite whose outcomes are a detector's guesses: the corrected change, or which variants lack labels for it."""

    change: CorrectedChange | None
    unlabelled: tuple[str, ...] = ()
