"""What a model in training has lost so far, look by look, and when that is certain enough to stop.

At each look the same probes are answered by other weights, so this is no sequential test of one candidate: every look
tests a candidate of its own. Look k therefore spends 6 alpha / (pi² k²), as the k-th candidate against one lock does,
and Holm's correction covers the protected suites within a look. By the union bound, whatever the looks have in common,
a training in which no look's true drop exceeds its margin is stopped with a probability of at most alpha.

What is chosen by its probes looks better on them than it is. So a choice among checkpoints is paid for: all of them
enter the attempts ledger, see `regress.train.fit`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from regress.diff import compare
from regress.errors import BackendError, TrainingError
from regress.gate import adjust, judge
from regress.schema import ItemOutcome, Policy, Role, Suite, SuiteVerdict, Verdict
from regress.stats.multiple import spent_alpha
from regress.store.atomic import write_atomic
from regress.strict_json import JsonFault, parse

FORMAT = 1
Answers = Mapping[str, Mapping[str, ItemOutcome]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteLook:
    """One suite at one look: counts over its probes, and the evidence for a drop beyond the margin, after Holm."""

    suite: str
    role: str
    n: int
    base_pass: int
    passed: int
    lost: int
    gained: int
    delta: float  # in the scorer's units; points of the share that passes, unless the scorer grades
    margin: float | None
    p_fail: float | None
    forgotten: bool

    @property
    def within(self) -> bool:
        """Whether the drop as observed is within the margin; True where there is none to keep."""
        return self.margin is None or -self.delta <= self.margin


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All suites at one step; `number` counts looks from 1, `alpha` is what this one spends."""

    step: int
    number: int
    alpha: float
    suites: tuple[SuiteLook, ...]

    @property
    def forgotten(self) -> tuple[str, ...]:
        return tuple(one.suite for one in self.suites if one.forgotten)

    @property
    def passes(self) -> bool:
        """No protected suite dropped by more than its margin, as observed."""
        return all(one.within for one in self.suites if one.role == Role.PROTECT)

    @property
    def gain(self) -> float | None:
        """Mean gain of the target suites; None without one."""
        gains = [one.delta for one in self.suites if one.role == Role.TARGET]
        return sum(gains) / len(gains) if gains else None

    def as_logs(self) -> dict[str, float]:
        """Plain numbers for trackers."""
        logs = {f"eval_regress_{one.suite}_delta": one.delta for one in self.suites}
        logs |= {f"eval_regress_{one.suite}_pass_rate": one.passed / one.n for one in self.suites}
        return logs | {"eval_regress_gain": self.score, "eval_regress_forgotten": float(len(self.forgotten))}

    @property
    def score(self) -> float:
        """What the best checkpoint has most of: the gain, and below any gain where a margin is broken."""
        return (self.gain or 0.0) if self.passes else -2.0


def look(step: int, number: int, suites: Sequence[Suite], base: Answers, now: Answers, policy: Policy) -> Look:
    """Compare the probes' outcomes with the base's, by the gate's own tests at the alpha of look `number`.

    Raises BackendError where a reply could not be scored.
    """
    alpha = spent_alpha(float(policy.alpha), number)
    strict = replace(policy, alpha=Decimal(repr(alpha)))
    compared = [compare(s, base[s.name], now[s.name], variant="in training", against="base") for s in suites]
    if broken := [comparison.suite for comparison in compared if comparison.error]:
        raise BackendError(f"probes of {broken[0]} could not be scored")
    verdicts = adjust([judge(comparison, strict) for comparison in compared])
    return Look(step=step, number=number, alpha=alpha, suites=tuple(_suite_look(v, alpha) for v in verdicts))


def _suite_look(verdict: SuiteVerdict, alpha: float) -> SuiteLook:
    counts, p_fail = verdict.counts, verdict.p_fail_holm
    if verdict.delta is None:
        raise BackendError(f"probes of {verdict.suite} have no difference that means anything: {verdict.reason}")
    return SuiteLook(
        suite=verdict.suite,
        role=verdict.role.value,
        n=counts.n,
        base_pass=counts.both_pass + counts.lost,
        passed=counts.both_pass + counts.gained,
        lost=counts.lost,
        gained=counts.gained,
        delta=verdict.delta,
        margin=None if verdict.margin is None else float(verdict.margin),
        p_fail=p_fail,
        forgotten=verdict.verdict is Verdict.FAIL and p_fail is not None and p_fail <= alpha,
    )


def best(looks: Sequence[Look]) -> Look | None:
    """The largest gain among the looks that pass; of equal ones, and without a target suite, the last."""
    passing = [one for one in looks if one.passes and not one.forgotten]
    return max(passing, key=lambda one: (one.score, one.step), default=None)


def sentence(found: Look) -> str:
    """Why the training ends here."""
    lost = [one for one in found.suites if one.forgotten]
    parts = [f"{one.suite} {one.base_pass} → {one.passed} of {one.n}" for one in lost]
    return (
        f"step {found.step}: what the base could do is being unlearned beyond the margin ({', '.join(parts)}; evidence "
        f"at {found.alpha:.2g} after correction, look {found.number})"
    )


# --- the curve on disk ------------------------------------------------------------------------------------------------


def write_curve(path: Path, head: Mapping[str, Any], looks: Sequence[Look]) -> None:
    """JSON Lines, all or nothing: what was asked of whom, then a line for each look."""
    lines: list[Mapping[str, Any]] = [{"kind": "curve", "format": FORMAT, **head}]
    lines += [
        {"kind": "look", **asdict(one), "gain": one.gain, "passes": one.passes, "forgotten": list(one.forgotten)}
        for one in looks
    ]
    write_atomic(path, "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode())


def read_curve(path: Path, head: Mapping[str, Any], until: int) -> list[Look]:
    """The looks up to step `until` of a curve with the same head; none where there is no such curve.

    Raises TrainingError for a file that is no curve.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    try:
        first, *rest = [parse(line).value for line in lines]
        if first != {"kind": "curve", "format": FORMAT, **head}:
            return []
        return [found for line in rest if (found := _look(line)).step <= until]
    except (JsonFault, KeyError, TypeError, ValueError) as reason:
        raise TrainingError(f"is not a forgetting curve: {reason}. Delete it.", path=path) from reason


def _look(line: Mapping[str, Any]) -> Look:
    suites = tuple(SuiteLook(**one) for one in line["suites"])
    return Look(step=line["step"], number=line["number"], alpha=line["alpha"], suites=suites)
