"""What a candidate costs to serve, against its base: replies' lengths and ends, times, what a draft model is worth.

Lengths and ends come from the replies of two runs, times and acceptance from prompts asked one at a time. Items are
paired throughout; changes are of totals, with jackknife intervals (stats.relative).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from regress.schema import (
    Ask,
    Figure,
    FigureChange,
    Finish,
    GradedChange,
    Item,
    ItemOutcome,
    PairCounts,
    Reply,
    Served,
    ServingComparison,
    SpeedUp,
    Suite,
    SuiteComparison,
    TimedReply,
)
from regress.schema.serving import BETTER_WHEN_MORE, RELATIVE
from regress.stats.graded import MeanDifference, t_interval
from regress.stats.relative import (
    Floats,
    jackknife,
    quantile_change,
    rate_change,
    share_change,
    two_way,
)
from regress.stats.speculation import speed_up

PROPOSED = range(2, 9)
"""Tokens that a draft model may propose at a time: what serving systems are set to."""

LEVEL = 0.90

Outcomes = Mapping[str, Mapping[str, ItemOutcome]]
"""By suite and item id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Two runs of the same suites, and their timing where there is one."""

    suites: tuple[Suite, ...]
    base: Outcomes
    candidate: Outcomes
    served: Served | None
    variant: str
    against: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A figure's change, and its spread where there is one to see."""

    change: FigureChange
    estimate: MeanDifference | None


def serving_comparisons(sides: Sides) -> tuple[ServingComparison, ...]:
    """Over all suites that write replies, then over each; nothing where there is none."""
    writing = [suite for suite in sides.suites if suite.ask is Ask.GENERATE]
    if not writing:
        return ()
    return (_comparison(sides, writing, None), *(_comparison(sides, [suite], suite.name) for suite in writing))


def margin_comparisons(sides: Sides) -> list[SuiteComparison]:
    """One for each figure that a suite holds a margin for, named `suite:figure`; none where nothing was measured."""
    return [
        _against_margin(sides, suite, found.change, found.estimate, margin)
        for suite in sides.suites
        for figure, margin in suite.serving.items()
        for found in _figures(sides, [suite])
        if found.change.figure is figure and found.estimate is not None
    ]


def margin_name(suite: Suite, figure: Figure) -> str:
    """What a figure's comparison is called; no suite's own name holds a colon."""
    return f"{suite.name}:{figure}"


def _against_margin(
    sides: Sides, suite: Suite, change: FigureChange, estimate: MeanDifference, margin: Decimal
) -> SuiteComparison:
    sign = 1.0 if change.figure in BETTER_WHEN_MORE else -1.0
    return SuiteComparison(
        suite=margin_name(suite, change.figure),
        category=suite.category,
        role=suite.role,
        variant=sides.variant,
        against=sides.against,
        margin=margin,
        min_gain=None,
        counts=PairCounts(both_pass=change.n, lost=0, gained=0, both_fail=0, unpaired=0),
        graded=GradedChange(
            n=estimate.n,
            delta=sign * estimate.delta,
            standard_error=estimate.standard_error,
            degrees=estimate.degrees,
        ),
        clusters=None,
        design_effect=1.0,
        no_answer=0,
        error=0,
        slices=(),
        kinds=(),
        flips=(),
        figure=change,
    )


def _comparison(sides: Sides, suites: Sequence[Suite], name: str | None) -> ServingComparison:
    pairs = _pairs(sides, suites)
    timed = _timed(sides, suites)
    return ServingComparison(
        variant=sides.variant,
        against=sides.against,
        suite=name,
        items=len(pairs),
        prompt_tokens=sum(after.reply.prompt_tokens for _, _, after in pairs),
        base_reply_tokens=sum(before.reply.reply_tokens for _, before, _ in pairs),
        reply_tokens=sum(after.reply.reply_tokens for _, _, after in pairs),
        figures=tuple(found.change for found in _figures(sides, suites)),
        machine=sides.served.machine if sides.served and timed else None,
        speed_ups=_speed_ups(sides.served, timed),
    )


def _figures(sides: Sides, suites: Sequence[Suite]) -> list[_Found]:
    found = _of_replies(_pairs(sides, suites))
    timed = _timed(sides, suites)
    if sides.served is not None and timed:
        found += [*_of_times(timed), *_peak(sides.served, len(timed)), *_of_proposals(timed)]
    return found


# --- what the replies of two runs tell --------------------------------------------------------------------------------


def _pairs(sides: Sides, suites: Sequence[Suite]) -> list[tuple[Item, ItemOutcome, ItemOutcome]]:
    """(item, base's outcome, candidate's), of items that both answered."""
    return [
        (item, before[item.id], after[item.id])
        for suite in suites
        for before, after in [(sides.base.get(suite.name, {}), sides.candidate.get(suite.name, {}))]
        for item in suite.items
        if item.id in before and item.id in after
    ]


def _of_replies(pairs: Sequence[tuple[Item, ItemOutcome, ItemOutcome]]) -> list[_Found]:
    """Lengths and ends; items of one cluster vary together."""
    counts: dict[Figure, Callable[[Reply], int]] = {
        Figure.REPLY_TOKENS: lambda reply: reply.reply_tokens,
        Figure.END_OF_TEXT: lambda reply: reply.finish is Finish.EOS,
        Figure.CUT: lambda reply: reply.finish is Finish.LENGTH,
    }
    clusters = [item.cluster or ("item", item.id) for item, _, _ in pairs]
    return _known(
        _estimated(figure, [(*_counted(before, part), *_counted(after, part)) for _, before, after in pairs], clusters)
        for figure, part in counts.items()
    )


def _counted(outcome: ItemOutcome, part: Callable[[Reply], int]) -> tuple[int, int]:
    """Over the repeats of one item, or its one reply: (sum of the parts, replies)."""
    replies = outcome.reply.samples or (outcome.reply,)
    return sum(map(part, replies)), len(replies)


# --- what single prompts tell -----------------------------------------------------------------------------------------

Timed = Sequence[tuple[TimedReply, TimedReply]]
"""(base's, candidate's) for each prompt."""


def _timed(sides: Sides, suites: Sequence[Suite]) -> list[tuple[TimedReply, TimedReply]]:
    if sides.served is None:
        return []
    names = {suite.name for suite in suites}
    own = {(reply.suite, reply.item): reply for reply in sides.served.own.replies}
    return [
        (reply, own[reply.suite, reply.item])
        for reply in sides.served.base.replies
        if reply.suite in names and (reply.suite, reply.item) in own
    ]


def _of_times(timed: Timed) -> list[_Found]:
    """Means over prompts and rounds, with the spread of both; the quantiles are over prompts."""
    first, whole = (
        np.array([[getattr(reply, what) for reply in pair] for pair in timed]) / 1e9 for what in ("first", "whole")
    )  # (prompts, 2, rounds), in seconds
    once = np.ones_like(whole)
    behind = once * np.array([[[reply.tokens - 1] for reply in pair] for pair in timed])
    columns = {
        Figure.FIRST_TOKEN: (first, once),
        Figure.LATENCY: (whole, once),
        Figure.TOKENS_PER_SECOND: (behind, whole - first),
    }
    return [
        *_known(
            _estimated(figure, np.stack([part[:, 0], of[:, 0], part[:, 1], of[:, 1]], axis=-1))
            for figure, (part, of) in columns.items()
        ),
        *(
            _Found(change=_quantile(figure, quantile, whole.mean(axis=2)), estimate=None)
            for figure, quantile in ((Figure.LATENCY_P50, 0.5), (Figure.LATENCY_P95, 0.95))
        ),
    ]


def _quantile(figure: Figure, quantile: float, seconds: Floats) -> FigureChange:
    """Of the prompts' mean times, (prompts, 2)."""
    base, own = seconds[:, 0].tolist(), seconds[:, 1].tolist()
    change, interval = quantile_change(base, own, quantile, LEVEL)
    low, high = np.quantile(seconds, quantile, axis=0)
    return FigureChange(
        figure=figure, base=float(low), candidate=float(high), n=len(seconds), change=change, ci90=interval
    )


def _peak(served: Served, n: int) -> list[_Found]:
    base, own = served.base.peak_bytes, served.own.peak_bytes
    if not base or not own:
        return []
    change = FigureChange(figure=Figure.PEAK_MEMORY, base=base, candidate=own, n=n, change=own / base - 1.0, ci90=None)
    return [_Found(change=change, estimate=None)]


def _of_proposals(timed: Timed) -> list[_Found]:
    """The share of tokens that the draft proposes, where it was asked."""
    rows = [
        (before.accepted, before.tokens, after.accepted, after.tokens)
        for before, after in timed
        if before.accepted is not None and after.accepted is not None
    ]
    return _known([_estimated(Figure.ACCEPTANCE, rows)])


def _speed_ups(served: Served | None, timed: Timed) -> tuple[SpeedUp, ...]:
    """Of the draft model on either side; a pass of it is taken to cost its share of the target's parameters."""
    acceptance = [found.change for found in _of_proposals(timed)]
    if served is None or served.draft is None or not acceptance:
        return ()
    cost = served.draft.parameters / served.draft.target_parameters
    (shares,) = acceptance
    return tuple(
        SpeedUp(k=k, base=speed_up(shares.base, k, cost), candidate=speed_up(shares.candidate, k, cost))
        for k in PROPOSED
    )


# --- figures ----------------------------------------------------------------------------------------------------------


def _estimated(figure: Figure, rows: npt.ArrayLike, clusters: Sequence[Hashable] | None = None) -> _Found | None:
    """From part and whole of either side, (n, 4) or (n, rounds, 4); None where no change or no spread can be told."""
    cells = np.asarray(rows, dtype=np.float64)
    if not cells.size:
        return None
    relative = figure in RELATIVE
    statistic = rate_change if relative else share_change
    estimate = two_way(cells, statistic) if cells.ndim == 3 else jackknife(cells, statistic, clusters)
    if estimate is None:
        return None
    every = cells.reshape(-1, 4)
    part, whole, own_part, own_whole = map(float, every.sum(axis=0))
    estimate = replace(estimate, n=len(every))
    change = FigureChange(
        figure=figure,
        base=part / whole,
        candidate=own_part / own_whole,
        n=estimate.n,
        change=estimate.delta,
        ci90=t_interval(estimate, LEVEL, bounded=not relative),
    )
    return _Found(change=change, estimate=estimate)


def _known(found: Iterable[_Found | None]) -> list[_Found]:
    return [one for one in found if one is not None]
