"""Prompt only, adapter, or not yet: a pure function of what was counted, without files, models or randomness.

The order of the questions is the order of what they cost: is there anything left to gain; does a prompt alone pass the
very test that the gate would put to the adapter; could this suite show a gain at all; do the rows speak of what the
suite asks; and is there a sign that the task is in reach. The first answer that settles it is the recommendation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regress.schema import Advised
from regress.stats.cluster import MIN_CLUSTERS
from regress.stats.intervals import clopper_pearson

ENOUGH_ROWS = 1_000
"""Fewer examples teach a model the form of answers it has already (Zhou et al. 2023, arXiv 2305.11206, from 1,000)."""


ENOUGH_LABELLED = 10_000
"""The same where answers are labels: words nearly always give some of these away, so a look-up at chance says more."""

MENDED = 0.1
"""Of the replies must come into form before examples are said to have mended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """So many right of so many."""

    right: int
    n: int

    @property
    def share(self) -> float:
        return self.right / self.n

    def limits(self, alpha: float) -> tuple[float, float]:
        """One-sided limits at `alpha` each (Clopper and Pearson)."""
        return clopper_pearson(self.right, self.n, 1.0 - 2.0 * alpha)

    def __str__(self) -> str:
        return f"{self.right:,} of {self.n:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the base got right in one way of asking it."""

    how: str  # "with 8 examples, the same for all"
    count: Count
    wrong_form: int  # failures that are no answer of the kind that is asked for
    p_gain: float = 1.0  # the gate's, of a gain of at least `wanted` over asking plainly


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """All that is known of one suite's task before training."""

    n: int  # items of the suite
    clusters: int | None  # where its items come in clusters
    wanted: float  # the gain that training is to bring
    shows_from: float | None  # smallest true gain that the suite shows with the planned power; None where none is
    needed: int | None  # items that would show a gain of all that is left; None where it is less than `wanted`
    plain: Asked | None  # the base as it is
    prompted: tuple[Asked, ...]  # behind examples; empty where nobody asked
    chance: Count  # what one answer to everything gets, or picking choices blindly
    lookup: Count | None  # what the reply of the nearest training row gets; None where no row may be shown
    covered: Count | None  # items whose answer is among the training labels; None where answers are no labels
    rows: int  # of the training data that are about this task, roughly

    @property
    def best(self) -> Asked | None:
        """The way of asking with most right."""
        return max(
            (asked for asked in (self.plain, *self.prompted) if asked is not None),
            key=lambda asked: asked.count.share,
            default=None,
        )

    @property
    def left(self) -> float:
        """What is left to gain over the base as it is; all, where that is not known."""
        return 1.0 - (self.plain.count.share if self.plain is not None else 0.0)


def recommend(task: Task, alpha: float) -> tuple[Advised, str] | None:
    """The advice with its reason; None where the base was not asked what it would rest on."""
    for rule in (_clusters, _ceiling, _constant, _prompt, _size, _coverage):
        if (found := rule(task, alpha)) is not None:
            return found
    return _reach(task, alpha) if task.plain is not None and task.prompted else None


def _clusters(task: Task, alpha: float) -> tuple[Advised, str] | None:
    if task.clusters is None or task.clusters >= MIN_CLUSTERS:
        return None
    return Advised.NOT_YET, (
        f"the items come in {task.clusters} clusters, and no gain counts from fewer than {MIN_CLUSTERS}"
    )


def _ceiling(task: Task, alpha: float) -> tuple[Advised, str] | None:
    if task.plain is None or task.plain.count.limits(alpha)[0] < 1.0 - task.wanted:
        return None
    return Advised.PROMPT_ONLY, (
        f"the base has {task.plain.count} right as it is: fewer than the {points(task.wanted)} that training is to "
        "bring are left"
    )


def _constant(task: Task, alpha: float) -> tuple[Advised, str] | None:
    if task.chance.limits(alpha)[0] < 1.0 - task.wanted:
        return None
    return Advised.NOT_YET, (
        f"one and the same answer is right for {task.chance} items, so the suite cannot tell who has learned the task"
    )


def _prompt(task: Task, alpha: float) -> tuple[Advised, str] | None:
    """Each way of prompting gets its part of alpha: the best of several is tested as the best of several."""
    passing = [asked for asked in task.prompted if asked.p_gain <= alpha / len(task.prompted)]
    if task.plain is None or not passing:
        return None
    best = max(passing, key=lambda asked: asked.count.share)
    return Advised.PROMPT_ONLY, (
        f"{best.how}, the base has {best.count} right, {task.plain.count} without: a prompt passes the test for a gain "
        f"of {points(task.wanted)} that the adapter would have to pass"
    )


def _size(task: Task, alpha: float) -> tuple[Advised, str] | None:
    if task.shows_from is not None and task.shows_from <= task.left:
        return None
    if task.left <= task.wanted:
        return Advised.NOT_YET, (
            f"more than {points(task.wanted)} are to be gained and {points(task.left)} are left over the base: ask for "
            "less, or ask harder items"
        )
    from_on = "no gain at all" if task.shows_from is None else f"a gain from {points(task.shows_from)} on"
    more = "" if task.needed is None else f"; {task.needed:,} items would show all of that"
    return Advised.NOT_YET, (
        f"the suite is too small to see the gain: {task.n:,} items show {from_on}, and {points(task.left)} are left "
        f"over the base{more}"
    )


def _coverage(task: Task, alpha: float) -> tuple[Advised, str] | None:
    """Labels that no row teaches stay unknown: what is covered bounds what training can reach."""
    base = 0.0 if task.plain is None else task.plain.count.share
    if task.covered is None or task.covered.limits(alpha)[1] >= base + task.wanted:
        return None
    return Advised.NOT_YET, (
        f"the training data does not cover the task: the answers of {task.covered} items are among its labels, too few "
        f"for a gain of {points(task.wanted)}"
    )


def _reach(task: Task, alpha: float) -> tuple[Advised, str] | None:
    """Is there a sign that the task can be learned, from the model's side or from that of the rows?"""
    plain, best = task.plain, task.best
    assert plain is not None and best is not None  # `recommend` asks only then
    bound = task.chance.limits(alpha)[1]
    able = best.count.limits(alpha)[0] > bound
    held = task.lookup is not None and task.lookup.limits(alpha)[0] > bound
    said = [
        f"the base has {plain.count} right as it is{_at_best(plain, best)}, {'beyond' if able else 'no more than'} "
        f"chance ({task.chance})",
        *_form(plain, task.prompted),
        f"the reply of the nearest training row is right for {task.lookup or 'none'}"
        + (", so the rows teach at least part of it" if held else ""),
    ]
    room = f"{points(task.left)} are left to gain, and {task.n:,} items show a gain from {points(task.shows_from)} on"
    if able or held:
        return Advised.ADAPTER, "; ".join([*said, *_caution(task, plain, alpha), room])
    if task.rows < (ENOUGH_ROWS if task.covered is None else ENOUGH_LABELLED):
        few = f"no sign that the skill is in reach, and about {task.rows:,} such rows teach form rather than skill"
        return Advised.NOT_YET, "; ".join([*said, few])
    trial = f"no sign that the skill is in reach, but about {task.rows:,} rows to try it with"
    return Advised.ADAPTER, "; ".join([*said, trial, room])


def _caution(task: Task, plain: Asked, alpha: float) -> list[str]:
    """Where nothing beats the base as it is, the task is learned as far as it is, for all that can be seen."""
    others = [*(asked.count for asked in task.prompted), *([] if task.lookup is None else [task.lookup])]
    if any(count.limits(alpha)[0] > plain.count.limits(alpha)[1] for count in others):
        return []
    return ["neither examples nor a look-up in the rows clearly beats the base as it is: try it on a small scale first"]


def _at_best(plain: Asked, best: Asked) -> str:
    return " and no more behind examples" if best is plain else f" and {best.count.right:,} {best.how}"


def _form(plain: Asked, prompted: Sequence[Asked]) -> list[str]:
    """Whether examples mend the form of the answers: what demonstrations teach first."""
    least = min(prompted, key=lambda asked: asked.wrong_form)
    if plain.wrong_form - least.wrong_form < MENDED * plain.count.n:
        return []
    return [
        f"examples mend the form (wrong in {plain.wrong_form:,} replies without, in {least.wrong_form:,} with them)"
    ]


def points(share: float | None) -> str:
    """A difference of rates in percentage points."""
    return "no points" if share is None else f"{share * 100:.3g} points"
