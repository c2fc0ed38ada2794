"""Serving: what replies to single prompts took, and how cost and speed changed from base to candidate."""

from __future__ import annotations

from dataclasses import dataclass

from regress.schema.words import Figure

RELATIVE = frozenset(
    {
        Figure.REPLY_TOKENS,
        Figure.FIRST_TOKEN,
        Figure.LATENCY,
        Figure.LATENCY_P50,
        Figure.LATENCY_P95,
        Figure.TOKENS_PER_SECOND,
        Figure.PEAK_MEMORY,
    }
)
"""Changes of these are parts of the base's figure; the others are shares, and their changes differences of shares."""

BETTER_WHEN_MORE = frozenset({Figure.END_OF_TEXT, Figure.TOKENS_PER_SECOND, Figure.ACCEPTANCE})

TIMED = frozenset({Figure.FIRST_TOKEN, Figure.LATENCY, Figure.TOKENS_PER_SECOND, Figure.ACCEPTANCE})
"""What the replies of a run do not tell, and a suite can hold a margin for: single prompts are asked for these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedReply:
    """The greedy reply to one prompt, asked alone, once in each round. Times in nanoseconds."""

    suite: str
    item: str
    tokens: int  # an end token included
    first: tuple[int, ...]  # until the first token was there
    whole: tuple[int, ...]  # until the last one was
    accepted: int | None = None  # tokens that the draft model would have proposed


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedSide:
    """One variant."""

    variant: str
    replies: tuple[TimedReply, ...]
    peak_bytes: int | None  # of memory, weights included; None where it cannot be told


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The draft model that proposes tokens."""

    digest: str  # of its weights
    parameters: int
    target_parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """serving.json of a candidate's run: base and candidate took turns, in one session on one machine."""

    run: str  # digest of the run's manifest
    machine: str
    rounds: int
    draft: Draft | None
    base: TimedSide
    own: TimedSide


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureChange:
    """One figure on both sides. `change` is candidate - base, or candidate / base - 1 for a `RELATIVE` one."""

    figure: Figure
    base: float
    candidate: float
    n: int  # items, or timed replies
    change: float
    ci90: tuple[float, float] | None  # None where no spread is known


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedUp:
    """How many times as fast as without a draft, with `k` tokens proposed at a time."""

    k: int
    base: float
    candidate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingComparison:
    """One candidate variant against its base, over one suite or all that write replies."""

    variant: str
    against: str
    suite: str | None  # None: all of them together
    items: int
    prompt_tokens: int
    base_reply_tokens: int
    reply_tokens: int
    figures: tuple[FigureChange, ...]
    machine: str | None = None  # where times were measured
    speed_ups: tuple[SpeedUp, ...] = ()  # where a draft model is declared
