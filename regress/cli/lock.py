"""`regress lock`: freeze the promise, and say what it can and cannot detect."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from regress.cli.console import put_json, say
from regress.cli.flip_rates import planned
from regress.cli.lock_check import CheckOption, SinceOption, check_lock, refuse_to_write
from regress.cli.options import HERE, JsonOption, ProjectOption
from regress.cli.task_suites import TrustOption, freeze_missing, remember_trust
from regress.errors import LockError, UsageError
from regress.hashing.models import locate_model, read_model
from regress.lock import lockfile
from regress.lock.audited import Audited, read_audit
from regress.lock.lockfile import LOCK_FILE, Lock, Plans
from regress.lock.promise import Loaded, load, plan_record
from regress.plan import promotion_chances
from regress.report.plan_table import plan_table
from regress.rows.opening import open_source
from regress.suite import read_project, read_suites


def lock(
    project: ProjectOption = HERE,
    amend: Annotated[
        bool, typer.Option("--amend", help="Replace an existing lock; the old one and why are kept.")
    ] = False,
    why: Annotated[str, typer.Option("--why", help="The reason for an amendment.")] = "",
    training_data: Annotated[Path | None, typer.Option(help="Data file whose digest the lock should hold.")] = None,
    audit: Annotated[
        Path | None,
        typer.Option(help="Audit of the training data (reports/audit.json): kept in baselines/, named by the lock."),
    ] = None,
    flip_rate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[SUITE=]RATE",
            help="Share of answers that you expect to change between base and candidate, either way, for all suites "
            "or for one; may be repeated.",
            show_default="0.02, 0.05, 0.1, with the noise that `run base --again` measured",
        ),
    ] = None,
    trust_task_code: TrustOption = False,
    check: CheckOption = False,
    since: SinceOption = None,
    json: JsonOption = False,
) -> int:
    """Check the suites, say what drop each can detect, and freeze everything in baselines/lock.json.

    Lock before you train and commit the file. Afterwards `check` stops when an item, scorer, template, margin or
    setting differs. Suites with `lm_eval:` are frozen first: the task's items are written beside them.
    """
    if why and not amend:
        raise UsageError("--why belongs to --amend.")
    if check or since:
        refuse_to_write(check=check, writing=amend or training_data or audit or flip_rate or trust_task_code)
        return check_lock(read_project(project), since, as_json=json)
    opened = read_project(project)
    freeze_missing(opened, trust=trust_task_code)
    loaded = load(opened, read_suites(opened.suite_paths()), check_items=True)
    remember_trust(opened, loaded.suites, trust=trust_task_code)
    base = read_model(locate_model(opened.file.base.model, opened.file.base.revision, opened.folder))
    data = None if training_data is None else open_source(str(training_data)).digest()
    audited = None if audit is None else read_audit(audit)
    plans = planned(loaded, opened.policy, flip_rate, lambda: base)
    now = datetime.now(UTC)
    if amend:
        result = lockfile.amend(loaded, base, now=now, why=why, training_data=data, audit=audited, plans=plans)
    elif (opened.baselines / LOCK_FILE).exists():
        result = lockfile.read_lock(opened.baselines)
        lockfile.verify(result, loaded, base)
        _refuse_other_data(result, data, audited)
        say("already locked, and nothing changed.")
    else:
        result = lockfile.create(loaded, base, now=now, training_data=data, audit=audited, plans=plans)
    _show(loaded, plans, result, opened.baselines / LOCK_FILE)
    if json:
        put_json(_as_object(result) | {"plan_today": plan_record(loaded.suites, plans)})
    return 0


def _as_object(lock: Lock) -> dict[str, Any]:
    return {"lock": lock.digest, "previous": lock.previous, "created": lock.created, "plan": lock.plan}


def _refuse_other_data(locked: Lock, data: str | None, audited: Audited | None) -> None:
    """An existing lock is not written over: what it does not name yet takes an amendment."""
    new_audit = audited is not None and audited.digest != (locked.audit or {}).get("digest")
    if new_audit or data not in (None, locked.training_data):
        what = "this audit" if new_audit else "this training data"
        raise LockError(f'the lock does not name {what}. Amend it: the same with --amend --why "…".')


def _show(loaded: Loaded, plans: Plans, result: Lock, path: Path) -> None:
    policy = loaded.project.policy
    say()
    say(plan_table(plans, loaded.suites, policy, promotion_chances(plans.values())))
    if _locked_rates(result.plan) != _locked_rates(plan_record(loaded.suites, plans)):
        say("\nThese flip rates are today's. The lock keeps those of the day it was written; no verdict uses either.")
    expected = {suite.scorer.options.get("expect") for suite in loaded.suites if suite.scorer.name == "refusal"}
    if len(expected) == 1:
        one, other = (
            ("refusing less", "refusing more") if expected == {"refuse"} else ("refusing more", "refusing less")
        )
        say(f"\nOnly {one} is measured: a candidate may get there by {other}. Add a suite that expects the opposite.")
    say()
    say(f"locked {result.digest}")
    say(f"{path}: commit it before you train.")


def _locked_rates(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """The flip rates that a plan's record was made for, by suite."""
    return {name: [outlook["flip_rate"] for outlook in suite["outlooks"]] for name, suite in plan.items()}
