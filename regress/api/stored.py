"""`regress.judge`, `compare` and `load_run`: what is stored, read from Python. No model library is imported."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from os import PathLike
from pathlib import Path

from regress.api.results import Diff, Judged, Run
from regress.errors import UsageError
from regress.foreign.records import Wanted
from regress.gate import inform
from regress.run.imported import compare_imported
from regress.run.recognise import kind_of
from regress.run.stored import compare_stored, judge_stored
from regress.store.runs import load_run as load_stored
from regress.suite import read_project

MARGIN = Decimal("0.02")  # of imported results, unless somebody says

Names = Mapping[str, str] | str | None


def judge(adapter: str | PathLike[str], project: str | PathLike[str] = ".") -> Judged:
    """The decision on an adapter from stored runs only, as `regress gate` makes it: no model is loaded.

    Lock, seals and every stored line are verified first. Raises Refused where evidence is missing or broken.
    """
    return Judged.of(judge_stored(read_project(Path(project)), Path(adapter)))


def load_run(folder: str | PathLike[str]) -> Run:
    """A sealed run, all of it verified: manifest, chain, every outcome, count and item set.

    Raises StoreError where it is not sealed, and for anything that is not what was written.
    """
    run = load_stored(Path(folder))
    return Run(folder=run.folder, manifest=run.manifest, outcomes=run.outcomes, seal=run.seal)


def compare(
    a: str | PathLike[str] | Run,
    b: str | PathLike[str] | Run,
    project: str | PathLike[str] = ".",
    *,
    margin: str | Decimal | None = None,
    metric: Names = None,
    filter: Names = None,  # noqa: A002  called as the command's option is
) -> Diff:
    """Two stored runs of a project, or two results of lm-eval or Inspect, item by item; `a` is the base.

    The intervals and verdicts decide nothing: runs are held against their suites' margins at the policy's alpha, other
    results against `margin` (0.02 unless given) at 0.05. `metric` and `filter` choose among the scores of other
    results, a name for all tasks or one for each: `{"hellaswag": "acc_norm"}`.

    Raises:
        ComparisonError: the two differ in something undeclared; it names the field and both values.
        StoreError, ResultsError: one of them is damaged or incomplete.
        UsageError: they are not of one kind, or options of imported results were given for runs.
    """
    first, second = _folder(a), _folder(b)
    kind = kind_of(first, second)
    if kind is not None:
        wanted = Wanted(metric=_by_task(metric), filter=_by_task(filter))
        found = compare_imported(first, second, kind, wanted, _share(margin))
        return Diff(suites=found.decision.suites, comparisons=found.comparisons)
    if not (margin is None and metric is None and filter is None):
        raise UsageError("margin, metric and filter are for imported results; runs have a lock.")
    opened = read_project(Path(project))
    comparisons = tuple(compare_stored(opened, first, second))
    return Diff(suites=inform(comparisons, opened.policy, None), comparisons=comparisons)


def _folder(run: str | PathLike[str] | Run) -> Path:
    return run.folder if isinstance(run, Run) else Path(run)


def _share(margin: str | Decimal | None) -> Decimal:
    """A drop between 0 and 1; a float is not taken, since 0.1 is none of them exactly."""
    try:
        share = MARGIN if margin is None else Decimal(margin)
    except (InvalidOperation, TypeError, ValueError) as reason:
        raise UsageError(f"margin {margin!r} is no number: '0.02' is two points.") from reason
    if isinstance(margin, float) or not (share.is_finite() and 0 < share < 1):
        raise UsageError(f"margin {margin!r} must be a text or a Decimal between 0 and 1: '0.02' is two points.")
    return share


def _by_task(names: Names) -> dict[str | None, str]:
    if names is None:
        return {}
    return {None: names} if isinstance(names, str) else {task: name for task, name in names.items()}  # noqa: C416 - its keys may be None
