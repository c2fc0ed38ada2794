"""The hunt for the first broken checkpoint: against every truth of a few checkpoints, and its level by simulation."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import pytest

from regress.rescue.bisection import Hunt, alpha_each, most_probes
from regress.schema import Breakage, PairCounts, Step, Verdict

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

P, F, U = Verdict.PASS, Verdict.FAIL, Verdict.UNDECIDED


def hunted(truth: tuple[Verdict, ...]) -> Breakage:
    hunt = Hunt.over("s", len(truth))
    while hunt.wanted is not None:
        verdict = truth[hunt.wanted - 1]
        hunt.take(Step(checkpoint=hunt.wanted, verdict=verdict, counts=PairCounts(), delta=None, ci90=None, reason=""))
    return hunt.breakage


@pytest.mark.parametrize(
    ("truth", "within", "broken", "settled"),
    [
        ((P, P, F, F, F), 2, 3, True),
        ((F, F, F, F, F), 0, 1, True),
        ((P, P, P, P, F), 4, 5, True),
        ((P, P, P, P, P), 5, None, True),
        ((P, P, P, P, U), None, None, False),
        ((P, U, U, F, F), 1, 4, False),
        ((U, U, U, U, F), 0, 5, False),
        ((P, P, P, U, F, F, F, F, F, F), 3, 5, False),
    ],
)
def test_the_answer(truth: tuple[Verdict, ...], within: int | None, broken: int | None, settled: bool) -> None:
    found = hunted(truth)
    assert (found.within, found.broken, found.is_settled) == (within, broken, settled)
    assert found.is_monotone


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_whatever_the_truth_both_ends_were_asked_and_no_more_than_promised(count: int) -> None:
    for truth in product((P, F, U), repeat=count):
        found = hunted(truth)
        asked = [step.checkpoint for step in found.steps]
        assert len(set(asked)) == len(asked) <= most_probes(count)
        if found.broken is not None:
            assert truth[found.broken - 1] is F
            assert found.within is not None
            assert found.within < found.broken
            assert found.within == 0 or truth[found.within - 1] is P


def test_a_recovery_that_was_seen_is_told() -> None:
    found = hunted((F, F, F, P, P, P, P, F))  # asked: 8, 4, 6, 7
    assert (found.within, found.broken) == (7, 8)
    assert found.is_monotone  # nobody asked the first three
    recovered = Breakage(
        suite="s",
        within=3,
        broken=4,
        steps=tuple(
            Step(checkpoint=n, verdict=v, counts=PairCounts(), delta=None, ci90=None, reason="")
            for n, v in ((4, F), (2, F), (3, P))
        ),
    )
    assert not recovered.is_monotone


def test_another_checkpoint_than_the_wanted_one_is_not_taken() -> None:
    hunt = Hunt.over("s", 4)
    with pytest.raises(ValueError, match="was asked for"):
        hunt.take(Step(checkpoint=1, verdict=P, counts=PairCounts(), delta=None, ci90=None, reason=""))


def test_alpha_is_shared_by_all_that_could_be_asked() -> None:
    assert alpha_each(0.05, 10, 2) == pytest.approx(0.0025)
    for checkpoints, suites, alpha in ((0, 1, 0.05), (1, 0, 0.05), (1, 1, float("nan"))):
        with pytest.raises(ValueError, match="alpha"):
            alpha_each(alpha, checkpoints, suites)


def test_false_verdicts_stay_within_alpha() -> None:
    """The short version of benchmarks/rescue_rates.py: 300 rows of checkpoints, eight exactly at the margin."""
    from rescue_rates import hunts

    drops = (0.0,) * 4 + (0.03,) * 8  # the last at the margin: any verdict on one of them is false
    found = hunts((*drops, 0.2), 600, 300, 3, shared=False)
    assert found["false"] <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5
    assert hunts((0.0,) * 5 + (0.15,) * 3, 1500, 50, 3, shared=True)["settled"] > 0.9


def test_false_confirmations_stay_within_alpha_and_selecting_on_everything_does_not() -> None:
    from rescue_rates import at_the_margin, rescues

    found = rescues(at_the_margin(1), 400, 150, 5, shared=False)
    assert found["rescue"].false <= 0.0076 + 3 * (0.0076 / 150) ** 0.5
    assert found["all"].false > found["rescue"].false
