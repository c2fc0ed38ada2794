"""What must hold of any evidence: worse never helps, the two sides mirror each other, nonsense never promotes.

`test_gate.py` has the table of boundaries. These laws are also what `benchmarks/error_rates.py` relies on when it looks
verdicts up by their borders.
"""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from gate_samples import evidence, pairs, ruled
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.gate import judge
from regress.schema import Attempt, PairCounts, Policy, Ruling, SuiteComparison
from regress.stats.intervals import agresti_min, bonett_price, mcnemar_exact, mcnemar_midp, newcombe
from regress.stats.paired import tango_interval, tango_z

BETTER = {Ruling.PROMOTE: 2, Ruling.INCONCLUSIVE: 1, Ruling.REJECT: 0}
MARGINS = st.sampled_from([Decimal(text) for text in ("0.005", "0.01", "0.03", "0.05", "0.2")])
ITEMS = st.sampled_from([1, 20, 60, 150, 400, 1999, 2001, 5000])  # exact tests up to 2,000, approximations beyond
law = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def near_the_border(draw: st.DrawFn) -> SuiteComparison:
    """A suite whose drop is anything up to three margins, with up to a tenth of other flips."""
    n, margin = draw(ITEMS), draw(MARGINS)
    gained = draw(st.integers(0, n // 10))
    lost = draw(st.integers(0, min(n - gained, gained + math.ceil(3 * n * float(margin)))))
    both = draw(st.integers(0, n - lost - gained))
    counts = PairCounts(both_pass=both, lost=lost, gained=gained, both_fail=n - lost - gained - both)
    clusters = draw(st.none() | st.sampled_from([2, 19, 20, 300]))
    effect = 1.0 if clusters is None else draw(st.sampled_from([1.0, 1.5, 6.0]))
    return evidence(counts, margin=margin, clusters=clusters, design_effect=effect)


def p_values(comparison: SuiteComparison, policy: Policy | None = None) -> tuple[float, float]:
    verdict = judge(comparison, policy or Policy())
    assert verdict.p_pass is not None
    assert verdict.p_fail is not None
    return verdict.p_pass, verdict.p_fail


def rank(*comparisons: SuiteComparison, policy: Policy | None = None) -> int:
    """How good the ruling is; a refusal is no ruling on the candidate."""
    return BETTER[ruled(*comparisons, policy=policy or Policy()).ruling]


# --- worse never helps ------------------------------------------------------------------------------------------------


@law
@given(near_the_border(), st.integers(1, 40), st.booleans())
def test_more_losses_or_fewer_gains_never_help(comparison: SuiteComparison, more: int, lose: bool) -> None:
    counts = comparison.counts
    if lose:
        more = min(more, counts.both_pass)
        counts = replace(counts, both_pass=counts.both_pass - more, lost=counts.lost + more)
    else:
        more = min(more, counts.gained)
        counts = replace(counts, gained=counts.gained - more, both_fail=counts.both_fail + more)
    worse = replace(comparison, counts=counts)
    (p_pass, p_fail), (worse_pass, worse_fail) = p_values(comparison), p_values(worse)
    assert worse_pass >= p_pass - 1e-12
    assert worse_fail <= p_fail + 1e-12
    assert rank(worse) <= rank(comparison)


@pytest.mark.parametrize(("n", "margin"), [(150, "0.05"), (300, "0.01"), (2500, "0.01")])
def test_one_more_loss_never_lowers_p_nor_one_more_gain_raises_it(n: int, margin: str) -> None:
    """Every neighbour in the region around the border, where the bound on the flip rate moves with the counts."""

    def p(lost: int, gained: int) -> tuple[float, float]:
        return p_values(evidence(pairs(n, lost, gained), margin=Decimal(margin)))

    middle = round(n * float(margin))
    for lost in range(max(0, middle - 6), middle + 8, 2):
        for gained in (0, 3):
            here, worse, better = p(lost, gained), p(lost + 1, gained), p(lost, gained + 1)
            assert better[0] <= here[0] <= worse[0]
            assert better[1] >= here[1] >= worse[1]


@law
@given(near_the_border(), MARGINS, st.sampled_from(["0.0001", "0.0304", "0.05", "0.4"]))
def test_a_stricter_rule_never_promotes_more(comparison: SuiteComparison, margin: Decimal, alpha: str) -> None:
    promoted = ruled(comparison).ruling is Ruling.PROMOTE
    if margin <= (comparison.margin or 0) and ruled(replace(comparison, margin=margin)).ruling is Ruling.PROMOTE:
        assert promoted
    strict, lenient = sorted([Decimal(alpha), Decimal("0.05")])
    if ruled(comparison, policy=Policy(alpha=strict)).ruling is Ruling.PROMOTE:
        assert ruled(comparison, policy=Policy(alpha=lenient)).ruling is Ruling.PROMOTE


@law
@given(near_the_border(), st.integers(2, 30))
def test_a_later_attempt_never_gets_a_better_ruling(comparison: SuiteComparison, number: int) -> None:
    first, later = (
        ruled(comparison, attempt=Attempt(number=t, alpha=6 * 0.05 / (math.pi * t) ** 2)).ruling for t in (1, number)
    )
    if later is Ruling.PROMOTE:
        assert first is Ruling.PROMOTE
    if later is Ruling.REJECT:
        assert first is Ruling.REJECT


@law
@given(st.lists(near_the_border(), min_size=1, max_size=3), near_the_border())
def test_another_suite_can_only_hold_back(found: list[SuiteComparison], added: SuiteComparison) -> None:
    suites = [replace(comparison, suite=f"s{index}") for index, comparison in enumerate(found)]
    if ruled(*suites, replace(added, suite="added")).ruling is Ruling.PROMOTE:
        assert ruled(*suites).ruling is Ruling.PROMOTE


@st.composite
def look_by_look(draw: st.DrawFn) -> list[tuple[int, int]]:
    """(lost, gained) within each tenth of 1,000 items."""
    heavy = draw(st.sampled_from([2, 4, 8]))
    tenth = st.tuples(st.integers(0, heavy), st.integers(0, 4))
    return draw(st.lists(tenth, min_size=1, max_size=10))


def stopped(tenths: list[tuple[int, int]]) -> SuiteComparison:
    """A suite asked look by look, until here."""
    looks = [
        pairs(100 * (k + 1), sum(lost for lost, _ in tenths[: k + 1]), sum(gained for _, gained in tenths[: k + 1]))
        for k in range(len(tenths))
    ]
    return evidence(looks[-1], looks=tuple(looks), planned_n=1000)


@settings(law, max_examples=25)
@given(look_by_look(), st.integers(0, 9), st.integers(1, 30))
def test_more_losses_at_a_look_never_promote(tenths: list[tuple[int, int]], look: int, more: int) -> None:
    look = min(look, len(tenths) - 1)
    worse = [(lost + more * (k == look), gained) for k, (lost, gained) in enumerate(tenths)]
    assert p_values(stopped(worse))[0] >= p_values(stopped(tenths))[0]
    assert p_values(stopped(worse))[1] <= p_values(stopped(tenths))[1]
    if ruled(stopped(worse)).ruling is Ruling.PROMOTE:
        assert ruled(stopped(tenths)).ruling is Ruling.PROMOTE


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_a_run_that_broke_off_at_a_look_promotes_nothing(asked: int) -> None:
    """Without a flip so many items would do for a test that was meant to end there."""
    assert ruled(evidence(pairs(100 * asked))).ruling is Ruling.PROMOTE
    assert ruled(stopped([(0, 0)] * asked)).ruling is not Ruling.PROMOTE
    assert ruled(stopped([(0, 0)] * 4)).ruling is Ruling.PROMOTE


# --- mirrored ---------------------------------------------------------------------------------------------------------

COUNTS = st.tuples(st.integers(0, 60), st.integers(0, 40), st.integers(0, 40), st.integers(0, 60)).filter(any)


@law
@given(COUNTS, st.floats(-0.99, 0.99), st.sampled_from([0.5, 0.9, 0.999]))
def test_swapping_base_and_candidate_mirrors(table: tuple[int, int, int, int], delta0: float, level: float) -> None:
    both_pass, lost, gained, both_fail = table
    n = sum(table)
    assert tango_z(lost, gained, n, delta0) == pytest.approx(-tango_z(gained, lost, n, -delta0), rel=1e-6, abs=1e-6)
    for interval, mirrored in (
        (tango_interval(lost, gained, n, level), tango_interval(gained, lost, n, level)),
        (bonett_price(lost, gained, n, level), bonett_price(gained, lost, n, level)),
        (agresti_min(lost, gained, n, level), agresti_min(gained, lost, n, level)),
        (newcombe(both_pass, lost, gained, both_fail, level), newcombe(both_pass, gained, lost, both_fail, level)),
    ):
        assert interval == pytest.approx((-mirrored[1], -mirrored[0]), abs=1e-9)
    assert mcnemar_exact(lost, gained) == mcnemar_exact(gained, lost)
    assert mcnemar_midp(lost, gained) == mcnemar_midp(gained, lost)


# --- nonsense never promotes ------------------------------------------------------------------------------------------

GOOD = evidence(pairs(3000))
ODD = st.sampled_from(
    ["NaN", "sNaN", "-NaN", "Infinity", "-Infinity", "0", "-0", "1", "-0.05", "1.5", "1e-999", "1e999"]
)


@law
@given(ODD, st.sampled_from(["margin", "alpha", "power", "attempt"]), near_the_border())
def test_numbers_that_mean_nothing_are_refused(odd: str, where: str, other: SuiteComparison) -> None:
    assert ruled(GOOD).ruling is Ruling.PROMOTE
    suites, policy, attempt = [GOOD, replace(other, suite="other")], Policy(), None
    if where == "margin":
        suites[1] = replace(suites[1], margin=Decimal(odd))
    elif where == "attempt":
        attempt = Attempt(number=1, alpha=float(Decimal(odd.replace("sNaN", "NaN"))))
    else:
        policy = Policy(alpha=Decimal(odd)) if where == "alpha" else Policy(power=Decimal(odd))
    assert ruled(*suites, policy=policy, attempt=attempt).ruling is Ruling.REFUSED


@law
@given(near_the_border(), st.integers(1, 9), st.booleans())
def test_what_was_not_answered_by_both_is_never_promoted(
    comparison: SuiteComparison, missing: int, unscored: bool
) -> None:
    incomplete = replace(
        comparison,
        counts=replace(comparison.counts, unpaired=0 if unscored else missing),
        error=missing if unscored else 0,
    )
    assert ruled(GOOD, replace(incomplete, suite="incomplete")).ruling is Ruling.REFUSED
