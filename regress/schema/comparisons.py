"""Two runs side by side: counts, not rates."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from regress.schema.detectors import Detected
from regress.schema.serving import RELATIVE, FigureChange
from regress.schema.words import Category, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCounts:
    """Paired outcomes of base and candidate over the union of their items. Rates are properties."""

    both_pass: int = 0
    lost: int = 0  # pass -> not pass
    gained: int = 0  # not pass -> pass
    both_fail: int = 0
    unpaired: int = 0  # on one side only: never part of n, never ignored

    @property
    def n(self) -> int:
        return self.both_pass + self.lost + self.gained + self.both_fail

    @property
    def base_pass(self) -> int:
        return self.both_pass + self.lost

    @property
    def candidate_pass(self) -> int:
        return self.both_pass + self.gained


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceCounts:
    """The counts of the items of one slice."""

    slice: str
    counts: PairCounts
    p_lost: float  # one-sided mid-p McNemar of any loss, adjusted over the suite's slices (Benjamini-Hochberg)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCount:
    """How often a failure kind occurred in the base and in the candidate."""

    kind: str
    base: int
    candidate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """One item whose outcome changed between pass and not pass."""

    item: str
    prompt: str
    expected: str | None
    base_reply: str
    candidate_reply: str
    base_kind: str | None
    candidate_kind: str | None
    lost: bool
    slice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedChange:
    """Mean difference of graded scores, candidate minus base: its standard error and the t statistic's degrees."""

    n: int
    delta: float
    standard_error: float
    degrees: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """Anytime p-values about these items only: that all of them together show a drop within, or beyond, the margin."""

    p_within: float
    p_beyond: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteComparison:
    """One suite, one candidate variant against its base: everything the gate and the reports need."""

    suite: str
    category: Category
    role: Role
    variant: str
    against: str  # the base variant it was paired with
    margin: Decimal | None
    min_gain: Decimal | None
    counts: PairCounts
    clusters: int | None  # how many, where items name clusters
    design_effect: float  # 1 for independent items
    graded: GradedChange | None = None  # where the scorer grades: what the margin is held against
    confirmed: int | None = None  # candidate failures that a second detector sees, too; of zero-tolerance suites only
    screened: Screened | None = None  # where it was asked only until it was clear how all of its items would end
    looks: tuple[PairCounts, ...] = ()  # cumulative counts, where the suite was asked look by look and could stop
    planned_n: int | None = None  # items that would have been asked without a stop
    figure: FigureChange | None = None  # a serving figure against its own margin: graded is its change for the better
    detected: Detected | None = None  # where a detector made the outcomes: what labels say of it; decides nothing
    no_answer: int  # of the candidate
    error: int  # on either side
    slices: tuple[SliceCounts, ...]
    kinds: tuple[KindCount, ...]
    flips: tuple[Flip, ...]

    @property
    def is_relative(self) -> bool:
        """Whether its change is a part of the base's figure, which can be beyond -1..1."""
        return self.figure is not None and self.figure.figure in RELATIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFloor:
    """One suite asked twice of the same weights in other batches: what flips without any change."""

    suite: str
    counts: PairCounts
    upper: float  # 95 % limit of the share that flips
    p: float  # of no drift in one direction, two-sided, Holm-adjusted over the suites
    extra_items: int | None  # that the noise costs at 5 % flips; None without a margin
