"""From a rejected adapter to the strongest copy that keeps what is protected: select on one half, confirm on the other.

The selection half may be asked as often as anybody likes. Of the confirmation half only the proposed copy is asked, and
that is an attempt like any other: it stands in the ledger before the first answer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from regress.backends.adapter_files import open_adapter, read_rescue_note
from regress.backends.scaled_adapter import ScalableAdapter
from regress.diff import check_comparable, compare, confirmed_failures
from regress.errors import AdapterError
from regress.gate import decide, judge
from regress.hashing.files import digest_files
from regress.lock.attempts import record_attempt
from regress.rescue.asking import Answered, Asking, Outcomes, Part, asking
from regress.rescue.halves import Halves, split
from regress.rescue.portions import SelectionHalf
from regress.rescue.search import proposal, search, slack
from regress.run.bench import Job, candidate_bench
from regress.run.looks import AllAtOnce
from regress.run.trained import training_checks
from regress.schema import (
    Attempt,
    Candidate,
    Decision,
    Policy,
    Probe,
    Rescue,
    Role,
    Ruling,
    Standing,
    Strength,
    Suite,
    SuiteComparison,
    SuiteVerdict,
    VariantKind,
    Verdict,
)
from regress.schema.serving import TIMED
from regress.serving import Sides, margin_comparisons, margin_name
from regress.stats.multiple import spent_alpha
from regress.stats.power import alpha_with_reserve

RUNS = "rescue"
SELECTING = "the half to select on, look by look: "
CONFIRMING = "the half to confirm on: "


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One adapter under one lock, and the halves that it is rescued on."""

    job: Job
    source: Candidate
    scalable: ScalableAdapter
    halves: Halves
    attempt: Attempt  # that the confirmation would be, had nobody else been judged since the adapter
    private: Path

    @property
    def policy(self) -> Policy:
        return self.job.bench.loaded.project.policy

    @property
    def demand(self) -> Attempt:
        """The alpha on the selection half: what passes it is confirmed with the policy's power, if it is as it looks.

        Whoever takes the strongest that just passes takes the one that looks better than it is.
        """
        return replace(self.attempt, alpha=alpha_with_reserve(self.attempt.alpha, float(self.policy.power)))

    def select(self, first: Sequence[str] = ()) -> Part:
        """The selection half; `first` names suites in the order in which they are asked."""

        def portions(base: Outcomes | None) -> SelectionHalf:
            return SelectionHalf(self.policy, self.attempt.alpha, base)

        suites = {name: self.halves.select[name] for name in (*first, *self.halves.select)}
        return Part(company=SELECTING, suites=suites, portions_for=portions)

    @property
    def confirm(self) -> Part:
        return Part(company=CONFIRMING, suites=self.halves.confirm, portions_for=lambda _: AllAtOnce())


def rescue(job: Job, adapter: Path, target: Path, *, confirm: bool = True) -> Rescue:
    """Scan, propose, confirm, and write the proposed adapter to `target`; raises Refused where nothing can be said.

    The adapter has to stand in the attempts ledger: the alpha of its confirmation is counted from its own. Without
    `confirm` nothing is charged. A copy that the confirmation rejects is not written.
    """
    bench = job.bench
    _refuse_timed(bench.loaded.suites)
    halves = split(bench.loaded.suites)
    with tempfile.TemporaryDirectory(prefix="regress-") as private:
        with candidate_bench(bench, adapter) as candidate:
            files = open_adapter(adapter, Path(private) / "source")
            if files.digest != candidate.record.digest:
                raise AdapterError(f"{adapter} changed while it was read. Leave it alone, and rescue again.")
            source, scalable = candidate.record, ScalableAdapter(files)
        _refuse_foreign(target, source)
        case = _Case(
            job=job,
            source=source,
            scalable=scalable,
            halves=halves,
            attempt=_next_after(job, source),
            private=Path(private),
        )
        with asking(job, bench.loaded.project.runs / RUNS) as runs:
            return _rescued(case, runs, target, confirm=confirm)


def _rescued(case: _Case, runs: Asking, target: Path, *, confirm: bool) -> Rescue:
    small = too_small(case.halves, case.policy, case.attempt)
    for reason in small:
        case.job.progress.say(reason)
    probes = _scanned(case, runs, confirmable=not small)
    chosen = proposal(probes)
    confirmation, reasons, folder = None, [], None
    if chosen is not None:
        reasons = small if small else [] if confirm else ["nobody asked for a confirmation"]
        copy = _copy(case, chosen.strength)
        if not reasons:
            confirmation = _confirmed(case, runs, copy, target)
        if confirmation is None or confirmation.ruling in (Ruling.PROMOTE, Ruling.INCONCLUSIVE):
            _keep(case.scalable, chosen.strength, _digest(copy), target)
            folder = str(target)
    return Rescue(
        source=case.source,
        lock=case.job.bench.lock.digest,
        alpha=case.demand.alpha,
        halves=case.halves.sizes,
        probes=tuple(probes),
        proposal=chosen,
        confirmation=confirmation,
        open=tuple(reasons),
        folder=folder,
    )


def _next_after(job: Job, source: Candidate) -> Attempt:
    """The attempt after the adapter's own: what does not change when the same rescue is repeated."""
    bench = job.bench
    own = record_attempt(bench.loaded.project.baselines, bench.lock, source.digest, now=datetime.now(UTC))
    alpha = float(bench.loaded.project.policy.alpha)
    return Attempt(number=own.number + 1, alpha=spent_alpha(alpha, own.number + 1))


def too_small(halves: Halves, policy: Policy, attempt: Attempt) -> list[str]:
    """Why not even an unchanged model could be confirmed: protected suites whose half proves nothing without a flip."""
    at_alpha = replace(policy, alpha=Decimal(repr(attempt.alpha)))
    found = []
    for suite in halves.confirm.values():
        if suite.role is not Role.PROTECT:
            continue
        verdict = judge(_without_flips(suite), at_alpha)
        if verdict.verdict is not Verdict.PASS:
            needed = "" if verdict.needed_n is None else f"; it takes about {2 * verdict.needed_n:,} items in both"
            found.append(
                f"{suite.name}: its half of {len(suite.items):,} items cannot confirm a margin of "
                f"{float(suite.margin or 0) * 100:g} points at an alpha of {attempt.alpha * 100:.2g} %, even if "
                f"nothing flips{needed}"
            )
    return found


def _without_flips(suite: Suite) -> SuiteComparison:
    clusters = {item.cluster or ("item", item.id) for item in suite.items}
    found = compare(suite, {}, {}, variant="", against="")
    return replace(
        found,
        counts=replace(found.counts, both_pass=len(suite.items), unpaired=0),
        clusters=len(clusters) if any(item.cluster for item in suite.items) else None,
    )


# --- selecting --------------------------------------------------------------------------------------------------------


def _scanned(case: _Case, runs: Asking, *, confirmable: bool) -> list[Probe]:
    """The suites that the adapter as trained hurts most come first from then on: they tell soonest."""
    order: list[str] = []

    def measure(strength: Strength) -> Probe:
        probe = _measured(case, runs, strength, case.select(order))
        if not order:
            protected = [v for v in probe.suites if v.role is Role.PROTECT and v.suite in case.halves.select]
            order.extend(verdict.suite for verdict in sorted(protected, key=slack))
        return probe

    return search(measure, case.scalable.groups, confirmable=confirmable)


def _measured(case: _Case, runs: Asking, strength: Strength, part: Part) -> Probe:
    """One strength on the selection half, by the gate that would be asked to confirm it."""
    case.job.progress.say(f"strength {strength}")
    copy = _copy(case, strength)
    with candidate_bench(case.job.bench, copy) as candidate:
        comparisons = [
            compared
            for answered in runs.candidate([part], candidate, [runs.selecting])
            for compared in _compared(answered, case.policy)
        ]
        decision = decide(
            comparisons,
            expected={(name, str(runs.selecting)) for name in _names(case.halves.select)},
            checks=candidate.checks,
            policy=case.policy,
            candidate=candidate.record,
            lock=case.job.bench.lock.digest,
            attempt=case.demand,
        )
    if decision.ruling is Ruling.REFUSED:
        raise AdapterError(f"nothing can be said of strength {strength}: {'; '.join(decision.reasons)}.")
    return Probe(
        strength=strength,
        share=case.scalable.share(strength),
        ruling=decision.ruling,
        standing=standing(decision),
        reached=all(_reached(v) for v in decision.suites if v.role is Role.TARGET),
        suites=decision.suites,
    )


def _compared(answered: Answered, policy: Policy) -> list[SuiteComparison]:
    """Every suite of the part over what was asked of the candidate."""
    base, run = answered.base, answered.run
    check_comparable(base.manifest, run.manifest)
    found = []
    for suite in answered.part.suites.values():
        before, after = (side.outcomes.get(suite.name, {}) for side in (base, run))
        asked = replace(suite, items=tuple(item for item in suite.items if item.id in after))
        before = {id_: outcome for id_, outcome in before.items() if id_ in after}
        compared = compare(asked, before, after, variant=str(answered.variant), against=base.manifest.variant)
        if suite.name in policy.zero_tolerance:
            compared = replace(compared, confirmed=confirmed_failures(suite, after))
        found.append(compared)
    sides = Sides(
        suites=tuple(answered.part.suites.values()),
        base=base.outcomes,
        candidate=run.outcomes,
        served=None,
        variant=str(answered.variant),
        against=base.manifest.variant,
    )
    return [*found, *margin_comparisons(sides)]


def _names(suites: Mapping[str, Suite]) -> list[str]:
    """What the gate has to be shown: every suite, and every figure that one of them holds a margin for."""
    return [
        name
        for suite in suites.values()
        for name in (suite.name, *(margin_name(suite, figure) for figure in suite.serving))
    ]


def _refuse_timed(suites: Sequence[Suite]) -> None:
    for suite in suites:
        if timed := sorted(suite.serving.keys() & TIMED):
            raise AdapterError(
                f"suite {suite.name} holds a margin for {timed[0]}, which takes prompts that are timed one by one: a "
                "rescue times nothing. Check weaker copies of the adapter yourself, each as a candidate."
            )


def standing(decision: Decision) -> Standing:
    """How the protected suites came out."""
    protected = [verdict for verdict in decision.suites if verdict.role is Role.PROTECT]
    failed = decision.ruling is Ruling.REJECT or any(v.verdict is Verdict.FAIL for v in protected)
    if failed or not protected or any(slack(verdict) < 0.0 for verdict in protected):
        return Standing.BROKEN
    return Standing.HELD if all(v.verdict is Verdict.PASS for v in protected) else Standing.OPEN


def _reached(verdict: SuiteVerdict) -> bool:
    """Whether a target's estimate is the gain that is asked for."""
    least = float(verdict.min_gain or 0)
    return verdict.delta is not None and verdict.delta > 0 and verdict.delta >= least


# --- confirming -------------------------------------------------------------------------------------------------------


def _confirmed(case: _Case, runs: Asking, copy: Path, target: Path) -> Decision:
    """The gate's decision on the confirmation half, in every locked variant: one attempt, entered before asking."""
    bench = case.job.bench
    case.job.progress.say("confirming on the other half")
    with candidate_bench(bench, copy) as candidate:
        record = replace(candidate.record, path=str(target))
        attempt = record_attempt(
            bench.loaded.project.baselines, bench.lock, f"{record.digest}#half", now=datetime.now(UTC)
        )
        wanted = [variant for variant in runs.variants if variant.kind is not VariantKind.BASE]
        comparisons = [
            compared
            for answered in runs.candidate([case.confirm], candidate, wanted)
            for compared in _compared(answered, case.policy)
        ]
        return decide(
            comparisons,
            expected={(name, str(variant)) for name in _names(case.halves.confirm) for variant in wanted},
            checks=[*candidate.checks, *training_checks(record, case.policy, bench.lock)],
            policy=case.policy,
            candidate=record,
            lock=bench.lock.digest,
            attempt=attempt,
        )


def _copy(case: _Case, strength: Strength) -> Path:
    """The adapter at this strength in the private folder."""
    folder = case.private / str(strength).replace(" ", "-")
    if not folder.exists():
        case.scalable.write(strength, folder)
    return folder


def _refuse_foreign(target: Path, source: Candidate) -> None:
    """Before anything is asked: what lies at the target may be replaced only where an earlier rescue wrote it."""
    if not target.exists():
        return
    note = read_rescue_note(target) if target.is_dir() else None
    if note is None or note.source != source.digest:
        raise AdapterError(f"{target} exists and is no rescued copy of this adapter. Name a new folder with --out.")


def _keep(scalable: ScalableAdapter, strength: Strength, digest: str, target: Path) -> None:
    """Write the proposed adapter where the user wants it, in place of what an earlier rescue left there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".rescue-", dir=target.parent) as beside:
        scalable.write(strength, Path(beside) / "new")
        if _digest(Path(beside) / "new") != digest:
            raise AdapterError("the adapter was written with other bytes than were judged. Rescue it again.")
        if target.exists():
            target.rename(Path(beside) / "old")
        (Path(beside) / "new").rename(target)


def _digest(folder: Path) -> str:
    return digest_files(folder, [path.name for path in folder.iterdir()], refuse=AdapterError).digest
