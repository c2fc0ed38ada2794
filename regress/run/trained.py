"""What an adapter's training record says: was the lock there first, and was it trained on the data that was audited?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regress.errors import LockError
from regress.lock.lockfile import Lock
from regress.schema import Candidate, Check, Policy

NO_RECORD = "no training record: whether the lock came first is not known"


def trained_under_lock(record: Mapping[str, Any] | None, lock: Lock) -> bool:
    """Whether the adapter's training record names this lock; raises LockError when it names another or another base."""
    if record is None:
        return False
    if record.get("lock") != lock.digest:
        raise LockError(
            f"the adapter was trained under another lock ({str(record.get('lock'))[:19]}…, here {lock.digest[:19]}…): "
            "the evaluation was changed after training. Train again under this lock, or restore the old one."
        )
    if record.get("base") != lock.promise["base"]["digest"]:
        raise LockError("the adapter's training record names other base weights than the locked base's.")
    return True


def trained_as_audited(record: Mapping[str, Any] | None, lock: Lock) -> bool | None:
    """Whether the data of the training is that of the lock's audit; None where one of the two is not known."""
    data = None if record is None else record.get("data")
    if lock.audit is None or data is None:
        return None
    return bool(data == lock.audit.get("data"))


def training_checks(candidate: Candidate, policy: Policy, lock: Lock) -> list[Check]:
    """Whether lock and audit came before the training, and whether the policy requires it."""
    known = bool(candidate.trained_under_lock)
    checks = [
        Check(
            name="training-record",
            ok=known or not policy.require_training_record,
            detail="trained under this lock" if known else NO_RECORD,
        )
    ]
    if lock.audit is not None or policy.require_audit:
        ok = candidate.trained_as_audited is True or not policy.require_audit
        checks.append(Check(name="audited-data", ok=ok, detail=audit_sentence(candidate.trained_as_audited, lock)))
    return checks


def audit_sentence(as_audited: bool | None, lock: Lock) -> str:
    """What there is to say of the training data's audit."""
    if lock.audit is None:
        return "the lock names no audit of the training data: `regress audit`, then `regress lock --audit`"
    audited = f"{str(lock.audit.get('data'))[:19]}…, {lock.audit.get('rows'):,} rows"
    if as_audited is None:
        return f"whether it was trained on the audited data ({audited}) is not known: its record names no data"
    if as_audited:
        return f"trained on the audited data ({audited})"
    return f"trained on other data than was audited ({audited}): nobody looked at what it learned"
