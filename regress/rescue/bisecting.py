"""Ask the checkpoints that the search wants, each suite look by look and only as far as it has to be.

A diagnosis: it promotes nothing and enters nothing in the attempts ledger (docs/adr/0022).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from regress.backends.adapter_files import take_adapter
from regress.errors import UsageError
from regress.gate import judge
from regress.lock.promise import Loaded
from regress.rescue.asking import Asking, Outcomes, Part, asking
from regress.rescue.bisection import Hunt, alpha_each
from regress.run.bench import Job, candidate_bench
from regress.run.judge import compared
from regress.run.looks import LOOKS, LookByLook
from regress.schema import Bisection, Policy, Role, Step, Suite, SuiteVerdict, Verdict

RUNS = "bisect"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """The checkpoints, and what a test on any of them may spend."""

    job: Job
    checkpoints: Sequence[Path]
    policy: Policy  # at the alpha of one test
    private: Path
    digests: dict[int, str] = field(default_factory=dict)


def bisect(job: Job, checkpoints: Sequence[Path], names: Sequence[str] = ()) -> Bisection:
    """Where each of the named suites broke; without names every protected one. Raises UsageError for other names."""
    bench = job.bench
    suites = suites_named(bench.loaded, names)
    policy = bench.loaded.project.policy
    share = alpha_each(float(policy.alpha), len(checkpoints), len(suites))
    hunts = [Hunt.over(suite.name, len(checkpoints)) for suite in suites]
    with tempfile.TemporaryDirectory(prefix="regress-") as private:
        row = _Row(
            job=job,
            checkpoints=checkpoints,
            policy=replace(policy, alpha=Decimal(repr(share))),
            private=Path(private),
        )
        # A run ends where its share of alpha says, so that runs made for another share are others.
        with asking(job, bench.loaded.project.runs / RUNS / f"of-{len(checkpoints) * len(suites)}") as runs:
            while wanting := [hunt for hunt in hunts if hunt.wanted is not None]:
                place = max(hunt.wanted or 0 for hunt in wanting)
                _ask(row, runs, place, [hunt for hunt in wanting if hunt.wanted == place])
            variant = str(runs.selecting)
    return Bisection(
        lock=bench.lock.digest,
        variant=variant,
        checkpoints=tuple(path.name for path in checkpoints),
        digests=row.digests,
        alpha=float(policy.alpha),
        alpha_each=share,
        suites=tuple(hunt.breakage for hunt in hunts),
    )


def suites_named(loaded: Loaded, names: Sequence[str]) -> list[Suite]:
    """The protected suites of those names, or all; raises UsageError that lists the choices."""
    protected = {suite.name: suite for suite in loaded.suites if suite.role is Role.PROTECT}
    strange = [name for name in names if name not in protected]
    if strange:
        raise UsageError(f"{strange[0]!r} is no protected suite. Protected: {', '.join(sorted(protected))}.")
    return [suite for name, suite in protected.items() if not names or name in names]


def _ask(row: _Row, runs: Asking, place: int, hunts: Sequence[Hunt]) -> None:
    """One checkpoint, attached once for all suites that want it."""
    checkpoint = row.checkpoints[place - 1]
    row.job.progress.say(f"{checkpoint.name}: {', '.join(hunt.suite for hunt in hunts)}")
    clean = row.private / f"checkpoint-{place}"
    if not clean.exists():
        take_adapter(checkpoint, clean)
    with candidate_bench(row.job.bench, clean) as candidate:
        row.digests[place] = candidate.record.digest
        suites = {hunt.suite: row.job.bench.loaded.suite(hunt.suite) for hunt in hunts}
        parts = [_part(suite, row.policy) for suite in suites.values()]
        answers = list(runs.candidate(parts, candidate, [runs.selecting]))
    for hunt, answered in zip(hunts, answers, strict=True):
        suite = suites[hunt.suite]
        comparison = compared(suite, answered.base, answered.run, str(answered.variant), row.policy)
        hunt.take(_step(place, judge(comparison, row.policy), float(row.policy.alpha)))


def _step(place: int, verdict: SuiteVerdict, alpha: float) -> Step:
    return Step(
        checkpoint=place,
        verdict=_without_futility(verdict, alpha),
        counts=verdict.counts,
        delta=verdict.delta,
        ci90=verdict.ci90,
        reason=verdict.reason,
    )


def _without_futility(verdict: SuiteVerdict, alpha: float) -> Verdict:
    """Nobody gave up at a look where neither verdict seemed in reach: what the looks after it showed counts."""
    if verdict.verdict is not Verdict.UNDECIDED or verdict.look is None:
        return verdict.verdict
    if verdict.p_pass is not None and verdict.p_pass <= alpha:
        return Verdict.PASS
    return Verdict.FAIL if verdict.p_fail is not None and verdict.p_fail <= alpha else Verdict.UNDECIDED


def _part(suite: Suite, policy: Policy) -> Part:
    """A suite by itself: how far one is asked does not hang on the others."""

    def portions(base: Outcomes | None) -> LookByLook:
        return LookByLook(policy=policy, alpha=float(policy.alpha), futility=False, base=base)

    return Part(company=f"{LOOKS}{suite.name} alone: ", suites={suite.name: suite}, portions_for=portions)
