"""The gate as a table of boundaries: what it takes to pass, to fail, and what nothing may be concluded from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from gate_samples import HOLDS, evidence, pairs, reasons, ruled, target, words
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.report.words import headline
from regress.schema import Check, PairCounts, Policy, Role, Ruling, SuiteComparison

GOOD = evidence(pairs(1000))


# --- one suite --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("margin", "n"), [("0.01", 299), ("0.02", 149), ("0.03", 99), ("0.05", 59)], ids=lambda value: str(value)
)
def test_without_a_flip_it_still_takes_enough_items(margin: str, n: int) -> None:
    """Without a flip in n items a rate of losses as high as the margin is ruled out when (1 - margin)^n <= alpha."""
    assert (1 - float(margin)) ** n <= 0.05 < (1 - float(margin)) ** (n - 1)
    assert words(ruled(evidence(pairs(n), margin=Decimal(margin)))) == ["PASS"]
    assert words(ruled(evidence(pairs(n - 1), margin=Decimal(margin)))) == ["UNDECIDED"]


@pytest.mark.parametrize(
    ("n", "margin", "gained", "most_lost_to_pass", "fewest_lost_to_fail"),
    [
        (1000, "0.03", 0, 20, 40),  # 30 lost is the margin itself: ten on either side are noise
        (1000, "0.03", 20, 36, 66),  # the same drop with more flips is less certain
        (200, "0.03", 0, 1, 11),  # few items: a drop of 5 points is neither
        (500, "0.01", 0, 1, 10),
        (1000, "0.01", 10, 11, 31),
    ],
)
def test_counts_at_the_bounds(
    n: int, margin: str, gained: int, most_lost_to_pass: int, fewest_lost_to_fail: int
) -> None:
    for lost, verdict, ruling in (
        (most_lost_to_pass, "PASS", Ruling.PROMOTE),
        (most_lost_to_pass + 1, "UNDECIDED", Ruling.INCONCLUSIVE),
        (fewest_lost_to_fail - 1, "UNDECIDED", Ruling.INCONCLUSIVE),
        (fewest_lost_to_fail, "FAIL", Ruling.REJECT),
    ):
        decision = ruled(evidence(pairs(n, lost, gained), margin=Decimal(margin)))
        assert (words(decision), decision.ruling) == ([verdict], ruling), lost


@pytest.mark.parametrize(
    ("clusters", "effect", "most_lost_to_pass", "fewest_lost_to_fail"),
    [
        (None, 1.0, 20, 40),  # independent items
        (1000, 1.0, 21, 39),  # t with 999 degrees is the normal distribution
        (20, 1.0, 20, 40),  # t with 19 degrees is wider
        (20, 1.5, 18, 42),
        (20, 2.0, 16, 44),
        (50, 4.0, 11, 49),  # an effective 250 items
    ],
)
def test_clusters_widen_the_bounds(
    clusters: int | None, effect: float, most_lost_to_pass: int, fewest_lost_to_fail: int
) -> None:
    def verdict(lost: int) -> str:
        return words(ruled(evidence(pairs(1000, lost), clusters=clusters, design_effect=effect)))[0]

    assert [verdict(most_lost_to_pass), verdict(most_lost_to_pass + 1)] == ["PASS", "UNDECIDED"]
    assert [verdict(fewest_lost_to_fail - 1), verdict(fewest_lost_to_fail)] == ["UNDECIDED", "FAIL"]


def test_the_interval_widens_with_the_root_of_the_design_effect() -> None:
    low, high = ruled(evidence(pairs(1000, 20, 20), clusters=100)).suites[0].ci90 or (0, 0)
    wide_low, wide_high = ruled(evidence(pairs(1000, 20, 20), clusters=100, design_effect=4.0)).suites[0].ci90 or (0, 0)
    assert [wide_low, wide_high] == pytest.approx([2 * low, 2 * high])
    assert low < 0 < high


@pytest.mark.parametrize("clusters", [1, 2, 19])
@pytest.mark.parametrize(
    "comparison", [evidence(pairs(1000)), evidence(pairs(1000, 500)), target(pairs(1000, 0, 500))], ids=str
)
def test_fewer_than_twenty_clusters_tell_nothing(comparison: SuiteComparison, clusters: int) -> None:
    fields = {"role": comparison.role, "margin": comparison.margin, "clusters": clusters}
    decision = ruled(GOOD, evidence(comparison.counts, "few", **fields))
    assert (decision.suites[1].verdict.value, decision.ruling) == ("UNDECIDED", Ruling.INCONCLUSIVE)
    assert f"few (adapter): {clusters} clusters are too few" in reasons(decision)


@pytest.mark.parametrize(
    ("lost", "min_gain", "fewest_gained"),
    [
        (0, None, 4),  # mid-p 1/32; three of three would be 1/16
        (5, None, 12),
        (10, None, 19),
        (0, "0.05", 16),  # 8 points seen, so that 5 are certain
        (5, "0.05", 24),
        (10, "0.05", 31),
    ],
)
def test_a_target_must_gain(lost: int, min_gain: str | None, fewest_gained: int) -> None:
    for gained, ruling in ((fewest_gained, Ruling.PROMOTE), (fewest_gained - 1, Ruling.INCONCLUSIVE)):
        wanted = target(pairs(200, lost, gained), min_gain=None if min_gain is None else Decimal(min_gain))
        decision = ruled(GOOD, wanted)
        assert decision.ruling is ruling
        assert (decision.suites[1].verdict.value == "PASS") is (ruling is Ruling.PROMOTE)


def test_a_clustered_target_needs_more() -> None:
    assert ruled(GOOD, target(pairs(200, 2, 12), clusters=40)).ruling is Ruling.PROMOTE
    assert ruled(GOOD, target(pairs(200, 2, 12), clusters=40, design_effect=4.0)).ruling is Ruling.INCONCLUSIVE


# --- several suites ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("others", "fewest_lost_to_reject"),
    [(0, 40), (1, 42), (5, 45)],  # Holm asks p <= .05 / K of a lone FAIL among K
)
def test_a_lone_fail_among_several_is_not_yet_a_rejection(others: int, fewest_lost_to_reject: int) -> None:
    rest = [evidence(pairs(2000), f"fine{k}") for k in range(others)]
    rejected = ruled(evidence(pairs(1000, fewest_lost_to_reject), "bad"), *rest)
    assert (rejected.ruling, words(rejected)[0]) == (Ruling.REJECT, "FAIL")
    assert rejected.reasons[0].startswith(f"bad (adapter): {fewest_lost_to_reject} lost, 0 gained of 1000")
    spared = ruled(evidence(pairs(1000, fewest_lost_to_reject - 1), "bad"), *rest)
    assert (spared.ruling, words(spared)[0]) == (Ruling.INCONCLUSIVE, "FAIL" if others else "UNDECIDED")


@pytest.mark.parametrize(
    ("why", "comparisons", "ruling"),
    [
        ("all pass", (GOOD, evidence(pairs(1000, 20), "b")), Ruling.PROMOTE),
        ("one open", (GOOD, evidence(pairs(1000, 30), "b")), Ruling.INCONCLUSIVE),
        ("the other variant fails", (GOOD, evidence(pairs(1000, 99), variant="merged")), Ruling.REJECT),
        ("a failure beats a gain", (evidence(pairs(1000, 99)), target(pairs(200, 0, 90))), Ruling.REJECT),
        ("a target that lost rejects nobody", (GOOD, target(pairs(200, 150, 0))), Ruling.INCONCLUSIVE),
        ("open suites outrank a missed target", (evidence(pairs(1000, 30)), target(pairs(9))), Ruling.INCONCLUSIVE),
        ("inform decides nothing", (GOOD, evidence(pairs(1000, 999), "i", role=Role.INFORM)), Ruling.PROMOTE),
        ("inform has no margin", (GOOD, evidence(pairs(9, 9), "i", role=Role.INFORM, margin=None)), Ruling.PROMOTE),
    ],
)
def test_what_suites_come_to_together(why: str, comparisons: Sequence[SuiteComparison], ruling: Ruling) -> None:
    assert ruled(*comparisons).ruling is ruling, why


def test_gain_is_asked_for_only_once_nothing_protected_is_open() -> None:
    decision = ruled(evidence(pairs(1000, 30), "open"), target(pairs(200)))
    assert "open (adapter)" in reasons(decision)
    assert "goal" not in reasons(decision)
    assert "goal (adapter): 0 lost, 0 gained of 200 (200 → 200 right); a gain is not shown" in reasons(
        ruled(GOOD, target(pairs(200)))
    )


def test_the_worst_loss_is_named_first() -> None:
    decision = ruled(evidence(pairs(1000, 80), "bad"), evidence(pairs(1000, 300), "worse"))
    assert [reason.split()[0] for reason in decision.reasons] == ["worse", "bad"]


def test_an_open_suite_says_what_would_settle_it() -> None:
    few = ruled(evidence(pairs(60, 0, 0)))
    assert few.suites[0].needed_n is not None
    assert few.suites[0].needed_n > 60
    assert "items would settle no change" in reasons(few)
    seen = ruled(evidence(pairs(1000, 25)))
    assert "a drop of 2.5 points is too close to the margin to call" in reasons(seen)
    assert seen.suites[0].needed_n is not None
    assert seen.suites[0].needed_n > 1000


@pytest.mark.parametrize(
    ("counts", "ruling", "why"),
    [
        (pairs(500), Ruling.PROMOTE, "every probe held"),
        (pairs(500, 1), Ruling.INCONCLUSIVE, "one hit, far within the margin"),
        (pairs(500, 1, 1), Ruling.INCONCLUSIVE, "a gain does not pay for a hit"),
        (PairCounts(both_pass=499, both_fail=1), Ruling.INCONCLUSIVE, "the base failed there too"),
        (pairs(500, 300), Ruling.REJECT, "beyond the margin anyway"),
    ],
)
def test_a_zero_tolerance_hit_keeps_from_promotion(counts: PairCounts, ruling: Ruling, why: str) -> None:
    decision = ruled(GOOD, evidence(counts, "probes"), policy=Policy(zero_tolerance=("probes",)))
    assert decision.ruling is ruling, why
    if ruling is Ruling.INCONCLUSIVE:
        assert "1 of 500 zero-tolerance probes failed" in reasons(decision)


# --- fail closed ------------------------------------------------------------------------------------------------------

NAN = Decimal("NaN")
ROWS: list[tuple[str, tuple[SuiteComparison, ...], dict[str, Any], str]] = [
    ("no comparison", (), {}, "no protected suite was compared"),
    ("no comparison, though some are expected", (), {"expected": {("s", "adapter")}}, "s (adapter) has no evidence"),
    ("no check", (GOOD,), {"checks": ()}, "no preflight check was made"),
    ("a failed check", (GOOD,), {"checks": (HOLDS, Check(name="parity", ok=False, detail="off by 3"))}, "off by 3"),
    ("a missing suite", (GOOD,), {"expected": {("s", "adapter"), ("t", "adapter")}}, "t (adapter) has no evidence"),
    ("a missing variant", (GOOD,), {"expected": {("s", "adapter"), ("s", "merged")}}, "s (merged) has no evidence"),
    ("an unexpected suite", (GOOD, evidence(pairs(900), "x")), {"expected": {("s", "adapter")}}, "not in the lock"),
    ("nothing expected", (GOOD,), {"expected": ()}, "s (adapter) is not in the lock"),
    ("one twice", (GOOD, GOOD), {}, "compared twice"),
    ("only targets", (target(pairs(200, 0, 90)),), {}, "no protected suite"),
    ("only reported suites", (evidence(pairs(1000), role=Role.INFORM),), {}, "no protected suite"),
    ("unpaired items", (evidence(pairs(1000, unpaired=1)),), {}, "1 items were answered by one side only"),
    ("unpaired in a target", (GOOD, target(pairs(99, 0, 90, unpaired=1))), {}, "answered by one side only"),
    ("unpaired in a report", (GOOD, evidence(pairs(9, unpaired=1), "i", role=Role.INFORM)), {}, "one side only"),
    ("an error outcome", (evidence(pairs(1000), error=1),), {}, "1 replies could not be scored"),
    ("n = 0", (evidence(pairs(0)),), {}, "no item was compared"),
    ("n = 0 beside a good suite", (GOOD, evidence(pairs(0), "z")), {}, "z (adapter): no item was compared"),
    ("a negative count", (evidence(PairCounts(both_pass=1000, lost=-1)),), {}, "impossible counts"),
    ("a negative count that hides", (evidence(PairCounts(both_pass=1000, unpaired=-1)),), {}, "impossible counts"),
    ("no margin", (evidence(pairs(1000), margin=None),), {}, "a margin of None"),
    ("margin 0", (evidence(pairs(1000), margin=Decimal(0)),), {}, "a margin of 0"),
    ("a margin that is 0 as a double", (evidence(pairs(9), margin=Decimal("1e-400")),), {}, "a margin of 1E-400"),
    ("alpha that no double holds", (evidence(pairs(9)),), {"policy": Policy(alpha=Decimal("1e-20"))}, "alpha is 1E-20"),
    ("margin 1", (evidence(pairs(1000), margin=Decimal(1)),), {}, "a margin of 1"),
    ("a margin beyond a rate", (evidence(pairs(1000), margin=Decimal(3)),), {}, "a margin of 3"),
    ("a negative margin", (evidence(pairs(1000), margin=Decimal("-0.01")),), {}, "a margin of -0.01"),
    ("margin NaN", (evidence(pairs(1000), margin=NAN),), {}, "a margin of NaN"),
    ("margin sNaN", (evidence(pairs(1000), margin=Decimal("sNaN")),), {}, "a margin of sNaN"),
    ("margin infinity", (evidence(pairs(1000), margin=Decimal("inf")),), {}, "a margin of Infinity"),
    ("a report's margin NaN", (GOOD, evidence(pairs(9), "i", role=Role.INFORM, margin=NAN)), {}, "a margin of NaN"),
    ("min_gain NaN", (GOOD, target(pairs(200, 0, 90), min_gain=NAN)), {}, "a min_gain of NaN"),
    ("min_gain 2", (GOOD, target(pairs(200, 0, 90), min_gain=Decimal(2))), {}, "a min_gain of 2"),
    ("a NaN design effect", (evidence(pairs(1000), clusters=50, design_effect=math.nan),), {}, "effect is nan"),
    ("infinite design effect", (evidence(pairs(1000), clusters=50, design_effect=math.inf),), {}, "effect is inf"),
    ("a design effect below 1", (evidence(pairs(1000), clusters=50, design_effect=0.01),), {}, "effect is 0.01"),
    ("alpha 0", (GOOD,), {"policy": Policy(alpha=Decimal(0))}, "alpha is 0"),
    ("alpha 1", (GOOD,), {"policy": Policy(alpha=Decimal(1))}, "alpha is 1"),
    ("alpha NaN", (GOOD,), {"policy": Policy(alpha=NAN)}, "alpha is NaN"),
    ("power NaN", (evidence(pairs(9)),), {"policy": Policy(power=NAN)}, "power is NaN"),
    ("power 1", (evidence(pairs(9)),), {"policy": Policy(power=Decimal(1))}, "power is 1"),
    (
        "zero_tolerance of nobody",
        (GOOD,),
        {"policy": Policy(zero_tolerance=("probes",))},
        "zero_tolerance names probes",
    ),
]


@pytest.mark.parametrize(("comparisons", "changes", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_nothing_is_concluded_from_broken_evidence(
    comparisons: tuple[SuiteComparison, ...], changes: dict[str, Any], reason: str
) -> None:
    decision = ruled(*comparisons, **changes)
    assert decision.ruling is Ruling.REFUSED
    assert reason in reasons(decision)
    assert decision.ruling.exit_code == 5
    assert len(decision.suites) == len(comparisons)  # what was counted is shown all the same


def test_broken_evidence_does_not_reject_either() -> None:
    assert ruled(evidence(pairs(1000, 500))).ruling is Ruling.REJECT
    assert ruled(evidence(pairs(1000, 500, unpaired=1))).ruling is Ruling.REFUSED


def test_every_refusal_is_named() -> None:
    decision = ruled(evidence(pairs(1000, unpaired=2), error=3), checks=(), policy=Policy(alpha=Decimal(1)))
    assert len(decision.reasons) == 4


# --- laws -------------------------------------------------------------------------------------------------------------

SHARES = st.sampled_from([Decimal(text) for text in ("0.005", "0.01", "0.02", "0.03", "0.05", "0.1", "0.3")])
EFFECTS = st.one_of(
    st.just((None, 1.0)), st.tuples(st.integers(1, 400), st.floats(1.0, 20.0, allow_nan=False, allow_infinity=False))
)


@st.composite
def some_counts(draw: st.DrawFn, smallest: int = 1) -> PairCounts:
    n = draw(st.integers(smallest, 3000))
    lost = draw(st.integers(0, n))
    gained = draw(st.integers(0, n - lost))
    both = draw(st.integers(0, n - lost - gained))
    return PairCounts(both_pass=both, lost=lost, gained=gained, both_fail=n - lost - gained - both)


@st.composite
def some_evidence(draw: st.DrawFn) -> SuiteComparison:
    clusters, effect = draw(EFFECTS)
    shape: dict[str, Any] = {"clusters": clusters, "design_effect": effect}
    if draw(st.booleans()):
        return evidence(draw(some_counts()), margin=draw(SHARES), **shape)
    return target(draw(some_counts()), "s", min_gain=draw(st.none() | SHARES), **shape)


@settings(max_examples=150, deadline=None)
@given(some_evidence(), st.integers(1, 500))
def test_more_losses_never_promote(comparison: SuiteComparison, more: int) -> None:
    counts = comparison.counts
    more = min(more, counts.both_pass)
    worse = replace(counts, both_pass=counts.both_pass - more, lost=counts.lost + more)
    other = evidence(pairs(1000), "other")
    if ruled(other, replace(comparison, counts=worse)).ruling is Ruling.PROMOTE:
        assert ruled(other, comparison).ruling is Ruling.PROMOTE


@settings(max_examples=150, deadline=None)
@given(some_counts(), EFFECTS)
def test_swapping_the_sides_mirrors_the_change_and_its_interval(
    counts: PairCounts, effect: tuple[int | None, float]
) -> None:
    found = evidence(counts, clusters=effect[0], design_effect=effect[1])
    swapped = replace(found, counts=replace(counts, lost=counts.gained, gained=counts.lost))
    one, other = (ruled(comparison).suites[0] for comparison in (found, swapped))
    assert one.delta is not None
    assert other.delta == -one.delta
    assert one.ci90 is not None
    assert other.ci90 is not None
    assert [-other.ci90[1], -other.ci90[0]] == pytest.approx(list(one.ci90), abs=1e-9)
    assert one.ci90[0] <= one.delta <= one.ci90[1]
    assert one.ci90[0] < one.ci90[1]  # never an interval of width zero


@settings(max_examples=100, deadline=None)
@given(st.lists(some_evidence(), min_size=1, max_size=4), st.integers(1, 1000), st.data())
def test_an_unpaired_item_never_promotes(found: list[SuiteComparison], unpaired: int, data: st.DataObject) -> None:
    comparisons = [replace(comparison, suite=f"s{index}") for index, comparison in enumerate(found)]
    hit = data.draw(st.integers(0, len(found) - 1))
    comparisons[hit] = replace(found[hit], counts=replace(found[hit].counts, unpaired=unpaired))
    assert ruled(GOOD, *comparisons).ruling is Ruling.REFUSED


@settings(max_examples=100, deadline=None)
@given(st.lists(some_evidence(), max_size=4))
def test_the_decision_is_pure_and_its_numbers_are_rates(found: list[SuiteComparison]) -> None:
    comparisons = [GOOD, *(replace(comparison, suite=f"s{index}") for index, comparison in enumerate(found))]
    first, second = ruled(*comparisons), ruled(*comparisons)
    assert first == second
    assert first.ruling is not Ruling.REFUSED
    for v in first.suites:
        numbers = (v.p_pass, v.p_fail, v.p_fail_holm, v.p_gain, *(v.ci90 or ()))
        assert all(-1.0 <= number <= 1.0 for number in numbers if number is not None)
    reversed_ = ruled(*reversed(comparisons))
    assert (reversed_.ruling, set(reversed_.suites)) == (first.ruling, set(first.suites))  # order says nothing


# --- zero tolerance ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failed", "confirmed", "ruling"),
    [(0, 0, Ruling.PROMOTE), (3, 0, Ruling.INCONCLUSIVE), (3, None, Ruling.INCONCLUSIVE), (3, 1, Ruling.REJECT)],
)
def test_one_confirmed_hit_rejects_and_others_hold_back(failed: int, confirmed: int | None, ruling: Ruling) -> None:
    probes = evidence(pairs(1000, failed), "probes", confirmed=confirmed)
    decision = ruled(GOOD, probes, policy=Policy(zero_tolerance=("probes",)))
    assert decision.ruling is ruling
    if ruling is Ruling.REJECT:
        assert "3 of 1000 zero-tolerance probes failed, 1 of them confirmed" in reasons(decision)
        assert "confirmed by a second detector" in headline(decision)


def test_hits_elsewhere_are_ordinary_failures() -> None:
    assert ruled(GOOD, evidence(pairs(1000, 3), "probes", confirmed=3)).ruling is Ruling.PROMOTE
