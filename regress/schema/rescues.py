"""What can be saved of a rejected adapter, and which checkpoint was the first to break something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from regress.schema.comparisons import PairCounts
from regress.schema.decisions import Candidate, Decision, SuiteVerdict
from regress.schema.words import Ruling, Verdict


class Group(StrEnum):
    """A part of the adapter that can be left out."""

    ATTENTION = "attention"
    MLP = "mlp"
    EARLY = "early"  # thirds of the adapted layers
    MIDDLE = "middle"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """How much of the adapter's update is left: all of it times `scale`, less the group that is left out.

    Scales are sixteenths: a product with one of them loses next to nothing, even in bf16.
    """

    scale: float
    without: Group | None = None

    def __str__(self) -> str:
        return f"{self.scale:g}" if self.without is None else f"{self.scale:g} without {self.without}"


class Standing(StrEnum):
    """How the protected suites came out on the selection half."""

    HELD = "held"  # every one certainly within its margin
    OPEN = "open"  # every estimate within its margin, not all of them for certain
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One strength on the selection half."""

    strength: Strength
    share: float  # of the norm of the adapter's whole update: equal to the scale where no group is left out
    ruling: Ruling  # the gate's, were this half all there is
    standing: Standing
    reached: bool  # whether every target's estimate gains what it has to
    suites: tuple[SuiteVerdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """The scan of one adapter, what is proposed, and what the confirmation half says of that."""

    source: Candidate
    lock: str
    alpha: float  # that the selection half was judged at
    halves: Mapping[str, tuple[int, int]]  # items to select on and to confirm on, by suite
    probes: tuple[Probe, ...]  # in the order in which they were asked
    proposal: Probe | None
    confirmation: Decision | None  # of the proposal, on the confirmation half
    open: tuple[str, ...]  # why nothing was confirmed, where something is proposed
    folder: str | None  # where the proposed adapter was written

    @property
    def ruling(self) -> Ruling:
        """PROMOTE only where the confirmation half says so; REJECT where no strength will do."""
        if self.confirmation is not None:
            return self.confirmation.ruling
        return Ruling.REJECT if self.proposal is None else Ruling.INCONCLUSIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One suite at one checkpoint: the gate's verdict at the alpha that each such test may spend."""

    checkpoint: int  # its place in the order, the first being 1; 0 is the base
    verdict: Verdict
    counts: PairCounts
    delta: float | None
    ci90: tuple[float, float] | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """Where one suite broke, as far as these items tell."""

    suite: str
    within: int | None  # the last checkpoint known to be within the margin before the break; 0 is the base
    broken: int | None  # the first one known to be beyond it; None: the last checkpoint is not
    steps: tuple[Step, ...]  # in the order in which they were asked

    @property
    def is_settled(self) -> bool:
        """Whether the two are neighbours, or the last checkpoint is certainly within the margin."""
        if self.within is None:
            return False
        if self.broken is None:
            return True
        return self.broken - self.within == 1

    @property
    def is_monotone(self) -> bool:
        """Whether no checkpoint that was asked holds after an earlier one that was broken."""
        known = sorted((s.checkpoint, s.verdict) for s in self.steps if s.verdict is not Verdict.UNDECIDED)
        verdicts = [verdict for _, verdict in known]
        return Verdict.FAIL not in verdicts or Verdict.PASS not in verdicts[verdicts.index(Verdict.FAIL) :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """What a row of checkpoints did to the protected suites; true as a whole with a probability of 1 - alpha."""

    lock: str
    variant: str
    checkpoints: tuple[str, ...]  # their names, in order
    digests: Mapping[int, str]  # of the ones that were asked
    alpha: float
    alpha_each: float  # for one checkpoint and suite
    suites: tuple[Breakage, ...]
