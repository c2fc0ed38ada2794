"""Planning: what so many items can tell, and in which order they are asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.plan import (
    FLIP_RATES,
    flip_basis,
    item_order,
    plan_suite,
    plan_suites,
    power_curve,
    promotion_chances,
    size_table,
)
from regress.schema import (
    Ask,
    Category,
    FlipSource,
    GenerationSettings,
    Item,
    Message,
    NoiseFloor,
    PairCounts,
    Policy,
    PromptStyle,
    Role,
    ScorerSpec,
    Suite,
    SuitePlan,
)


def a_suite(slices: Sequence[str | None], **changes: Any) -> Suite:
    """One item for each slice name."""
    items = tuple(
        Item(id=f"q{k}", messages=(Message(role="user", content="?"),), slice=name, digest=f"d{k}", line=k + 1)
        for k, name in enumerate(slices)
    )
    values: dict[str, Any] = {
        "name": "s",
        "version": 1,
        "category": Category.DOMAIN,
        "role": Role.PROTECT,
        "ask": Ask.GENERATE,
        "prompt": PromptStyle.RAW,
        "generation": GenerationSettings(),
        "scorer": ScorerSpec(name="exact_match"),
        "margin": Decimal("0.03"),
        "items": items,
        "path": "s.yaml",
        "items_path": "s.jsonl",
    }
    return Suite(**(values | changes))


def test_more_items_tell_more() -> None:
    few, many = (plan_suite(a_suite([None] * n), Policy()) for n in (100, 2000))
    assert (few.n, many.n) == (100, 2000)
    assert [outlook.flip_rate for outlook in few.outlooks] == list(FLIP_RATES)
    for small, large in zip(few.outlooks, many.outlooks, strict=True):
        assert small.needed_n == large.needed_n  # it does not depend on what is there
        assert small.pass_chance < large.pass_chance
        assert small.detectable is not None
        assert large.detectable is not None
        assert 0.03 < large.detectable < small.detectable


def test_the_plan_agrees_with_the_table_of_exact_sizes() -> None:
    """Margin 3 points, alpha .05, power .8: 380 items at 5 % flips, 707 at 10 %; ours are near.

    The first candidate may spend 6/pi² of the policy's alpha, so the policy has pi²/6 of .05 here.
    """
    policy = Policy(alpha=Decimal("0.0822467"))
    sizes = {outlook.flip_rate: outlook.needed_n for outlook in plan_suite(a_suite([None]), policy).outlooks}
    assert sizes[Decimal("0.05")] == pytest.approx(380, rel=0.06)
    assert sizes[Decimal("0.10")] == pytest.approx(707, rel=0.06)


@pytest.mark.parametrize("changes", [{"role": Role.TARGET}, {"role": Role.INFORM}, {"margin": None}])
def test_only_a_margin_that_is_held_has_an_outlook(changes: dict[str, Any]) -> None:
    assert plan_suite(a_suite([None] * 50, **changes), Policy()).outlooks == ()


def test_one_item_detects_nothing() -> None:
    assert all(outlook.detectable is None for outlook in plan_suite(a_suite([None]), Policy()).outlooks)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([None, "en", "fr", "de"]), min_size=1, max_size=80), st.integers(0, 2**32))
def test_an_order_is_a_permutation_that_the_file_cannot_choose(slices: list[str | None], seed: int) -> None:
    suite = a_suite(slices)
    order = item_order(suite, seed)
    assert Counter(order) == Counter(suite.items)
    turned = a_suite(slices, items=suite.items[::-1])
    assert item_order(turned, seed) == order  # the lock holds items by id, not by line


def test_the_order_depends_on_the_seed_and_the_suite() -> None:
    suite = a_suite([None] * 50)
    assert item_order(suite, 1) == item_order(suite, 1) != item_order(suite, 2)
    assert item_order(a_suite([None] * 50, name="t"), 1) != item_order(suite, 1)


@pytest.mark.parametrize("seed", range(5))
def test_any_beginning_samples_every_slice(seed: int) -> None:
    """Sorted items break every early stop: the damage may sit in the last slice."""
    order = item_order(a_suite(["a"] * 80 + ["b"] * 20), seed)
    for length in (10, 25, 50, 75):
        share = Counter(item.slice for item in order[:length])["b"]
        assert abs(share - length / 5) <= 2, length


def test_together_they_pass_less_often_than_each_alone() -> None:
    plans = [plan_suite(a_suite([None] * n), Policy()) for n in (700, 900)] + [SuitePlan(n=5, outlooks=())]
    first, second = plans[0].outlooks[2].pass_chance, plans[1].outlooks[2].pass_chance
    assert promotion_chances(plans)[2] == pytest.approx(first * second)


def a_floor(flips: int, n: int) -> NoiseFloor:
    counts = PairCounts(both_pass=n - flips, lost=flips)
    return NoiseFloor(suite="s", counts=counts, upper=0.5, p=1.0, extra_items=None)


@pytest.mark.parametrize(
    ("given", "noise", "source", "rates"),
    [
        (None, None, FlipSource.ASSUMED, ["0.02", "0.05", "0.10"]),
        ("0.04", None, FlipSource.GIVEN, ["0.04"]),
        (None, (2, 800), FlipSource.MEASURED, ["0.025", "0.055", "0.105"]),  # psi + 2q
        (None, (0, 800), FlipSource.MEASURED, ["0.02", "0.05", "0.10"]),
        (None, (1, 3000), FlipSource.MEASURED, ["0.0208", "0.0508", "0.1008"]),  # .00033 is rounded up
        (None, (790, 800), FlipSource.MEASURED, ["1", "1", "1"]),  # more than everything cannot flip
        ("0.04", (2, 800), FlipSource.GIVEN, ["0.04"]),  # seen between two models, it holds the noise
    ],
)
def test_where_a_flip_rate_comes_from(
    given: str | None, noise: tuple[int, int] | None, source: FlipSource, rates: list[str]
) -> None:
    basis = flip_basis(given and Decimal(given), noise and a_floor(*noise))  # type: ignore[arg-type]
    assert basis.source is source
    assert list(basis.rates) == list(map(Decimal, rates))
    plan = plan_suite(a_suite([None] * 100), Policy(), basis)
    assert [outlook.flip_rate for outlook in plan.outlooks] == list(basis.rates)
    assert plan.basis == basis


def test_noise_costs_items() -> None:
    quiet, noisy = (plan_suite(a_suite([None] * 100), Policy(), flip_basis(None, a_floor(k, 800))) for k in (0, 8))
    for without, charged in zip(quiet.outlooks, noisy.outlooks, strict=True):
        assert charged.needed_n > without.needed_n


@pytest.mark.parametrize("wavering", [0.01, 0.05])
def test_twice_the_noise_is_enough(wavering: float) -> None:
    """Base, base again and candidate each waver on their own: psi + 2q covers what differs, and not by far."""
    rng, n, psi = np.random.default_rng(7), 400_000, 0.05
    base = rng.random(n) < 0.8
    candidate = base ^ (rng.random(n) < psi)
    once, again, tuned = (truth ^ (rng.random(n) < wavering) for truth in (base, base, candidate))
    q, seen = float(np.mean(once ^ again)), float(np.mean(once ^ tuned))
    assert seen <= psi + 2 * q
    assert seen == pytest.approx(psi + q, abs=0.012)


def test_each_suite_is_planned_for_its_own_rates() -> None:
    suites = [a_suite([None] * 900, name=name) for name in ("given", "measured", "assumed")]
    suites.append(a_suite([None] * 9, name="told", role=Role.INFORM, margin=None))
    plans = plan_suites(suites, Policy(), given={"given": Decimal("0.04")}, noise={"measured": a_floor(9, 900)})
    rates = {name: [outlook.flip_rate for outlook in plan.outlooks] for name, plan in plans.items()}
    assert rates == {
        "given": [Decimal("0.04")],
        "measured": [rate + Decimal("0.02") for rate in FLIP_RATES],
        "assumed": list(FLIP_RATES),
        "told": [],
    }
    assert plans["told"].basis is None
    together = promotion_chances(plans.values())
    only = plans["given"].outlooks[0].pass_chance
    expected = [
        only * plans["measured"].outlooks[k].pass_chance * plans["assumed"].outlooks[k].pass_chance for k in range(3)
    ]
    assert together == pytest.approx(expected)


def test_together_needs_columns_that_fit() -> None:
    two = replace(
        plan_suite(a_suite([None] * 90), Policy()), outlooks=plan_suite(a_suite([None] * 90), Policy()).outlooks[:2]
    )
    with pytest.raises(ValueError, match=r"\[2, 3\] flip rates"):
        promotion_chances([two, plan_suite(a_suite([None] * 90), Policy())])
    assert promotion_chances([]) == ()


@pytest.mark.parametrize(("suites", "published"), [(1, 717), (4, 1213), (6, 1355), (8, 1454)])
def test_suites_that_must_all_pass_need_more_items(suites: int, published: int) -> None:
    policy = Policy(alpha=Decimal("0.0822467"))  # of which the first candidate spends .05
    ((_, needed),) = size_table(Decimal("0.03"), policy, [Decimal("0.10")], suites=suites)
    assert needed == pytest.approx(published, abs=2)


def test_the_power_curve_falls_from_pass_to_fail() -> None:
    curve = power_curve(1000, Decimal("0.03"), Policy(), Decimal("0.10"))
    passes, fails = [p.passes for p in curve.points], [p.fails for p in curve.points]
    assert passes == sorted(passes, reverse=True)
    assert fails == sorted(fails)
    at_margin = next(p for p in curve.points if p.drop == pytest.approx(0.03))
    assert at_margin.passes == pytest.approx(at_margin.fails, abs=0.01)
    assert at_margin.passes == pytest.approx(0.0304, abs=0.005)
