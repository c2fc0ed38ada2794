"""What a report shows beside the decision: every item's answers, the lock's promise, lengths, curves, an audit.

None of it decides anything; it is gathered from verified runs so that a page can be rendered without reading them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from regress.schema.audits import Audit
from regress.schema.words import Category, Outcome, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One variant's answer to one item, as a person reads it."""

    outcome: Outcome
    kind: str | None
    detail: str | None
    text: str  # the reply, or the choice that was picked
    right: float | None  # log-probability of the right choice in nats; None where nothing was chosen from


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemExhibit:
    """One item with the answers of `Exhibits.variants`, in that order; None where a variant was not asked."""

    suite: str
    item: str
    slice: str | None
    prompt: str
    expected: str | None
    answers: tuple[Answer | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitePromise:
    """What the lock says of one suite. Margins and gains in the scorer's units, as decimal strings."""

    suite: str
    category: Category
    role: Role
    scorer: str  # name@version
    ask: str
    n: int
    margin: str | None
    min_gain: str | None
    limit: int | None  # max_new_tokens
    serving: Mapping[str, str] = field(default_factory=dict)  # margins of serving figures
    detectable: tuple[tuple[float, float | None], ...] = ()  # (flip rate, smallest drop that is caught)
    flip_source: str | None = None  # who says which share flips


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """One lock that ever held, and why it came about."""

    lock: str
    created: str
    why: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """The lock, as far as a reader asks what was promised before training."""

    created: str
    tool: str
    base: str
    training_data: str | None
    alpha: float
    power: float
    zero_tolerance: tuple[str, ...]
    variants: tuple[str, ...]
    suites: tuple[SuitePromise, ...]
    history: tuple[Amendment, ...]  # the first lock first


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Tokens a reply: tenth, fiftieth and ninetieth percentile."""

    low: int
    middle: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthShift:
    """How long one suite's replies are on both sides, over the items that both answered."""

    suite: str
    variant: str
    n: int
    base: Spread
    candidate: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One look during training."""

    step: int
    delta: float
    forgotten: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One suite's probes while the adapter was trained, against the base."""

    suite: str
    role: str
    n: int
    margin: float | None
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAudit:
    """The audit beside a decision: the one that the lock keeps, or else the last one that was made."""

    place: str  # its file in the project
    is_locked: bool  # the lock names it, digest and all
    audit: Audit | None = None
    fault: str | None = None  # why it cannot be shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibits:
    """Everything that a page shows and the decision does not hold."""

    variants: tuple[str, ...] = ()  # bases first, then candidates in the order in which they come about
    against: tuple[int, ...] = ()  # for each variant the index of its base, for a base its own
    items: tuple[ItemExhibit, ...] = ()
    promised: Promised | None = None
    lengths: tuple[LengthShift, ...] = ()
    curves: tuple[Curve, ...] = ()
    audit: ShownAudit | None = None
    notes: tuple[str, ...] = ()  # what could not be shown, and why
