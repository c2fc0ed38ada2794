"""`baselines/lock.json` and its history: written once, verified at every use, amended only by appending.

The lock digest is the SHA-256 of the canonical JSON of everything in the file but the digest itself. Every lock that
ever held stands in `baselines/history.jsonl`, a hash-chained log, and an amended one is kept whole beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regress import __version__
from regress.errors import LockError
from regress.hashing.canonical import digest_promise, promise_json
from regress.hashing.models import ModelFiles
from regress.lock.audited import AUDIT_FILE, Audited, check_audit, items_digest, read_audit
from regress.lock.promise import Loaded, differences, plan_record, promise
from regress.plan import plan_suites
from regress.schema import LOCK_FORMAT, Role, SuitePlan
from regress.store.atomic import write_atomic
from regress.store.chain import ChainWriter, read_records
from regress.strict_json import JsonFault, parse

LOCK_FILE = "lock.json"
HISTORY_FILE = "history.jsonl"
AMENDED_FOLDER = "amended"
TRAINING_RECORD = "regress_training.json"
HISTORY_LABEL = "regress lock history 1"
Plans = Mapping[str, SuitePlan]  # by suite
RELOCK = 'Restore it, or `regress lock --amend --why "…"` and run the base again.'


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock as it stands on disk, its digest verified."""

    digest: str
    promise: Mapping[str, Any]
    plan: Mapping[str, Any]
    created: str
    tool: str
    previous: str | None
    training_data: str | None
    audit: Mapping[str, Any] | None = None  # digest, and the digest and rows of the data that was audited

    @property
    def variants(self) -> tuple[str, ...]:
        return tuple(self.promise["variants"])


def read_lock(baselines: Path) -> Lock:
    """The project's lock.

    Raises LockError when there is none, when it was edited, when its policy or suites are empty, and when the history
    does not end with it.
    """
    path = baselines / LOCK_FILE
    if not path.is_file():
        raise LockError(f"no lock at {path}. Define the suites, then run `regress lock` before you train.")
    body = _read_object(path)
    digest = body.pop("digest", None)
    if digest != digest_promise(body):
        raise LockError(f"{path} was edited: its content is not what its digest says. Restore it from version control.")
    if body.get("format") != LOCK_FORMAT:
        raise LockError(f"{path} has format {body.get('format')!r}; this version reads format {LOCK_FORMAT}.")
    lock = _lock(path, digest, body)
    history = read_history(baselines)
    links = [(entry.get("lock"), entry.get("previous")) for entry in history]
    chained = [previous for _, previous in links] == [None, *(locked for locked, _ in links[:-1])]
    if not chained or links[-1] != (lock.digest, lock.previous):
        raise LockError(
            f"{path} is not the last lock of {HISTORY_FILE}: one of the two was replaced. Restore both from version "
            "control."
        )
    return lock


def _lock(path: Path, digest: str, body: Mapping[str, Any]) -> Lock:
    promised = body.get("promise")
    if not isinstance(promised, dict) or not promised.get("policy"):
        raise LockError(f"{path} holds no policy, so it would let everything pass. Lock again.")
    suites = promised.get("suites")
    whole = isinstance(suites, dict) and all(isinstance(s, dict) and "items" in s for s in suites.values())
    if not whole or not any(s.get("role") == Role.PROTECT and s["items"] for s in promised["suites"].values()):
        raise LockError(f"{path} protects no suite, so it would let everything pass. Lock again.")
    if not isinstance(promised.get("variants"), list) or not isinstance(promised.get("base"), dict):
        raise LockError(f"{path} names no variants or no base. Restore it from version control.")
    return Lock(
        digest=digest,
        promise=promised,
        plan=body.get("plan", {}),
        created=str(body.get("created")),
        tool=str(body.get("tool")),
        previous=body.get("previous"),
        training_data=body.get("training_data"),
        audit=body.get("audit"),
    )


def locked_audit(baselines: Path, lock: Lock) -> Audited | None:
    """The audit that the lock names, if it does; raises LockError where other bytes stand there, or none."""
    if lock.audit is None:
        return None
    audited = read_audit(baselines / AUDIT_FILE)
    if audited.digest != lock.audit.get("digest") or audited.data != lock.audit.get("data"):
        raise LockError(f"{baselines / AUDIT_FILE} is not the audit that was locked. Restore it from version control.")
    return audited


def read_history(baselines: Path) -> tuple[dict[str, object], ...]:
    """Every lock of this project in order; raises StoreError for an altered line."""
    path = baselines / HISTORY_FILE
    return read_records(path, HISTORY_LABEL) if path.exists() else ()


def verify(lock: Lock, loaded: Loaded, base: ModelFiles | None) -> None:
    """Raise LockError naming each difference between the project as it is and as it was locked.

    Without `base` (commands that never touch the model) the base's digests are taken as locked.
    """
    if found := changes(lock, loaded, base):
        shown = "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
        raise LockError(f"the project is not the locked one: {shown}. {RELOCK}")


def changes(lock: Lock, loaded: Loaded, base: ModelFiles | None) -> list[str]:
    """Each difference between the project as it is and as it was locked; without `base` its digests are as locked."""
    return differences(lock.promise, promise(loaded, base) if base is not None else promise_without_base(lock, loaded))


def promise_without_base(lock: Lock, loaded: Loaded) -> dict[str, Any]:
    """The project's promise with the base as locked."""
    return promise(loaded, None) | {"base": lock.promise["base"]}


def create(
    loaded: Loaded,
    base: ModelFiles,
    *,
    now: datetime,
    training_data: str | None = None,
    audit: Audited | None = None,
    plans: Plans | None = None,
) -> Lock:
    """Write the first lock; without `plans` those at the assumed flip rates stand in it.

    Raises LockError when there is one, or when the project protects nothing.
    """
    if (loaded.project.baselines / LOCK_FILE).exists():
        raise LockError(f"{loaded.project.baselines / LOCK_FILE} exists. {RELOCK}")
    if past := read_history(loaded.project.baselines):
        raise LockError(
            f"{HISTORY_FILE} knows {len(past)} lock{'s' if len(past) > 1 else ''}, but {LOCK_FILE} is gone. Restore it "
            f"from version control; only where no lock was ever used, delete {HISTORY_FILE} and lock again."
        )
    history: dict[str, Any] = {"previous": None, "why": "first lock", "changes": []}
    return _write(loaded, base, now=now, learned=_learned(training_data, audit), plans=plans, history=history)


def amend(
    loaded: Loaded,
    base: ModelFiles,
    *,
    now: datetime,
    why: str,
    training_data: str | None = None,
    audit: Audited | None = None,
    plans: Plans | None = None,
) -> Lock:
    """Replace the lock by the project as it is now, keeping the old one and the reason in the history.

    An audit is kept only where it still is of these items and this data; otherwise it has to be given anew. A new one
    brings its data with it.
    """
    old = read_lock(loaded.project.baselines)
    changes = differences(old.promise, promise(loaded, base))
    if not why.strip():
        raise LockError('an amendment needs its reason: --why "…".')
    if audit is None and (before := locked_audit(loaded.project.baselines, old)) is not None:
        same_data = training_data in (None, before.data)
        audit = before if same_data and before.against == items_digest(loaded.suites) else None
    learned = _learned(training_data or (None if audit else old.training_data), audit)
    if not changes and learned.data == old.training_data and learned.record == old.audit:
        raise LockError("nothing differs from the lock, so there is nothing to amend.")
    folder = loaded.project.baselines / AMENDED_FOLDER
    folder.mkdir(exist_ok=True)
    raw = (loaded.project.baselines / LOCK_FILE).read_bytes()
    write_atomic(folder / f"lock-{old.digest.removeprefix('sha256:')[:12]}.json", raw)
    return _write(
        loaded,
        base,
        now=now,
        learned=learned,
        plans=plans,
        history={"previous": old.digest, "why": why.strip(), "changes": changes},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Learned:
    """What the lock says of the training data: its digest, and the audit of it."""

    data: str | None
    audit: Audited | None

    @property
    def record(self) -> dict[str, Any] | None:
        audit = self.audit
        return None if audit is None else {"digest": audit.digest, "data": audit.data, "rows": audit.rows}


def _learned(training_data: str | None, audit: Audited | None) -> _Learned:
    """Raises LockError where the audit is of other data than the lock is to name."""
    if audit is None:
        return _Learned(data=training_data, audit=None)
    if training_data not in (None, audit.data):
        raise LockError(
            f"the audit is of other data ({audit.data[:19]}…) than the lock names ({str(training_data)[:19]}…). Audit "
            "what you train on."
        )
    return _Learned(data=audit.data, audit=audit)


def _write(
    loaded: Loaded,
    base: ModelFiles,
    *,
    now: datetime,
    learned: _Learned,
    plans: Plans | None,
    history: Mapping[str, Any],
) -> Lock:
    """Write lock and history entry; `history` holds the digest of the previous lock, why, and the changes."""
    _require_protection(loaded)
    if learned.audit is not None:
        check_audit(learned.audit, loaded.suites)
    if plans is None:
        plans = plan_suites(loaded.suites, loaded.project.policy)
    body: dict[str, Any] = {
        "format": LOCK_FORMAT,
        "created": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tool": f"regress-harness {__version__}",
        "previous": history["previous"],
        "training_data": learned.data,
        **({"audit": learned.record} if learned.record else {}),
        "promise": promise(loaded, base),
        "plan": plan_record(loaded.suites, plans),
    }
    digest = digest_promise(body)
    baselines = loaded.project.baselines
    baselines.mkdir(parents=True, exist_ok=True)
    if learned.audit is not None:
        write_atomic(baselines / AUDIT_FILE, learned.audit.raw)
    entry = {"lock": digest, "created": body["created"], **history}
    # The history comes first: a lock that it does not end with is refused, so a crash between the two is seen.
    with ChainWriter.open(baselines / HISTORY_FILE, HISTORY_LABEL) as log:
        log.append(entry)
    text = json.dumps(
        json.loads(promise_json({**body, "digest": digest})), indent=1, ensure_ascii=False, sort_keys=True
    )
    write_atomic(baselines / LOCK_FILE, text.encode() + b"\n")
    return _lock(baselines / LOCK_FILE, digest, body)


def _require_protection(loaded: Loaded) -> None:
    policy = loaded.project.policy
    if not any(suite.role is Role.PROTECT for suite in loaded.suites):
        raise LockError("no suite has the role protect, so the lock would let everything pass. Give one a margin.")
    names = {suite.name for suite in loaded.suites}
    for name in policy.zero_tolerance:
        if name not in names:
            raise LockError(
                f"policy.zero_tolerance names {name!r}, which is no suite. Suites: {', '.join(sorted(names))}."
            )


def write_training_record(lock: Lock, adapter: Path, *, data: str, started: datetime) -> None:
    """Write regress_training.json beside an adapter: under which lock it was trained, and from what."""
    record = {
        "format": 1,
        "lock": lock.digest,
        "base": lock.promise["base"]["digest"],
        "data": data,
        "started": started.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tool": f"regress-harness {__version__}",
    }
    write_atomic(adapter / TRAINING_RECORD, json.dumps(record, indent=1).encode() + b"\n")


def _read_object(path: Path) -> dict[str, Any]:
    try:
        parsed = parse(path.read_bytes())
    except (JsonFault, OSError) as reason:
        raise LockError(f"{path} cannot be read: {reason}. Restore it from version control.") from reason
    if not isinstance(parsed.value, dict) or parsed.duplicate_keys:
        raise LockError(f"{path} is not a JSON object with each key once. Restore it from version control.")
    return parsed.value
