"""From stored runs to a decision, without any model library: what `gate` does, and how `check` ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from regress.diff import check_comparable, compare, confirmed_failures, look_counts, screen
from regress.errors import Refused, StoreError
from regress.gate import decide, inform
from regress.hashing.files import digest_file
from regress.labels import Labelled, read_labels
from regress.lock.attempts import record_attempt, standing_attempt
from regress.lock.lockfile import Lock
from regress.lock.promise import Loaded
from regress.run.attribution import attribute
from regress.run.exhibits import Grounds
from regress.run.found import find_runs, load_locked, other_runs
from regress.run.looks import LOOKS, SCREEN, may_stop
from regress.run.noise import AGAIN, noise_check, noise_floors
from regress.run.trained import training_checks
from regress.run.triggers import judge_triggers
from regress.run.wanted import Wanted, base_at
from regress.safety import detected, expectation
from regress.schema import (
    Attempt,
    Beside,
    Candidate,
    Check,
    Decision,
    Policy,
    ServingComparison,
    Suite,
    SuiteComparison,
    Variant,
    VariantKind,
    answered_as,
)
from regress.serving import Sides, margin_comparisons, margin_name, serving_comparisons
from regress.store.codec import seal_digest
from regress.store.runs import StoredRun, is_sealed, run_name
from regress.store.serving import SERVING, read_served
from regress.store.triggers import TRIGGERS
from regress.suite.project import parse_variant
from regress.triggers import with_triggers


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A decision, the comparisons that it rests on, and the seals of the locked variants' runs, by variant.

    `grounds` is what the reports are gathered from; whoever keeps many judgements lets it go first.
    """

    decision: Decision
    comparisons: tuple[SuiteComparison, ...]
    seals: Mapping[str, str]
    grounds: Grounds | None = field(default=None, compare=False)


def judge(
    loaded: Loaded,
    lock: Lock,
    candidate: Candidate,
    checks: Sequence[Check],
    wanted: Wanted | None = None,
    missing: Sequence[str] = (),
    *,
    read_only: bool = False,
) -> Judgement:
    """Find the candidate's sealed runs and the base's, compare, enter the attempt and decide.

    Without `wanted` on the locked variants alone; `missing` says which of the extra ones could not be run, and why.
    `read_only` shows again what was judged before and enters nothing: StoreError where it was never judged.

    Raises StoreError when a locked variant has no sealed run or one is damaged, ComparisonError when two differ in
    something undeclared.
    """
    wanted = (wanted or Wanted.of(loaded.project.variants, None)).as_answered(candidate.kind)
    runs = find_runs(loaded, lock, candidate.digest, wanted.locked)
    bases = [run for variant, run in runs.items() if variant.kind is VariantKind.BASE]
    labels = _labels(loaded)
    comparisons = _comparisons(loaded, runs, wanted.locked if bases else (), labels)
    made = [*checks, *training_checks(candidate, loaded.project.policy, lock), *_noise_checks(loaded, lock, bases)]
    attempt = _attempt(loaded, lock, candidate.digest, read_only=read_only)
    left_out = tuple(map(str, wanted.left_out))
    decision = decide(
        comparisons,
        expected=_expected(loaded, lock, candidate, left_out) if bases else (),
        checks=made,
        policy=loaded.project.policy,
        candidate=candidate,
        lock=lock.digest,
        attempt=attempt,
        left_out=left_out,
    )
    own = {v: run for v, run in runs.items() if bases and v.kind is not VariantKind.BASE}
    pairs = {str(variant): (_base_for(variant, run, runs), run) for variant, run in own.items()}
    decision = with_triggers(decision, judge_triggers(loaded, lock, pairs))
    seals = _seals(runs.values())
    if wanted.extra or missing:
        extra = _beside(loaded, lock, candidate.digest, wanted.extra, runs, labels)
        verdicts = inform(extra.comparisons, loaded.project.policy, attempt)
        decision = replace(decision, beside=Beside(suites=verdicts, missing=(*missing, *extra.missing)))
        runs |= extra.runs
    decision = replace(decision, serving=_serving(loaded, runs) if bases else ())
    settled = {parse_variant(run.manifest.variant): run for run in runs.values()}
    others, unread = other_runs(loaded, lock, candidate.digest, settled)
    known = _by_pair(comparisons, runs)
    attribution = attribute(
        loaded, settled | others, candidate, checks=made, attempt=attempt, known=known, unread=unread
    )
    decision = replace(decision, attribution=attribution)
    grounds = Grounds(loaded=loaded, lock=lock, runs=runs)
    return Judgement(decision=decision, comparisons=tuple(comparisons), seals=seals, grounds=grounds)


def _attempt(loaded: Loaded, lock: Lock, candidate: str, *, read_only: bool) -> Attempt:
    if not read_only:
        return record_attempt(loaded.project.baselines, lock, candidate, now=datetime.now(UTC))
    standing = standing_attempt(loaded.project.baselines, lock, candidate)
    if standing is None:
        raise StoreError("this candidate was never judged under this lock. Run `regress check` for it.")
    return standing


def _expected(loaded: Loaded, lock: Lock, candidate: Candidate, left_out: Collection[str]) -> set[tuple[str, str]]:
    """What the lock promises evidence for: every suite, and every figure with a margin, of every candidate variant."""
    return {
        (name, str(variant))
        for suite in loaded.suites
        for name in (suite.name, *(margin_name(suite, figure) for figure in suite.serving))
        for variant in answered_as(candidate.kind, map(parse_variant, lock.variants))
        if variant.kind is not VariantKind.BASE and str(variant) not in left_out
    }


def _seals(runs: Iterable[StoredRun]) -> dict[str, str]:
    """The digest of each run's seal, and of what was measured beside it."""
    seals = {}
    for run in runs:
        seals[run.manifest.variant] = seal_digest(run.seal)
        for name in (SERVING, TRIGGERS):
            if (run.folder / name).exists():
                seals[f"{run.manifest.variant} {name}"] = digest_file(run.folder / name, refuse=StoreError).digest
    return seals


def _comparisons(
    loaded: Loaded, runs: Mapping[Variant, StoredRun], variants: Sequence[Variant], labels: Sequence[Labelled]
) -> list[SuiteComparison]:
    """Every suite of every candidate among the variants, against the base that is its own among the runs."""
    comparisons: list[SuiteComparison] = []
    for variant in (variant for variant in variants if variant.kind is not VariantKind.BASE):
        run = runs[variant]
        base = _base_for(variant, run, runs)
        check_comparable(base.manifest, run.manifest)
        for suite in loaded.suites:
            found = compared(suite, base, run, str(variant), loaded.project.policy)
            before, after = (side.outcomes.get(suite.name, {}) for side in (base, run))
            comparisons.append(replace(found, detected=detected(suite, found, before, after, labels)))
        comparisons += margin_comparisons(_sides(loaded, base, run, variant))
    return comparisons


def _by_pair(
    comparisons: Sequence[SuiteComparison], runs: Mapping[Variant, StoredRun]
) -> dict[tuple[str, Variant, Variant], SuiteComparison]:
    """What was compared, by suite, base variant and candidate variant, precisions resolved."""
    settled = {str(variant): parse_variant(run.manifest.variant) for variant, run in runs.items()}
    return {(c.suite, parse_variant(c.against), settled[c.variant]): c for c in comparisons}


def _serving(loaded: Loaded, runs: Mapping[Variant, StoredRun]) -> tuple[ServingComparison, ...]:
    """What each candidate among the runs costs to serve, against its base."""
    return tuple(
        found
        for variant, run in runs.items()
        if variant.kind is not VariantKind.BASE
        for found in serving_comparisons(_sides(loaded, _base_for(variant, run, runs), run, variant))
    )


def _sides(loaded: Loaded, base: StoredRun, run: StoredRun, variant: Variant) -> Sides:
    """The two runs for what concerns serving."""
    return Sides(
        suites=loaded.suites,
        base=base.outcomes,
        candidate=run.outcomes,
        served=read_served(run.folder, run.manifest),
        variant=str(variant),
        against=base.manifest.variant,
    )


def _beside(
    loaded: Loaded,
    lock: Lock,
    adapter: str,
    variants: Sequence[Variant],
    runs: Mapping[Variant, StoredRun],
    labels: Sequence[Labelled],
) -> _Extra:
    """Comparisons of the extra variants, and why one of them has none: nothing of it may stop the decision."""
    comparisons: list[SuiteComparison] = []
    missing: list[str] = []
    found = dict(runs)
    for variant in sorted(variants, key=lambda v: v.kind is not VariantKind.BASE):  # their bases first
        try:
            known = found | find_runs(loaded, lock, adapter, [variant], found)
            comparisons += _comparisons(loaded, known, [variant], labels)
        except Refused as refusal:
            missing.append(f"{variant} is not compared: {refusal}")
        else:
            found = known
    return _Extra(comparisons=comparisons, missing=missing, runs=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extra:
    """Variants that no lock names: those that could be compared, and why others could not."""

    comparisons: list[SuiteComparison]
    missing: list[str]
    runs: dict[Variant, StoredRun]


def compared(suite: Suite, base: StoredRun, run: StoredRun, variant: str, policy: Policy) -> SuiteComparison:
    """One suite; where the candidate was asked look by look, over what was asked of it."""
    before, after = (side.outcomes.get(suite.name, {}) for side in (base, run))
    against = base.manifest.variant
    if suite.name in policy.zero_tolerance:
        found = compare(suite, before, after, variant=variant, against=against)
        return replace(found, confirmed=confirmed_failures(suite, after))
    if not run.manifest.batch_policy.startswith((LOOKS, SCREEN)) or not may_stop(suite, policy):
        return compare(suite, before, after, variant=variant, against=against)
    part = replace(suite, items=tuple(item for item in suite.items if item.id in after))
    before_then = {id_: outcome for id_, outcome in before.items() if id_ in after}
    found = compare(part, before_then, after, variant=variant, against=against)
    if run.manifest.batch_policy.startswith(SCREEN):
        return replace(found, screened=screen(suite, before, after), planned_n=len(suite.items))
    return replace(found, looks=look_counts(suite, before, after), planned_n=len(suite.items))


def _labels(loaded: Loaded) -> list[Labelled]:
    """What people said of replies, where a suite's figures rest on a refusal detector; raises StoreError."""
    asked = any(expectation(suite) is not None for suite in loaded.suites)
    return read_labels(loaded.project.baselines) if asked else []


def _noise_checks(loaded: Loaded, lock: Lock, bases: Sequence[StoredRun]) -> list[Check]:
    """One for each base that was asked again on this machine."""
    twice = [(base, again) for base in bases if (again := find_again(loaded, lock, base)) is not None]
    return [noise_check(noise_floors(loaded, base, again), loaded.project.policy) for base, again in twice]


def find_again(loaded: Loaded, lock: Lock, base: StoredRun) -> StoredRun | None:
    """The sealed second run of the same base, where there is one."""
    wanted = replace(base.manifest, batch_policy=AGAIN + base.manifest.batch_policy)
    folder = loaded.project.baselines / "runs" / run_name(wanted)
    return load_locked(folder, loaded, lock) if is_sealed(folder) else None


def _base_for(variant: Variant, run: StoredRun, runs: Mapping[Variant, StoredRun]) -> StoredRun:
    """The base at the candidate's own precision where the lock has one, else the first base it names."""
    bases = [r for v, r in runs.items() if v.kind is VariantKind.BASE]
    if not bases:
        raise StoreError(f"there is no run of a base that {variant} could be compared with.")
    return base_at(parse_variant(run.manifest.variant).precision, bases)
