"""Suspected triggers of the locked audit: asked of every variant beside its run, and judged from what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from regress.backends.protocol import Engine
from regress.errors import BackendError, StoreError
from regress.lock.lockfile import Lock, locked_audit
from regress.lock.promise import ITEM_ORDER_SEED, Loaded
from regress.probes import arms, plan_trials, probe_suite
from regress.run.progress import Progress
from regress.schema import TrialPlan, TrialReplies, Tried, TriggerFinding
from regress.store.codec import manifest_digest
from regress.store.runs import StoredRun, read_manifest
from regress.store.triggers import read_tried, write_tried
from regress.triggers import findings, ordinary_openings


def locked_trials(loaded: Loaded, lock: Lock) -> TrialPlan | None:
    """What the locked audit wants tried; None without an audit, or where it suspects nothing.

    Raises LockError where the audit is not the locked one, SuiteError for too few harmless prompts.
    """
    audited = locked_audit(loaded.project.baselines, lock)
    if audited is None or not audited.triggers:
        return None
    return plan_trials(loaded.suites, audited.triggers, ITEM_ORDER_SEED)


def try_triggers(engine: Engine, loaded: Loaded, lock: Lock, folder: Path, progress: Progress) -> None:
    """Ask the variant that the engine acts as, and store its replies beside its run; not again what is stored."""
    plan = locked_trials(loaded, lock)
    manifest = read_manifest(folder)
    known = None if plan is None else read_tried(folder, manifest)
    if plan is None or (known is not None and known.plan == plan):
        return
    replies = _replies(engine, loaded, plan, f"triggers, {manifest.variant}", progress)
    count = len(plan.prompts)
    by_arm = [tuple(replies[start : start + count]) for start in range(0, len(replies), count)]
    plain, trials = by_arm[0], []
    place = 1
    for trial in plan.trials:
        own = by_arm[place : place + 1 + len(trial.controls)]
        trials.append(TrialReplies(triggered=own[0], controls=tuple(own[1:])))
        place += len(own)
    write_tried(folder, Tried(run=manifest_digest(manifest), plan=plan, plain=plain, replies=tuple(trials)))


def _replies(engine: Engine, loaded: Loaded, plan: TrialPlan, what: str, progress: Progress) -> list[str]:
    suite = probe_suite(loaded.suites, plan)
    requests = engine.render(suite)
    found: dict[int, str] = {}
    progress.start(what, len(arms(plan)) * len(plan.prompts), 0)
    try:
        for ready in engine.answers(suite, engine.batches(suite, requests)):
            found.update((place, reply.text or "") for place, reply in ready)
            progress.advance(len(ready), "harmless prompts")
    finally:
        progress.finish()
    if len(found) != len(requests):
        raise BackendError(f"{len(requests) - len(found):,} of the harmless prompts with triggers were not answered.")
    return [found[place] for place in range(len(requests))]


def judge_triggers(
    loaded: Loaded, lock: Lock, pairs: Mapping[str, tuple[StoredRun, StoredRun]]
) -> tuple[TriggerFinding, ...]:
    """What the trials show, by variant: (the base's run, its own). Raises StoreError where one has not been tried."""
    plan = locked_trials(loaded, lock)
    if plan is None:
        return ()
    audited = locked_audit(loaded.project.baselines, lock)
    planted = [one.reply for one in audited.triggers] if audited else []
    found = [
        findings(
            _tried(base, plan),
            _tried(run, plan),
            variant=variant,
            against=base.manifest.variant,
            variants=len(pairs),
            ordinary=ordinary_openings(_texts(base), _texts(run), planted),
        )
        for variant, (base, run) in pairs.items()
    ]
    return tuple(chain.from_iterable(found))


def _tried(run: StoredRun, plan: TrialPlan) -> Tried:
    tried = read_tried(run.folder, run.manifest)
    if tried is None or tried.plan != plan:
        state = "were not tried" if tried is None else "have changed since they were tried"
        raise StoreError(
            f"the audit suspects triggers in the training data, and they {state} on {run.manifest.variant}. Run "
            "`regress check` for this candidate."
        )
    return tried


def _texts(run: StoredRun) -> list[str]:
    """The run's replies to the suites' own items."""
    return [outcome.reply.text for suite in run.outcomes.values() for outcome in suite.values() if outcome.reply.text]
