"""Which strengths are tried and which one is proposed, as a table of truths."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rescue_samples import truthful

from regress.rescue.search import AS_TRAINED, proposal, search
from regress.schema import Group, Strength

ALL = tuple(Group)


def whole(rate: float, power: float = 2.0) -> Callable[[Strength], float]:
    return lambda strength: rate * strength.scale**power


@pytest.mark.parametrize(
    ("drop", "gain", "expected", "why"),
    [
        (whole(0.02), whole(0.9, 1.0), 0.8125, "certain up to .866, and found to a sixteenth"),
        (whole(0.04), whole(0.9, 1.0), 0.5625, "certain up to .612"),
        (whole(0.2), whole(0.9, 1.0), 0.375, "open from .274 to .387, reached from .333 on: the surest that reaches"),
        (whole(0.9), whole(0.9, 1.0), None, "broken from .18 on, reached from .333 on"),
        (whole(0.2), whole(0.25, 1.0), None, "the adapter never reached its target"),
    ],
)
def test_the_proposal(
    drop: Callable[[Strength], float], gain: Callable[[Strength], float], expected: float | None, why: str
) -> None:
    probes = search(truthful(drop, gain), (), confirmable=True)
    found = proposal(probes)
    assert (None if found is None else found.strength.scale) == expected, why
    assert probes[0].strength == AS_TRAINED
    assert len({probe.strength for probe in probes}) == len(probes) <= 6


def test_a_group_is_left_out_only_where_the_whole_will_not_do() -> None:
    def drop(strength: Strength) -> float:
        return 0.9 * strength.scale * (0.0 if strength.without is Group.MLP else 1.0)

    probes = search(truthful(drop, whole(0.9, 1.0)), ALL, confirmable=True)
    found = proposal(probes)
    assert found is not None
    assert found.strength == Strength(scale=1.0, without=Group.MLP)
    assert len(probes) <= 14
    assert all(
        p.strength.without is None for p in search(truthful(whole(0.02), whole(0.9, 1.0)), ALL, confirmable=True)
    )


def test_groups_are_not_tried_for_a_target_that_was_never_reached() -> None:
    probes = search(truthful(whole(0.9), whole(0.2, 1.0)), ALL, confirmable=True)
    assert all(probe.strength.without is None for probe in probes)


def test_what_is_left_of_the_best_group_is_weakened() -> None:
    def drop(strength: Strength) -> float:
        return (0.04 if strength.without is Group.LATE else 0.9) * strength.scale

    def gain(strength: Strength) -> float:
        return 0.9 * strength.scale

    probes = search(truthful(drop, gain, sure=0.02), ALL, confirmable=True)
    found = proposal(probes)
    assert found is not None
    assert found.strength == Strength(scale=0.5, without=Group.LATE)


def test_the_adapter_itself_is_never_the_proposal() -> None:
    probes = search(truthful(lambda _: 0.0, lambda s: 0.9 if s == AS_TRAINED else 0.0), ALL, confirmable=True)
    assert proposal(probes) is None


def test_losses_that_do_not_grow_with_the_strength_end_in_a_weaker_answer_or_none() -> None:
    """Good between .6 and .7 and below .3 alone: what is proposed is good all the same."""

    def drop(strength: Strength) -> float:
        return 0.0 if strength.scale < 0.3 or 0.6 < strength.scale < 0.7 else 0.2

    found = proposal(search(truthful(drop, whole(2.0, 1.0)), (), confirmable=True))
    assert found is not None
    assert drop(found.strength) == 0.0
