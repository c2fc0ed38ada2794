"""`regress lock --check`: is the project what was locked? For a pull request that touches suites, in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regress.cli import ci
from regress.cli.console import put_json, say
from regress.errors import Refused, UsageError
from regress.hashing.models import ModelFiles, read_model
from regress.lock.attempts import ATTEMPTS_FILE
from regress.lock.lockfile import HISTORY_FILE, RELOCK, Lock, changes, locked_audit, read_history, read_lock
from regress.lock.promise import load
from regress.report.words import visible
from regress.schema import Exit
from regress.store.atomic import read_regular
from regress.suite import Project, read_suites

LOG_BYTES = 2**26

CheckOption = Annotated[
    bool, typer.Option("--check", help="Write nothing; say whether the project is as locked: exit code 0 or 5.")
]
SinceOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="With --check: baselines/ as it was before. Its history and ledger may have grown, nothing else.",
    ),
]


def refuse_to_write(*, check: bool, writing: object) -> None:
    """Raise UsageError where --since stands alone, or beside --check an option that would write something."""
    if not check:
        raise UsageError("--since belongs to --check.")
    if writing:
        raise UsageError("--check only looks: it goes with --since, --project and --json.")


def check_lock(opened: Project, since: Path | None, *, as_json: bool) -> Exit:
    """Name every difference; nothing is written.

    The base is looked at where its folder lies here; elsewhere its digests are taken as locked.
    """
    try:
        lock = read_lock(opened.baselines)
        locked_audit(opened.baselines, lock)  # refuses where other bytes stand there
        loaded = load(opened, read_suites(opened.suite_paths()), check_items=False)
        found = [*changes(lock, loaded, base := _base(opened)), *(rewritten(opened, since) if since else ())]
    except Refused as refusal:
        ci.complain([str(refusal)])
        raise
    if as_json:
        put_json({"lock": lock.digest, "as_locked": not found, "base_seen": base is not None, "differences": found})
    _say(opened, lock, found, base)
    ci.complain(found)
    return Exit.REFUSED if found else Exit.PROMOTE


def rewritten(opened: Project, since: Path) -> list[str]:
    """Which of the two append-only logs does not begin with what it held before, in the folder `since`."""
    if not since.is_dir():
        raise UsageError(f"--since {since} is no folder; where nothing was locked before, give an empty one.")
    found = []
    for name in (HISTORY_FILE, ATTEMPTS_FILE):
        try:
            before = read_regular(since / name, LOG_BYTES)
        except FileNotFoundError:
            continue
        now = opened.baselines / name
        if not now.exists() or not read_regular(now, LOG_BYTES).startswith(before):
            found.append(f"{name} was rewritten: it may only be appended to")
    return found


def _base(opened: Project) -> ModelFiles | None:
    folder = opened.folder / opened.file.base.model
    return read_model(folder) if folder.is_dir() else None


def _say(opened: Project, lock: Lock, found: list[str], base: ModelFiles | None) -> None:
    for difference in found:
        say(f"· {visible(difference)}")
    if found:
        say(f"REFUSED  the project is not the locked one. {RELOCK}")
        return
    say(f"as locked: {lock.digest}, {lock.created}")
    amendments = [entry for entry in read_history(opened.baselines) if entry.get("previous")]
    for entry in amendments:
        say(f"· amended {entry.get('created')}: {visible(str(entry.get('why')), 200)}")
    if base is None:
        say(f"· {opened.file.base.model} is no folder here: its digests were taken as locked.")
