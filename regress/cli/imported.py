"""What `regress diff` does with results of other harnesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regress.cli.console import put_json, say
from regress.foreign.records import Kind, Wanted, by_task, shown
from regress.report.imported import render
from regress.schema import Exit, Policy, SuiteComparison, SuiteVerdict

if TYPE_CHECKING:
    from regress.run.imported import Imported

MARGIN = Decimal("0.02")
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked for. `margin` is None where nobody said."""

    margin: Decimal | None
    metric: Sequence[str]
    filter: Sequence[str]
    fail_on_loss: bool
    as_json: bool

    @property
    def is_for_imports(self) -> bool:
        return self.margin is not None or bool(self.metric or self.filter) or self.fail_on_loss


def diff_imported(a: Path, b: Path, kind: Kind, order: Order) -> int:
    """Print the comparison. Exit 0, or with --fail-on-loss what the gate would say: 0, 3 or 4."""
    from regress.run.imported import compare_imported

    wanted = Wanted(metric=by_task(order.metric, "metric"), filter=by_task(order.filter, "filter"))
    found = compare_imported(a, b, kind, wanted, order.margin or MARGIN)
    say(render(found.decision, found.comparisons, found.metrics, _remarks(found, order)))
    code = found.decision.ruling.exit_code if order.fail_on_loss else Exit.PROMOTE
    if order.as_json:
        put_json(_as_object(found, order, code))
    return code


def _remarks(found: Imported, order: Order) -> list[str]:
    margin = f"the margin is {float(order.margin or MARGIN) * 100:g} points"
    return [
        f"A: {found.a.source}",
        f"B: {found.b.source}",
        *(f"{key}: {shown(theirs)} in A, {shown(ours)} in B" for key, (theirs, ours) in found.differs.items()),
        *found.notes,
        f"{margin}{'' if order.margin else ', as nobody said (--margin)'}; alpha is {Policy().alpha}",
    ]


def _as_object(found: Imported, order: Order, code: int) -> dict[str, Any]:
    comparisons = {c.suite: c for c in found.comparisons}
    return {
        "schema_version": FORMAT,
        "kind": found.kind.name.lower(),
        "locked": False,
        "exit_code": int(code),
        "a": found.a.source,
        "b": found.b.source,
        "margin": float(order.margin or MARGIN),
        "alpha": float(Policy().alpha),
        "differs": {key: [shown(a, 1000), shown(b, 1000)] for key, (a, b) in found.differs.items()},
        "notes": list(found.notes),
        "tasks": [_task(v, comparisons[v.suite], found.metrics[v.suite]) for v in found.decision.suites],
    }


def _task(verdict: SuiteVerdict, comparison: SuiteComparison, metric: str) -> dict[str, Any]:
    counts = verdict.counts
    return {
        "task": verdict.suite,
        "metric": metric,
        "verdict": verdict.verdict.value,
        "reason": verdict.reason,
        "n": counts.n,
        "a_pass": counts.base_pass,
        "b_pass": counts.candidate_pass,
        "lost": counts.lost,
        "gained": counts.gained,
        "delta": verdict.delta,
        "ci90": None if verdict.ci90 is None else list(verdict.ci90),
        "p_pass": verdict.p_pass,
        "p_fail": verdict.p_fail,
        "p_fail_holm": verdict.p_fail_holm,
        "p_lost": verdict.p_lost,
        "needed_n": verdict.needed_n,
        "lost_items": [flip.item for flip in comparison.flips if flip.lost],
        "gained_items": [flip.item for flip in comparison.flips if not flip.lost],
        "slices": {
            part.slice: {"n": part.counts.n, "lost": part.counts.lost, "gained": part.counts.gained}
            for part in comparison.slices
        },
    }
