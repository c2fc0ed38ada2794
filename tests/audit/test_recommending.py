"""The boundaries between prompt only, adapter and not yet, each with its reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regress.audit.recommending import Asked, Count, Task, points, recommend
from regress.schema import Advised

ALPHA = 0.05


def count(right: int, n: int = 200) -> Count:
    return Count(right=right, n=n)


def asked(right: int, *, how: str = "with 8 examples", wrong_form: int = 0, p_gain: float = 1.0, n: int = 200) -> Asked:
    return Asked(how=how, count=count(right, n), wrong_form=wrong_form, p_gain=p_gain)


PLAIN = asked(20, how="as it is")
TASK = Task(  # 10 % as it is, 25 % behind examples, chance 2 %: an adapter can pay
    n=200,
    clusters=None,
    wanted=0.2,
    shows_from=0.28,
    needed=12,
    plain=PLAIN,
    prompted=(asked(50, p_gain=0.9), asked(45, p_gain=0.95)),
    chance=count(4),
    lookup=count(100),
    covered=count(200),
    rows=5_000,
)
STUCK = replace(TASK, plain=asked(4, how="as it is"), prompted=(asked(5),), lookup=count(6))

TABLE = [
    (TASK, Advised.ADAPTER, "beyond chance (4 of 200)", "the base can do some of it, and the rows hold the rest"),
    # what is left
    (
        replace(TASK, plain=asked(175)),
        Advised.PROMPT_ONLY,
        "175 of 200 right as it is",
        "surely at most 20 points left",
    ),
    (replace(TASK, plain=asked(167), needed=None), Advised.NOT_YET, "16.5 points are left", "fewer, but not surely"),
    (replace(TASK, plain=asked(160), needed=None), Advised.NOT_YET, "ask for less", "more than all of it is wanted"),
    (replace(TASK, plain=asked(159)), Advised.NOT_YET, "too small", "20.5 points left, shown from 28 on"),
    # a prompt that passes the gate's test, at its part of alpha
    (replace(TASK, prompted=(asked(90, p_gain=0.05),)), Advised.PROMPT_ONLY, "90 of 200", "one prompt: all of alpha"),
    (replace(TASK, prompted=(asked(90, p_gain=0.0501),)), Advised.ADAPTER, "90 with 8", "a prompt just short of it"),
    (
        replace(TASK, prompted=(asked(90, p_gain=0.03), asked(50))),
        Advised.ADAPTER,
        "90 with 8",
        "the best of two prompts is tested at half of alpha",
    ),
    (
        replace(TASK, prompted=(asked(90, p_gain=0.02), asked(95, p_gain=0.025))),
        Advised.PROMPT_ONLY,
        "95 of 200",
        "of two that pass the better one is told",
    ),
    # the suite
    (replace(TASK, clusters=19), Advised.NOT_YET, "19 clusters", "the gate counts no gain from fewer than 20"),
    (replace(TASK, clusters=20), Advised.ADAPTER, "beyond chance", "20 are enough"),
    (replace(TASK, clusters=19, plain=asked(200)), Advised.NOT_YET, "19 clusters", "nor can they show a ceiling"),
    (replace(TASK, shows_from=0.9), Advised.ADAPTER, "from 90 points on", "exactly what is left can be shown"),
    (replace(TASK, shows_from=0.91), Advised.NOT_YET, "12 items would show all of that", "more than is left cannot"),
    (replace(TASK, shows_from=None, needed=None), Advised.NOT_YET, "no gain at all", "not even all of it"),
    (replace(TASK, chance=count(175)), Advised.NOT_YET, "one and the same answer", "everybody passes such a suite"),
    # the rows
    (replace(TASK, covered=count(40)), Advised.NOT_YET, "40 of 200", "20 % covered cannot bring 10 % to 30 %"),
    (replace(TASK, covered=count(50)), Advised.ADAPTER, "beyond chance", "25 % covered: 30 % is not ruled out"),
    (replace(TASK, covered=None), Advised.ADAPTER, "beyond chance", "answers that are no labels"),
    # no sign of it
    (replace(STUCK, rows=999, covered=None), Advised.NOT_YET, "form rather than skill", "at chance, and few rows"),
    (replace(STUCK, rows=1_000, covered=None), Advised.ADAPTER, "to try it with", "at chance, but rows for a trial"),
    (replace(STUCK, rows=9_999), Advised.NOT_YET, "form rather than skill", "labels that no word gives away"),
    (replace(STUCK, rows=10_000), Advised.ADAPTER, "to try it with", "such labels, and very many rows"),
    (
        replace(STUCK, rows=10, lookup=count(30)),
        Advised.ADAPTER,
        "the rows teach at least part",
        "looking up beats chance",
    ),
    (replace(STUCK, rows=10, lookup=None), Advised.NOT_YET, "for none", "no row may be looked at"),
    (replace(STUCK, rows=10, prompted=(asked(14),)), Advised.NOT_YET, "no more than", "limits that touch chance's"),
    (replace(STUCK, rows=10, prompted=(asked(16),)), Advised.ADAPTER, "beyond chance", "limits apart from chance's"),
]


@pytest.mark.parametrize(("task", "advised", "says", "why"), TABLE, ids=[row[-1] for row in TABLE])
def test_the_boundaries(task: Task, advised: Advised, says: str, why: str) -> None:
    found = recommend(task, ALPHA)
    assert found is not None, why
    assert found[0] is advised, f"{why}: {found[1]}"
    assert says in found[1]


@pytest.mark.parametrize(
    ("task", "advised"),
    [
        (replace(TASK, plain=None, prompted=()), None),
        (replace(TASK, prompted=()), None),
        (replace(TASK, plain=None, prompted=(), shows_from=None), Advised.NOT_YET),
        (replace(TASK, plain=None, prompted=(), covered=count(10)), Advised.NOT_YET),
        (replace(TASK, plain=asked(190), prompted=()), Advised.PROMPT_ONLY),
    ],
    ids=["nothing", "as it is only", "a suite too small for all of it", "labels uncovered", "a ceiling"],
)
def test_without_the_base_only_what_suite_and_rows_settle_is_said(task: Task, advised: Advised | None) -> None:
    found = recommend(task, ALPHA)
    assert (None if found is None else found[0]) is advised


@pytest.mark.parametrize(("before", "after", "said"), [(180, 5, True), (25, 5, True), (24, 5, False), (0, 30, False)])
def test_examples_that_mend_the_form_are_told_apart_from_skill(before: int, after: int, said: bool) -> None:
    plain = asked(4, how="as it is", wrong_form=before)
    found = recommend(replace(STUCK, plain=plain, prompted=(asked(5, wrong_form=after),), rows=10), ALPHA)
    assert found is not None
    assert found[0] is Advised.NOT_YET
    assert ("examples mend the form" in found[1]) is said


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (TASK, False),
        (replace(TASK, prompted=(asked(25),)), False),
        (replace(TASK, prompted=(asked(25),), lookup=count(30)), True),
        (replace(TASK, prompted=(asked(25),), lookup=count(42)), False),
        (replace(TASK, prompted=(asked(25),), lookup=None), True),
        (replace(TASK, prompted=(asked(42),), lookup=None), False),
    ],
    ids=["both beat it", "the rows do", "neither does", "the rows just do", "no rows", "examples do"],
)
def test_an_adapter_that_nothing_speaks_for_yet_is_advised_with_caution(task: Task, said: bool) -> None:
    found = recommend(task, ALPHA)
    assert found is not None
    assert found[0] is Advised.ADAPTER
    assert ("on a small scale first" in found[1]) is said


def test_more_rows_never_turn_an_adapter_into_not_yet() -> None:
    order = {Advised.NOT_YET: 0, Advised.ADAPTER: 1}
    ranks = [
        order[found[0]] for rows in range(0, 30_000, 2_500) if (found := recommend(replace(STUCK, rows=rows), ALPHA))
    ]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1}


def test_points_are_told_in_three_digits() -> None:
    assert [points(0.2), points(0.1667), points(None)] == ["20 points", "16.7 points", "no points"]
