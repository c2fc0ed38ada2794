"""Two results of another harness, item by item, with the tests of the gate: a comparison, since nothing was locked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from regress.diff import compare
from regress.errors import ComparisonError, UsageError
from regress.foreign.comparable import check
from regress.foreign.recognise import read
from regress.foreign.records import ForeignItem, ForeignResults, ForeignTask, Kind, Wanted, fingerprint
from regress.gate import decide
from regress.schema import (
    Ask,
    Category,
    Check,
    Decision,
    GenerationSettings,
    Item,
    ItemOutcome,
    Message,
    Outcome,
    Policy,
    PromptStyle,
    Reply,
    Role,
    Ruling,
    ScorerSpec,
    Suite,
    SuiteComparison,
)

A, B = "A", "B"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What two results say together. The decision's ruling is what the gate would say; nobody promised to heed it."""

    kind: Kind
    a: ForeignResults
    b: ForeignResults
    metrics: Mapping[str, str]  # by suite
    differs: Mapping[str, tuple[Any, Any]]  # what it ran on
    decision: Decision
    comparisons: tuple[SuiteComparison, ...]
    notes: tuple[str, ...]


def compare_imported(a: Path, b: Path, kind: Kind, wanted: Wanted, margin: Decimal) -> Imported:
    """Compare what was asked of both; raises ResultsError, ComparisonError and UsageError."""
    if a.exists() and b.exists() and a.resolve() == b.resolve():
        raise UsageError(f"A and B are both {a}; what should it be compared with?")
    first, second = read(a, kind, wanted), read(b, kind, wanted)
    _check_names(first, wanted)
    differs = check(first, second)
    pooled, notes = _pooled(first, second)
    comparisons = [_compare(name, *pair, margin) for name, pair in pooled.items()]
    decision = decide(
        comparisons,
        expected=[(name, B) for name in pooled],
        checks=[Check(name="comparable", ok=True, detail="the same items, prompts, settings and scorers")],
        policy=Policy(),
        candidate=None,
        lock=None,
    )
    if decision.ruling is Ruling.REFUSED:
        raise ComparisonError(f"A and B cannot be compared: {'; '.join(decision.reasons)}. Run both again.")
    return Imported(
        kind=kind,
        a=first,
        b=second,
        metrics={name: pair[0].metric for name, pair in pooled.items()},
        differs=differs,
        decision=decision,
        comparisons=tuple(comparisons),
        notes=(*first.notes, *second.notes, *notes, *_about(comparisons)),
    )


def _check_names(results: ForeignResults, wanted: Wanted) -> None:
    for option, given in (("metric", wanted.metric), ("filter", wanted.filter)):
        unknown = sorted(task for task in given if task is not None and task not in results.tasks)
        if unknown:
            raise UsageError(f"--{option} names task {unknown[0]!r}; there are {', '.join(map(repr, results.tasks))}.")


Pair = tuple[ForeignTask, ForeignTask]


def _pooled(a: ForeignResults, b: ForeignResults) -> tuple[dict[str, Pair], list[str]]:
    """The tasks in pairs; those that their harness pools into one figure become one, with a slice for each task."""
    found: dict[str, Pair] = {}
    notes = []
    inside: set[str] = set()
    for group, names in a.groups.items():
        metrics = {a.tasks[name].metric for name in names}
        if b.groups.get(group) == names and len(metrics) == 1 and not inside & set(names):
            found[group] = _together(group, a, names), _together(group, b, names)
            notes.append(f"{group}: {len(names)} tasks counted as one, each a slice, as lm-eval does")
            inside |= set(names)
    return found | {name: (task, b.tasks[name]) for name, task in a.tasks.items() if name not in inside}, notes


def _together(group: str, results: ForeignResults, names: tuple[str, ...]) -> ForeignTask:
    tasks = [results.tasks[name] for name in names]
    items = {f"{t.name}/{id_}": replace(item, slice=t.name) for t in tasks for id_, item in t.items.items()}
    return ForeignTask(name=group, metric=tasks[0].metric, settings={}, items=items)


def _compare(name: str, a: ForeignTask, b: ForeignTask, margin: Decimal) -> SuiteComparison:
    values = [item.value for task in (a, b) for item in task.items.values()]
    graded = any(value not in (0.0, 1.0) for value in values)
    suite = _suite(name, a, margin)
    return compare(suite, _outcomes(name, a, graded), _outcomes(name, b, graded), variant=B, against=A)


def _suite(name: str, task: ForeignTask, margin: Decimal) -> Suite:
    """The items as a suite, as far as a comparison looks at it. Items that ask the same count as one cluster."""
    digests = {id_: item.digest for id_, item in task.items.items()}
    copies = Counter(digests.values())
    return Suite(
        name=name,
        version=1,
        category=Category.CAPABILITY,
        role=Role.PROTECT,
        ask=Ask.GENERATE,
        prompt=PromptStyle.RAW,
        generation=GenerationSettings(),
        scorer=ScorerSpec(name=task.metric),
        margin=margin,
        items=tuple(
            Item(
                id=id_,
                messages=(Message(role="user", content=item.prompt),),
                targets=() if item.expected is None else (item.expected,),
                cluster=digests[id_] if copies[digests[id_]] > 1 else None,
                slice=item.slice,
                digest=digests[id_],
                line=0,
            )
            for id_, item in task.items.items()
        ),
        path="",
        items_path="",
    )


def _about(comparisons: list[SuiteComparison]) -> list[str]:
    """How the figures are to be read, where that is not plain."""
    notes = []
    for c in comparisons:
        if c.graded is not None:
            notes.append(f"{c.suite}: graded scores, so their mean is tested; right means more than half of one")
        if c.clusters is not None:
            notes.append(f"{c.suite}: {c.counts.n} items ask {c.clusters} different things; equal ones form a cluster")
    return notes


def _outcomes(name: str, task: ForeignTask, graded: bool) -> dict[str, ItemOutcome]:
    return {id_: _outcome(name, id_, item, graded) for id_, item in task.items.items()}


def _outcome(name: str, id_: str, item: ForeignItem, graded: bool) -> ItemOutcome:
    """PASS for more than half of a score, as with the project's own repeats."""
    outcome = Outcome.PASS if item.value > 0.5 else Outcome.NO_ANSWER if item.no_answer else Outcome.FAIL
    return ItemOutcome(
        suite=name,
        item=id_,
        item_digest=item.digest,
        request_digest=fingerprint(dict(item.asked)),
        outcome=outcome,
        value=item.value if graded else None,
        kind="no_answer" if outcome is Outcome.NO_ANSWER else None if outcome is Outcome.PASS else "wrong",
        detail=None,
        reply=Reply(text=item.reply),
    )
