"""When a training is stopped for what it forgets: the gate's tests, at an alpha that all looks together keep."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from regress.errors import BackendError, TrainingError
from regress.schema import (
    Ask,
    Category,
    GenerationSettings,
    Item,
    ItemOutcome,
    Message,
    Outcome,
    Policy,
    PromptStyle,
    Reply,
    Role,
    ScorerSpec,
    Suite,
)
from regress.train import forgetting
from regress.train.forgetting import Look, SuiteLook

POLICY = Policy()
N = 64


def suite(name: str, role: Role = Role.PROTECT, margin: str = "0.05") -> Suite:
    items = tuple(
        Item(id=str(i), messages=(Message(role="user", content=f"{i}"),), digest=f"d{i}", line=i) for i in range(N)
    )
    return Suite(
        name=name,
        version=1,
        category=Category.CAPABILITY,
        role=role,
        ask=Ask.GENERATE,
        prompt=PromptStyle.CHAT,
        generation=GenerationSettings(),
        scorer=ScorerSpec(name="exact_match"),
        margin=Decimal(margin) if role is Role.PROTECT else None,
        items=items,
        path="s.yaml",
        items_path="s.jsonl",
    )


def outcomes(name: str, right: list[bool], bad: Outcome = Outcome.FAIL) -> dict[str, ItemOutcome]:
    return {
        str(i): ItemOutcome(
            suite=name,
            item=str(i),
            item_digest=f"d{i}",
            request_digest=f"r{i}",
            outcome=Outcome.PASS if passed else bad,
            kind=None,
            detail=None,
            reply=Reply(text=""),
        )
        for i, passed in enumerate(right)
    }


def look_at(lost: int, number: int = 1, gained: int = 0, role: Role = Role.PROTECT) -> Look:
    """`lost` of the first 32 items, which the base has right, and `gained` of the rest."""
    one = suite("words", role)
    before = [i < 32 for i in range(N)]
    after = [lost <= i < 32 or 32 <= i < 32 + gained for i in range(N)]
    return forgetting.look(
        10, number, [one], {"words": outcomes("words", before)}, {"words": outcomes("words", after)}, POLICY
    )


@pytest.mark.parametrize(
    ("lost", "number", "forgotten"),
    [(0, 1, False), (3, 1, False), (8, 1, True), (8, 20, False), (20, 20, True)],
)
def test_it_takes_evidence_and_later_looks_take_more(lost: int, number: int, forgotten: bool) -> None:
    found = look_at(lost, number)
    assert bool(found.forgotten) is forgotten
    assert (found.suites[0].lost, found.suites[0].base_pass, found.suites[0].passed) == (lost, 32, 32 - lost)
    assert found.passes is (lost / N <= 0.05)


def test_a_target_suite_is_never_forgotten_and_gives_the_gain() -> None:
    found = look_at(0, gained=16, role=Role.TARGET)
    assert found.forgotten == () and found.gain == 0.25 and found.score == 0.25
    assert look_at(30, role=Role.TARGET).forgotten == ()


def test_a_training_that_stays_at_the_margin_is_stopped_no_oftener_than_alpha() -> None:
    """Eight looks by models that truly lost the margin in both suites, drawn independently: the worst case.

    200 trainings at a level of .05: more than 19 stops would happen by chance once in 200 times.
    """
    rng = np.random.default_rng(20_261_123)
    suites = [suite("a"), suite("b")]
    stopped = 0
    for _ in range(200):
        base = {s.name: outcomes(s.name, [True] * N) for s in suites}
        stopped += any(
            forgetting.look(
                k,
                k,
                suites,
                base,
                {s.name: outcomes(s.name, list(rng.random(N) >= 0.05)) for s in suites},
                POLICY,
            ).forgotten
            for k in range(1, 9)
        )
    assert stopped <= 19


def test_one_rule_without_the_correction_would_stop_too_many() -> None:
    """The same trainings, each look at the whole alpha: that the test above can fail."""
    rng = np.random.default_rng(20_261_123)
    one = suite("a")
    base = {"a": outcomes("a", [True] * N)}
    stopped = 0
    for _ in range(100):
        looks = [
            forgetting.look(k, 1, [one], base, {"a": outcomes("a", list(rng.random(N) >= 0.05))}, POLICY)
            for k in range(1, 31)
        ]
        stopped += any(found.forgotten for found in looks)
    assert stopped > 20


def test_a_reply_that_cannot_be_scored_is_no_look() -> None:
    one = suite("words")
    base = {"words": outcomes("words", [True] * N)}
    broken = {"words": outcomes("words", [False] * N, Outcome.ERROR)}
    with pytest.raises(BackendError, match="could not be scored"):
        forgetting.look(1, 1, [one], base, broken, POLICY)


def a_look(step: int, gain: float, drop: float = 0.0, forgotten: bool = False) -> Look:
    plain = SuiteLook(
        suite="t", role="target", n=10, base_pass=0, passed=0, lost=0, gained=0, delta=gain, margin=None, p_fail=None,
        forgotten=False,
    )  # fmt: skip
    kept = replace(plain, suite="p", role="protect", delta=-drop, margin=0.03, p_fail=0.5, forgotten=forgotten)
    return Look(step=step, number=1, alpha=0.03, suites=(plain, kept))


@pytest.mark.parametrize(
    ("looks", "chosen"),
    [
        ([], None),
        ([a_look(1, 0.2), a_look(2, 0.5), a_look(3, 0.4)], 2),
        ([a_look(1, 0.2), a_look(2, 0.5, drop=0.04), a_look(3, 0.1)], 1),  # the largest gain broke a margin
        ([a_look(1, 0.2, drop=0.03)], 1),  # at the margin is within it
        ([a_look(1, 0.2), a_look(2, 0.2)], 2),
        ([a_look(1, 0.9, drop=0.2), a_look(2, 0.9, forgotten=True)], None),
    ],
)
def test_the_best_has_the_largest_gain_among_those_that_pass(looks: list[Look], chosen: int | None) -> None:
    found = forgetting.best(looks)
    assert (None if found is None else found.step) == chosen


def test_a_curve_is_read_as_it_was_written_up_to_the_step(tmp_path: Path) -> None:
    path, head = tmp_path / "curve.jsonl", {"lock": "l", "probes": "p"}
    looks = [replace(look_at(lost, number), step=10 * number) for number, lost in ((1, 0), (2, 4))]
    forgetting.write_curve(path, head, looks)
    assert forgetting.read_curve(path, head, until=20) == looks
    assert forgetting.read_curve(path, head, until=10) == looks[:1]
    assert forgetting.read_curve(path, {**head, "probes": "others"}, until=20) == []
    assert forgetting.read_curve(tmp_path / "absent", head, until=20) == []
    path.write_text(path.read_text() + '{"kind": "look"}\n')
    with pytest.raises(TrainingError, match="is not a forgetting curve"):
        forgetting.read_curve(path, head, until=20)
