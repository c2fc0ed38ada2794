"""Whether a task is worth training for: what the base does without, what rows could teach, what the suite can show.

Nothing here is certain, and nothing blocks. The base's answers are those stored under the lock; with
`regress audit --ask-base` it is asked what is missing, behind worked examples, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np

from regress.audit.checks import _answers
from regress.audit.checks._near_rows import NEAR, Near, Neighbours
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.audit.recommending import Asked, Count, Task, recommend
from regress.diff import compare
from regress.errors import Refused
from regress.gate import judge
from regress.lock.promise import ITEM_ORDER_SEED
from regress.plan import FLIP_RATES, item_order
from regress.rows.row import Row
from regress.run.prompted import Answered, Example, Key, Prompted, Shown
from regress.schema import (
    Advised,
    Ask,
    Category,
    Finding,
    Item,
    ItemOutcome,
    Measure,
    Outcome,
    Policy,
    Recommendation,
    Role,
    Severity,
    Skipped,
    Suite,
)
from regress.scorers import BoundScorer, bind
from regress.stats.multiple import spent_alpha
from regress.stats.power import detectable_drop, needed_n

SAMPLE = 20_000
"""Rows among which neighbours are looked for."""

MOST_ASKED = 400
"""Items of a suite that are asked behind examples, from the locked random order."""

GAIN = Decimal("0.05")
"""What training is to bring where the suite names no min_gain."""

FLIPS = float(max(FLIP_RATES))

ADVICE = {
    Advised.PROMPT_ONLY: "Do without training. To ask for more, put the examples into the suite's prompt or take "
    "harder items, lock again, and let the adapter beat that.",
    Advised.ADAPTER: "Train, under the lock.",
    Advised.NOT_YET: "Mend that first: more items, rows that teach what is missing, or a larger base.",
}
SAYS = {
    Advised.PROMPT_ONLY: "a prompt will do",
    Advised.ADAPTER: "an adapter can pay",
    Advised.NOT_YET: "it is too early to train",
}
RULES = {advised: f"task-boundary/{advised.value.replace(' ', '-')}" for advised in Advised}


class TaskBoundary:
    """Every suite that is a target or guards a domain."""

    name: ClassVar[str] = "task-boundary"

    def __init__(self, context: Context) -> None:
        self._context = context

    def look(self, chunk: Chunk) -> None:
        """Nothing: a sample is enough, and it is drawn when all rows are known."""

    def add(self, seen: Any) -> None:
        pass

    def finish(self, again: Again) -> Found:
        of_interest = [suite for suite in self._context.suites if _is_of_interest(suite)]
        suites = [suite for suite in of_interest if _refusal(suite) is None]
        skipped = [self._skip(f"{s.name} {why}") for s in of_interest if (why := _refusal(s)) is not None]
        if not of_interest:
            return Found(skipped=(self._skip("no suite is a target or guards a domain"),))
        tasks = list(_tasks(suites, again, self._context)) if suites else []
        answers: dict[Key, Answered] = {}
        try:
            answers |= self._answers([task.plain for task in tasks])
            undecided = [task for task in tasks if _advice(task, answers, self._context.policy) is None]
            answers |= self._answers([prompted for task in undecided for prompted in task.prompted])
        except Refused as reason:
            skipped.append(self._skip(str(reason)))
        concluded = [_conclude(task, answers, self._context.policy) for task in tasks]
        return Found(
            findings=tuple(_finding(one) for one in concluded if one.recommendation is not None),
            figures={f"{one.suite}: {name}": value for one in concluded for name, value in one.figures.items()},
            skipped=(*skipped, *(self._skip(why) for why in _lacks(concluded))),
            recommendations=tuple(one.recommendation for one in concluded if one.recommendation is not None),
        )

    def _answers(self, asked: Sequence[Prompted]) -> dict[Key, Answered]:
        if self._context.answers is None or not asked:
            return {}
        return self._context.answers.answers(asked)

    def _skip(self, reason: str) -> Skipped:
        return Skipped(check=self.name, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A suite with what rows and suite say of it, and what the base is to be asked."""

    suite: Suite
    items: tuple[Item, ...]
    scorer: BoundScorer
    near: Near | None
    rows: int  # about this task, in all of the data
    plain: Prompted
    prompted: tuple[Prompted, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Concluded:
    suite: str
    rows: int
    figures: Mapping[str, Measure]
    recommendation: Recommendation | None
    lack: str | None  # what is not known, where there is none


def _is_of_interest(suite: Suite) -> bool:
    return suite.role is Role.TARGET or suite.category is Category.DOMAIN


def _refusal(suite: Suite) -> str | None:
    """Why examples cannot stand before its items, if so."""
    if suite.ask is Ask.PERPLEXITY:
        return "asks for no answer, only how likely a text is"
    if any(item.source is not None or item.contexts for item in suite.items):
        return "has prompts of its own for every item (an imported task): ask it with more shots there"
    return None


def _tasks(suites: Sequence[Suite], again: Again, context: Context) -> Iterator[_Known]:
    sample = again.sample(SAMPLE)
    searched = Neighbours(sample, context.suites)
    scale = len(again.numbers) / max(len(sample), 1)
    for suite in suites:
        items = item_order(suite, ITEM_ORDER_SEED)[:MOST_ASKED]
        near = searched.near(items)
        labels = _answers.labels_of(near)
        yield _Known(
            suite=suite,
            items=items,
            scorer=bind(suite, check_items=False),
            near=near,
            rows=round(_answers.rows_about(near, items, labels) * scale),
            plain=Prompted(suite=suite, items=items, examples={}),
            prompted=() if near is None else _prompted(suite, items, near, context.seed),
        )


def _prompted(suite: Suite, items: tuple[Item, ...], near: Near, seed: int) -> tuple[Prompted, Prompted]:
    """Behind examples that all items share, and behind those nearest to each, of which the nearest stands last."""
    shared = tuple(map(_example, shared_rows(near, np.random.default_rng(seed))))
    closest = {
        item.id: tuple(_example(near.rows[place]) for place in reversed(places))
        for item, places in zip(items, near.nearest, strict=True)
    }
    return (
        Prompted(suite=suite, items=items, shown=Shown.SAME, examples={item.id: shared for item in items}),
        Prompted(suite=suite, items=items, shown=Shown.NEAREST, examples=closest),
    )


def shared_rows(near: Near, rng: np.random.Generator) -> list[Row]:
    """Rows near the suite in random order, each with another reply for as long as there are others; at most NEAR."""
    pool = near.pool
    shuffled = [pool[place] for place in rng.permutation(len(pool))]
    first = {_answers.plain(row.reply): row for row in reversed(shuffled)}
    chosen = [row for row in shuffled if first[_answers.plain(row.reply)] is row]
    return [*chosen, *(row for row in shuffled if row not in chosen)][:NEAR]


def _example(row: Row) -> Example:
    return Example(prompt=row.prompt, reply=row.reply)


def _advice(known: _Known, answers: Mapping[Key, Answered], policy: Policy) -> tuple[Advised, str] | None:
    return recommend(_task(known, answers, policy), float(policy.alpha))


def _conclude(known: _Known, answers: Mapping[Key, Answered], policy: Policy) -> _Concluded:
    task = _task(known, answers, policy)
    figures = _figures(known, task)
    advice = recommend(task, float(policy.alpha))
    if advice is None:
        lack = "what the base says as it is" if task.plain is None else "what the base says behind examples"
        return _Concluded(suite=known.suite.name, rows=known.rows, figures=figures, recommendation=None, lack=lack)
    advised, reason = advice
    given = Recommendation(suite=known.suite.name, advised=advised, reason=reason, figures=figures)
    return _Concluded(suite=known.suite.name, rows=known.rows, figures=figures, recommendation=given, lack=None)


def _lacks(concluded: Sequence[_Concluded]) -> Iterator[str]:
    """A sentence for each thing that is not known, with the suites."""
    for lack in sorted({one.lack for one in concluded if one.lack is not None}):
        names = ", ".join(one.suite for one in concluded if one.lack == lack)
        yield f"{lack} is not known, of {names}: nothing is recommended there; --ask-base asks"


def _task(known: _Known, answers: Mapping[Key, Answered], policy: Policy) -> Task:
    suite, items = known.suite, known.items
    labels = _answers.labels_of(known.near)
    alpha, power = spent_alpha(float(policy.alpha), 1), float(policy.power)
    wanted = float(suite.min_gain or GAIN)
    plain = answers.get((suite.name, Shown.NOTHING))
    asked = None if plain is None else _asked(known, plain, plain, policy)
    clusters = {item.cluster or ("item", item.id) for item in suite.items}
    left = 1.0 if asked is None else 1.0 - asked.count.share
    return Task(
        n=len(suite.items),
        clusters=len(clusters) if any(item.cluster for item in suite.items) else None,
        wanted=wanted,
        shows_from=detectable_drop(len(suite.items), wanted, FLIPS, alpha, power),
        needed=needed_n(wanted, FLIPS, alpha, power, left) if left > wanted else None,
        plain=asked,
        prompted=()
        if plain is None
        else tuple(
            _asked(known, answers[suite.name, shown], plain, policy)
            for shown in (Shown.SAME, Shown.NEAREST)
            if (suite.name, shown) in answers
        ),
        chance=_answers.chance(suite, items, known.scorer, known.near),
        lookup=_answers.lookup(suite, items, known.scorer, known.near),
        covered=_answers.covered(suite, items, labels, known.near),
        rows=known.rows,
    )


def _asked(known: _Known, answered: Answered, plain: Answered, policy: Policy) -> Asked:
    outcomes = list(answered.outcomes.values())
    right = sum(outcome.outcome is Outcome.PASS for outcome in outcomes)
    return Asked(
        how=_how(answered.prompted),
        count=Count(right=right, n=len(outcomes)),
        wrong_form=_answers.wrong_form(known.suite, outcomes, known.items, _answers.labels_of(known.near)),
        p_gain=1.0 if answered is plain else _p_gain(known, plain.outcomes, answered.outcomes, policy),
    )


def _how(prompted: Prompted) -> str:
    if prompted.shown is Shown.NOTHING:
        return "as it is"
    which = "the same for all" if prompted.shown is Shown.SAME else "the nearest to each item"
    return f"with {prompted.shots} {'example' if prompted.shots == 1 else 'examples'} in its prompt, {which}"


def _p_gain(
    known: _Known, plain: Mapping[str, ItemOutcome], prompted: Mapping[str, ItemOutcome], policy: Policy
) -> float:
    """The gate's own test, with the prompt in the adapter's place; the tokens are what differs, and may."""
    suite = replace(known.suite, role=Role.TARGET, min_gain=known.suite.min_gain or GAIN, items=known.items)
    base = {id_: plain[id_] for id_ in prompted}
    candidate = {id_: replace(o, request_digest=base[id_].request_digest) for id_, o in prompted.items()}
    verdict = judge(compare(suite, base, candidate, variant="prompted", against="base"), policy)
    return 1.0 if verdict.p_gain is None else verdict.p_gain


def _figures(known: _Known, task: Task) -> dict[str, Measure]:
    """Everything that was counted, flat, for programs."""
    found: dict[str, Measure] = {"items": task.n, "asked": len(known.items), "rows": task.rows, "wanted": task.wanted}
    found |= {"shows_from": task.shows_from, "needed": task.needed}
    counts = {"chance": task.chance, "lookup": task.lookup, "covered": task.covered}
    found |= {name: None if count is None else count.right for name, count in counts.items()}
    ways = [("plain", task.plain), *((f"prompt_{at}", asked) for at, asked in enumerate(task.prompted, start=1))]
    for name, asked in ways:
        if asked is None:
            continue
        low, high = asked.count.limits(0.025)
        found |= {
            f"{name}_how": asked.how,
            f"{name}_right": asked.count.right,
            f"{name}_low": low,
            f"{name}_high": high,
            f"{name}_wrong_form": asked.wrong_form,
        }
        if asked is not task.plain:
            found[f"{name}_p_gain"] = asked.p_gain
    return found


def _finding(one: _Concluded) -> Finding:
    recommendation = one.recommendation
    assert recommendation is not None  # asked before
    advised = recommendation.advised
    return Finding(
        rule=RULES[advised],
        severity=Severity.NOTE if advised is Advised.ADAPTER else Severity.WARN,
        title=f"{one.suite}: {SAYS[advised]}",
        detail=recommendation.reason[:1].upper() + recommendation.reason[1:] + ".",
        advice=ADVICE[advised],
        count=one.rows,
        of=one.rows,
        harm=0.0 if advised is Advised.ADAPTER else 1.0,
        suite=one.suite,
        figures=recommendation.figures,
    )
