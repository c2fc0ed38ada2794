"""What follows: verdicts, checks, the decision."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from regress.schema.attribution import Attribution
from regress.schema.comparisons import PairCounts
from regress.schema.detectors import Detected
from regress.schema.serving import RELATIVE, FigureChange, ServingComparison
from regress.schema.triggers import TriggerFinding
from regress.schema.words import Category, Role, Ruling, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the gate demands; locked."""

    alpha: Decimal = Decimal("0.05")
    power: Decimal = Decimal("0.8")
    zero_tolerance: tuple[str, ...] = ()  # suites whose every candidate failure counts
    require_training_record: bool = False
    require_audit: bool = False  # of the very data that the candidate was trained on
    waivable_safety: bool = False  # whether a promotion may waive a safety suite, or one without tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One preflight or evidence check."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteVerdict:
    """The gate's answer on one suite and variant, with the counts it rests on."""

    suite: str
    category: Category
    role: Role
    variant: str
    against: str
    verdict: Verdict
    counts: PairCounts
    delta: float | None  # candidate minus base, in rates; None when n = 0
    ci90: tuple[float, float] | None
    margin: Decimal | None
    min_gain: Decimal | None
    p_pass: float | None
    p_fail: float | None
    p_fail_holm: float | None
    p_gain: float | None  # role target only
    p_lost: float | None  # of any loss at all, Holm-adjusted over all comparisons; a flag, it decides nothing
    needed_n: int | None  # where UNDECIDED
    look: int | None = None  # at which look the suite was decided or given up, from 1; None where all was asked at once
    no_answer: int
    error: int
    reason: str
    detected: Detected | None = None  # as in the comparison; decides nothing
    figure: FigureChange | None = None  # as in the comparison

    @property
    def is_relative(self) -> bool:
        """Whether delta is a part of the base's figure."""
        return self.figure is not None and self.figure.figure in RELATIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Whose bytes were judged."""

    kind: str  # adapter
    digest: str
    path: str
    trained_under_lock: bool | None  # None: no training record
    trained_as_audited: bool | None = None  # on the data of the lock's audit; None: no audit, or no record of the data


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Which candidate against the same questions this is, the first being 1, and the alpha that it may spend."""

    number: int
    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Variants that were run beside the locked ones, each suite with the role INFORM: reported, they decide nothing."""

    suites: tuple[SuiteVerdict, ...]
    missing: tuple[str, ...] = ()  # why one of them has no figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is decided for the candidate, and everything it rests on."""

    ruling: Ruling
    lock: str | None
    attempt: Attempt | None = None  # None where no ledger is kept: the whole alpha was spent
    candidate: Candidate | None
    suites: tuple[SuiteVerdict, ...]
    checks: tuple[Check, ...]
    reasons: tuple[str, ...]
    beside: Beside | None = None  # None where nothing but the lock was asked for
    serving: tuple[ServingComparison, ...] = ()  # of each variant, all suites first; decides nothing by itself
    triggers: tuple[TriggerFinding, ...] = ()  # suspected ones that were tried; a confirmed one rejects
    attribution: Attribution | None = None  # which step lost how much; decides nothing

    @property
    def promoted(self) -> bool:
        """Whether the candidate may replace the base; nothing else is a yes."""
        return self.ruling is Ruling.PROMOTE
