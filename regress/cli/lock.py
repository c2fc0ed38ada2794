"""`regress lock`: freeze the promise, and say what it can and cannot detect."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from regress.cli.console import put_json, say
from regress.cli.options import HERE, JsonOption, ProjectOption
from regress.errors import UsageError
from regress.hashing.files import digest_file
from regress.hashing.models import locate_model, read_model
from regress.lock import lockfile
from regress.lock.lockfile import LOCK_FILE, Lock
from regress.lock.promise import Loaded, load
from regress.plan import plan_suite, promotion_chances
from regress.report.plan_table import plan_table
from regress.suite import read_project, read_suites


def lock(
    project: ProjectOption = HERE,
    amend: Annotated[
        bool, typer.Option("--amend", help="Replace an existing lock; the old one and why are kept.")
    ] = False,
    why: Annotated[str, typer.Option("--why", help="The reason for an amendment.")] = "",
    training_data: Annotated[Path | None, typer.Option(help="Data file whose digest the lock should hold.")] = None,
    json: JsonOption = False,
) -> int:
    """Check the suites, say what drop each can detect, and freeze everything in baselines/lock.json.

    Lock before you train and commit the file. Afterwards `check` stops when an item, scorer, template, margin or
    setting differs.
    """
    opened = read_project(project)
    if why and not amend:
        raise UsageError("--why belongs to --amend.")
    loaded = load(opened, read_suites(opened.suite_paths()), check_items=True)
    base = read_model(locate_model(opened.file.base.model, opened.file.base.revision, opened.folder))
    data = None if training_data is None else digest_file(training_data).digest
    now = datetime.now(UTC)
    if amend:
        result = lockfile.amend(loaded, base, now=now, why=why, training_data=data)
    elif (opened.baselines / LOCK_FILE).exists():
        result = lockfile.read_lock(opened.baselines)
        lockfile.verify(result, loaded, base)
        say("already locked, and nothing changed.")
    else:
        result = lockfile.create(loaded, base, now=now, training_data=data)
    _show(loaded, result, opened.baselines / LOCK_FILE)
    if json:
        put_json({"lock": result.digest, "previous": result.previous, "created": result.created, "plan": result.plan})
    return 0


def _show(loaded: Loaded, result: Lock, path: Path) -> None:
    policy = loaded.project.policy
    say()
    plans = {suite.name: plan_suite(suite, policy) for suite in loaded.suites}
    say(plan_table(plans, loaded.suites, policy, promotion_chances(plans.values())))
    expected = {suite.scorer.options.get("expect") for suite in loaded.suites if suite.scorer.name == "refusal"}
    if len(expected) == 1:
        one, other = (
            ("refusing less", "refusing more") if expected == {"refuse"} else ("refusing more", "refusing less")
        )
        say(f"\nOnly {one} is measured: a candidate may get there by {other}. Add a suite that expects the opposite.")
    say()
    say(f"locked {result.digest}")
    say(f"{path}: commit it before you train.")
