"""Fewer items for a candidate: ask many where the base is in doubt and few where it is sure, and weigh the answers.

The base has answered all N locked items, so three things are known before a candidate is asked: whether the base was
right (then a pair can only be lost, else only gained), by how much, and the item's topic. Items are grouped by all
three; of the N_h in stratum h, n_h are drawn at random and asked. With W_h = N_h / N and the share p_h of those asked
that flipped, the mean difference is the sum of a_h p_h, where a_h = -W_h if the base was right and W_h otherwise.

The estimand stays the population that the locked items sample, so this is two-phase sampling (Cochran 1977, Sampling
Techniques, ch. 12; Särndal, Swensson & Wretman 1992, Model Assisted Survey Sampling, ch. 9): the variance within strata
is not corrected for the finite N_h, and what lies between them is paid over N. Taking the correction would claim
something about these N items only.

Arrays have the strata on their last axis, (..., H), with any number of replications before it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_STEPS = 70  # halvings: a bracket of the multiplier below double precision
_TINY = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Locked items that are alike to the base, how many of them the candidate was asked, and how many flipped."""

    items: int
    asked: int
    flips: int
    base_right: bool

    def __post_init__(self) -> None:
        if not 0 <= self.flips <= self.asked <= self.items or self.asked < 1:
            raise ValueError(f"impossible stratum: {self.flips} flips of {self.asked} asked of {self.items} items")


@dataclass(frozen=True, slots=True, kw_only=True)
class StratifiedMean:
    """Mean paired difference with two variances; they answer different questions."""

    delta: float
    variance: float  # as an estimate for the population that the locked items sample
    variance_here: float  # as an estimate for these N items; zero once all of them are asked


# --- before the candidate is asked -----------------------------------------------------------------------------------


def margin_strata(
    margins: Sequence[float], right: Sequence[bool], topics: Sequence[Hashable], *, bands: int, at_least: int
) -> list[int]:
    """Stratum of each item, 0 to H - 1: topic by base right or wrong, cut into bands of equally many by |margin|.

    `margins` are log-likelihoods of the right choice minus the best wrong one, in nats. Each topic has up to `bands`
    bands on either side, with at least `at_least` items each; on either side, topics with fewer items than that are
    one cell together, however small. Equal margins keep the order given. Raises ValueError for lengths that differ and
    for NaN.
    """
    if not len(margins) == len(right) == len(topics) or not margins or bands < 1 or at_least < 1:
        raise ValueError(f"{len(margins)} margins, {len(right)} outcomes, {len(topics)} topics, {bands} bands")
    if not all(map(math.isfinite, margins)):
        raise ValueError("a margin is not a finite number")
    labels, used = [0] * len(margins), 0
    for cell in _cells(right, topics, at_least):
        parts = max(1, min(bands, len(cell) // at_least))
        for rank, index in enumerate(sorted(cell, key=lambda i: abs(margins[i]))):
            labels[index] = used + rank * parts // len(cell)
        used += parts
    return labels


def _cells(right: Sequence[bool], topics: Sequence[Hashable], at_least: int) -> list[list[int]]:
    """Item positions by topic and side; on each side, those too few for a topic of their own are together."""
    cells: dict[tuple[bool, Hashable], list[int]] = {}
    for index, key in enumerate(zip(right, topics, strict=True)):
        cells.setdefault(key, []).append(index)
    found = [cell for cell in cells.values() if len(cell) >= at_least]
    for side in (True, False):
        small = [i for key, cell in cells.items() if key[0] is side and len(cell) < at_least for i in cell]
        if small:
            found.append(small)
    return found


def planned_sd(margins: Floats) -> Floats:
    """Spread of an item's difference to plan with, from its |margin| in nats: that of a flip as likely as the base
    itself would draw the runner-up in place of the winner, 1 / (1 + exp |margin|).

    A plan, not a claim: where it is wrong the items asked are not the best ones, and the tests hold all the same.
    """
    chance = 0.5 * (1.0 - np.tanh(0.5 * np.abs(margins)))
    return np.asarray(np.sqrt(chance * (1.0 - chance)), dtype=np.float64)


def fewest_to_ask(items: Ints, total: int, margin: float, alpha: float) -> Ints:
    """Items to ask in each stratum before `total` is shared out by what is expected, (..., H).

    A drop as large as the margin may hide in any stratum. However it does, no item asked is lost with a probability of
    at most alpha once each has n_h >= W_h ln(alpha) / ln(1 - margin); with fewer, not even an answer sheet without a
    loss can pass. With just these, hardly anything else can: any loss elsewhere leaves the strata hardly asked under
    suspicion. So no stratum has less than half of its proportional share of the total either, which is near the best
    that was simulated and bounds the harm of a wrong expectation (docs/adr/0010).
    """
    if not 0.0 < margin < 1.0 or not 0.0 < alpha < 1.0:
        raise ValueError(f"margin={margin}, alpha={alpha}")
    share = items / items.sum(-1, keepdims=True)
    wanted = np.maximum(np.ceil(share * math.log(alpha) / math.log1p(-margin)), np.floor(share * total / 2.0))
    return np.asarray(np.clip(wanted, np.minimum(2, items), items), dtype=np.int64)


def neyman(items: Ints, sds: Floats, total: int, at_least: Ints) -> Ints:
    """How many to ask in each stratum: n_h proportional to N_h sd_h (Neyman 1934, JRSS 97:558-625), (..., H).

    Within `at_least` and N_h, and whole numbers that add up to `total` (largest remainders first). Strata with a spread
    of zero get what the others cannot take. Raises ValueError where the total does not lie between the sums of
    `at_least` and of `items`, and for anything negative or NaN.
    """
    items, sds = np.asarray(items), np.asarray(sds, dtype=np.float64)
    lowest = np.minimum(at_least, items)
    if items.size == 0 or np.any(items < 1) or np.any(lowest < 0) or not np.all(np.isfinite(sds) & (sds >= 0.0)):
        raise ValueError("strata need items, and spreads are finite and not negative")
    if np.any(lowest.sum(-1) > total) or np.any(items.sum(-1) < total):
        raise ValueError(f"{total} cannot be asked: at least {lowest.sum(-1).max()}, at most {items.sum(-1).min()}")
    most = sds.max(-1, keepdims=True)
    weight = items * np.maximum(sds, np.where(most > 0.0, 1e-6 * most, 1.0))
    weight = weight / weight.sum(-1, keepdims=True)
    low, high = np.full(weight.shape[:-1], -40.0), np.full(weight.shape[:-1], 80.0)  # logarithm of the common factor
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        enough = np.clip(np.exp(middle)[..., None] * weight, lowest, items).sum(-1) >= total
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    exact = np.clip(np.exp(high)[..., None] * weight, lowest, items)
    whole = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(np.argsort(whole - exact, axis=-1, kind="stable"), axis=-1, kind="stable")
    return np.asarray(whole + (order < (total - whole.sum(-1))[..., None]), dtype=np.int64)


# --- afterwards ------------------------------------------------------------------------------------------------------


def stratified_mean(strata: Sequence[Stratum]) -> StratifiedMean:
    """Unbiased mean difference with unbiased variances; at least two asked wherever more than one item is.

    Raises ValueError for no stratum, and where one item of several was asked: its spread is not known.
    """
    if not strata or any(s.asked == 1 < s.items for s in strata):
        raise ValueError("a stratum with several items needs at least two that were asked")
    flips, asked, items, right = _columns(strata)
    delta, variance, here = _unrestricted(flips, asked, items, _signed(items, right))
    return StratifiedMean(delta=float(delta), variance=float(variance), variance_here=float(here))


def stratified_margin_test(strata: Sequence[Stratum], margin: float) -> tuple[float, float]:
    """(p that the drop is smaller than the margin, p that it is larger), each one-sided at delta = -margin.

    Raises ValueError for no stratum and for margins that are not between 0 and 1.
    """
    if not strata:
        raise ValueError("no stratum")
    p_pass, p_fail = margin_tests(*_columns(strata), margin)
    return float(p_pass), float(p_fail)


def margin_tests(flips: Ints, asked: Ints, items: Ints, right: Bools, margin: float) -> tuple[Floats, Floats]:
    """`stratified_margin_test` for counts (..., H) and `right` (H): p-values (...).

    Each is the larger of two. The score test takes the variances of the most likely rates whose weighted sum is
    -margin, since a stratum without a flip shows no spread, and a small sample of a large one hardly any: that keeps
    PASS. The Wald test takes those that were seen, since a single flip of large weight is unlikely at the restricted
    rates and not impossible: that keeps FAIL. Both are Student's t with Satterthwaite's degrees of freedom. And PASS is
    never more certain than an answer sheet without any loss would make it, wherever the loss might hide. Where the base
    has no more right than the margin nothing is tested, and both are 1.
    """
    if not 0.0 < margin < 1.0:
        raise ValueError(f"margin={margin} is not between 0 and 1")
    signed = _signed(items, right)
    total = items.sum(-1)
    excess = (signed * flips / asked).sum(-1) + margin
    rates = restricted_rates(flips, asked, signed, -margin)
    between = (np.abs(signed) * (np.sign(signed) * rates + margin) ** 2).sum(-1) / total
    restricted = _student(rates, asked, signed, excess, between)
    wald = _student(flips / asked, asked, signed, excess, between)
    p_pass = np.maximum(np.maximum(restricted[0], wald[0]), _no_loss_at_all(asked, items, right, margin))
    p_fail = np.maximum(restricted[1], wald[1])
    possible = np.where(right, items, 0).sum(-1) > margin * total
    return np.where(possible, p_pass, 1.0), np.where(possible, p_fail, 1.0)


def restricted_rates(flips: Ints, asked: Ints, signed: Floats, delta0: float) -> Floats:
    """Most likely flip rate of each stratum given that the sum of signed_h p_h is delta0, (..., H).

    With the multiplier c: flips - asked p = c signed p (1 - p), whose root in 0..1 falls in c signed; c by bisection.
    (The restricted estimates of a linear function of independent binomial rates.)
    """
    flips, asked, signed = np.broadcast_arrays(flips, asked, signed)
    largest = np.abs(signed).max(-1)
    reach = 4.0 * asked.sum(-1) / np.where(largest > 0.0, largest, 1.0)
    low, high = -1.0 * reach, 1.0 * reach
    for _ in range(30):  # widen where the bracket is too narrow; an infeasible delta0 ends at the rates nearest to it
        high_side = (signed * _rates(low, flips, asked, signed)).sum(-1) < delta0
        low_side = (signed * _rates(high, flips, asked, signed)).sum(-1) > delta0
        if not np.any(high_side | low_side):
            break
        low, high = np.where(high_side, 4.0 * low, low), np.where(low_side, 4.0 * high, high)
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        above = (signed * _rates(middle, flips, asked, signed)).sum(-1) > delta0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return _rates((low + high) / 2.0, flips, asked, signed)


def _rates(multiplier: Floats, flips: Ints, asked: Ints, signed: Floats) -> Floats:
    """Root of s p² - (asked + s) p + flips = 0 with s = multiplier signed, in the form that does not cancel."""
    s = multiplier[..., None] * signed
    b = asked + s
    root = np.sqrt(np.maximum(b * b - 4.0 * s * flips, 0.0))
    forward = 2.0 * flips / np.maximum(b + root, _TINY)
    backward = (b - root) / np.where(s == 0.0, 1.0, 2.0 * s)
    return np.asarray(np.clip(np.where(b > 0.0, forward, backward), 0.0, 1.0), dtype=np.float64)


def _no_loss_at_all(asked: Ints, items: Ints, right: Bools, margin: float) -> Floats:
    """Largest probability that no item asked is lost, over all ways to spread a drop of `margin` over the strata."""
    signed = np.where(right, -items / items.sum(-1, keepdims=True), 0.0)
    rates = restricted_rates(np.zeros_like(asked), asked, signed, -margin)
    logs = np.where(right, asked * np.log(np.maximum(1.0 - rates, _TINY)), 0.0)
    return np.asarray(np.exp(logs.sum(-1)), dtype=np.float64)


def _student(rates: Floats, asked: Ints, signed: Floats, excess: Floats, between: Floats) -> tuple[Floats, Floats]:
    """(P above, P below) of the excess (...) over its standard error at these rates (..., H).

    n - 1 in place of n for restricted rates, too: with a handful asked in each of many strata, as many rates fit the
    data closely, and PASS would come up in .062 where .05 is promised (60 strata, 200 asked).
    """
    parts = signed**2 * rates * (1.0 - rates) / np.maximum(asked - 1, 1)
    variance = np.maximum(parts.sum(-1) + between, _TINY)
    degrees = variance**2 / np.maximum((parts**2 / np.maximum(asked - 1, 1)).sum(-1), _TINY)
    t = excess / np.sqrt(variance)
    return _p_above(t, degrees), _p_above(-t, degrees)


def _unrestricted(flips: Ints, asked: Ints, items: Ints, signed: Floats) -> tuple[Floats, Floats, Floats]:
    """(mean difference, its variance for the population, its variance for these items), all unbiased."""
    total = items.sum(-1)
    rates = flips / asked
    delta = (signed * rates).sum(-1)
    spread = asked / np.maximum(asked - 1, 1) * rates * (1.0 - rates)
    here = (signed**2 * (1.0 - asked / items) * spread / asked).sum(-1)
    of_one = (np.abs(signed) * rates).sum(-1) - (delta**2 - here)  # E of an item's square less the mean's
    return delta, here + of_one / np.maximum(total - 1, 1), here


def _signed(items: Ints, right: Bools) -> Floats:
    return np.asarray(np.where(right, -1.0, 1.0) * items / items.sum(-1, keepdims=True), dtype=np.float64)


def _columns(strata: Sequence[Stratum]) -> tuple[Ints, Ints, Ints, Bools]:
    return (
        np.array([s.flips for s in strata]),
        np.array([s.asked for s in strata]),
        np.array([s.items for s in strata]),
        np.array([s.base_right for s in strata]),
    )


def _p_above(t: Floats, degrees: Floats) -> Floats:
    from scipy.special import stdtr  # noqa: PLC0415  0.2 s that only stratified suites pay

    return np.asarray(stdtr(degrees, -t), dtype=np.float64)
