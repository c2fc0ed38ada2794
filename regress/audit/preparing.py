"""From what a user names to what is audited: data, suites, lock, base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regress.audit.auditing import Order
from regress.audit.checks import CHECKS
from regress.audit.protocol import Context
from regress.errors import ModelError, UsageError
from regress.hashing.models import locate_model
from regress.lock.lockfile import LOCK_FILE, read_lock, verify
from regress.lock.promise import load
from regress.rows.forms import KEYS, Columns
from regress.rows.opening import open_source
from regress.run.featured import BaseFeatures
from regress.run.prompted import BaseAnswers, StoredAnswers
from regress.schema import Policy
from regress.suite import Project, read_project, read_suites
from regress.suite.audit_section import AuditSection
from regress.suite.project import FILE_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked for."""

    data: str
    split: str | None = None
    mapped: Columns = ()
    validation: str | None = None
    production: str | None = None
    checks: Sequence[str] = ()  # all where empty
    workers: int | None = None


def parse_columns(texts: Sequence[str]) -> Columns:
    """`prompt=question` as a pair; raises UsageError that lists the keys."""
    pairs = []
    for text in texts:
        ours, equals, theirs = text.partition("=")
        if not equals or not theirs or ours not in KEYS:
            raise UsageError(f"--map {text}: write KEY=COLUMN, with one of {', '.join(KEYS)} for KEY.")
        pairs.append((ours, theirs))
    if len({ours for ours, _ in pairs}) != len(pairs):
        raise UsageError("--map names a key twice.")
    if len({theirs for _, theirs in pairs}) != len(pairs):
        raise UsageError("--map names a column twice: no text is both asked and learned.")
    return tuple(pairs)


def prepare(
    folder: Path, request: Request, answers: BaseAnswers | None = None, features: BaseFeatures | None = None
) -> Order:
    """What `audit` takes; without a regress.yaml in `folder` the data is audited by itself.

    `answers` are the base's; without them, those that are stored. `features` are the base's, too, and without them
    nothing is said of any.

    Raises ProjectError, SuiteError and LockError where the project is not what it was locked as, DataError where a
    place names no data, UsageError for an unknown check.
    """
    if unknown := [name for name in request.checks if name not in CHECKS]:
        raise UsageError(f"--only {unknown[0]}: there is no such check. Checks: {', '.join(CHECKS)}.")
    project = read_project(folder) if (folder / FILE_NAME).is_file() else None
    section = AuditSection() if project is None else project.file.audit
    suites = () if project is None else read_suites(project.suite_paths())
    context = Context(
        suites=suites,
        mapped=request.mapped,
        base=None if project is None else _base(project),
        validation=None if request.validation is None else open_source(request.validation),
        runs=None if project is None else project.baselines / "runs",
        production=None if request.production is None else open_source(request.production),
        max_length=section.max_length or (2048 if project is None else project.file.train.max_length),
        policy=Policy() if project is None else project.policy,
        answers=None if project is None else answers or StoredAnswers(folder),
        features=features,
    )
    return Order(
        source=open_source(request.data, request.split),
        context=context,
        policy=section,
        lock=None if project is None else _lock(project, context),
        workers=request.workers,
        checks=tuple(request.checks) or tuple(CHECKS),
    )


def _lock(project: Project, context: Context) -> str | None:
    """Digest of the lock that will judge the result; None before there is one."""
    if not (project.baselines / LOCK_FILE).exists():
        return None
    lock = read_lock(project.baselines)
    verify(lock, load(project, context.suites, check_items=False), None)
    return lock.digest


def _base(project: Project) -> Path | None:
    """Where the base lies, if it is here; an audit does without."""
    try:
        return locate_model(project.file.base.model, project.file.base.revision, project.folder)
    except ModelError:
        return None
