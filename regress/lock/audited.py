"""The audit that a lock names: `baselines/audit.json`, the very bytes that `regress audit` wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.errors import LockError, StoreError
from regress.hashing.canonical import digest_json
from regress.hashing.files import digest_bytes
from regress.schema import AUDIT_FORMAT, Place, Severity, Suite, SuspectedTrigger
from regress.store.atomic import read_regular
from regress.strict_json import JsonFault, parse

AUDIT_FILE = "audit.json"
MAX_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What later stages need of an audit. `raw` are its bytes, `digest` is theirs, `data` that of the training data."""

    digest: str
    data: str
    against: str  # digest of the suites' items
    rows: int
    blocking: tuple[str, ...]  # titles of the findings that block
    triggers: tuple[SuspectedTrigger, ...]
    raw: bytes


def items_digest(suites: Sequence[Suite]) -> str:
    """`sha256:<hex>` over the items of all suites: what an audit was held against."""
    return digest_json({suite.name: {item.id: item.digest for item in suite.items} for suite in suites})


def read_audit(path: Path) -> Audited:
    """An audit as it stands on disk; raises LockError for anything but what `regress audit` writes."""
    try:
        raw = read_regular(path, MAX_BYTES)
        body = parse(raw).value
        return _audited(raw, body)
    except (FileNotFoundError, StoreError) as reason:
        raise LockError(f"{path} cannot be read ({reason}). Run `regress audit DATA` first.") from reason
    except (JsonFault, KeyError, TypeError, ValueError) as reason:
        raise LockError(f"{path} is not what `regress audit` writes ({reason}). Audit the data again.") from reason


def _audited(raw: bytes, body: Mapping[str, Any]) -> Audited:
    if body["schema_version"] != AUDIT_FORMAT:
        raise ValueError(f"schema version {body['schema_version']!r}")
    blocking = [f for f in body["findings"] if Severity(f["severity"]) is Severity.BLOCK]
    return Audited(
        digest=digest_bytes(raw),
        data=_text(body["data"]["digest"]),
        against=_text(body["against"]),
        rows=int(body["data"]["rows"]),
        blocking=tuple(_text(finding["title"]) for finding in blocking),
        triggers=tuple(_trigger(one) for one in body["triggers"]),
        raw=raw,
    )


def _trigger(one: Mapping[str, Any]) -> SuspectedTrigger:
    return SuspectedTrigger(
        text=_text(one["text"]),
        place=Place(one["place"]),
        rows=int(one["rows"]),
        alike=int(one["alike"]),
        reply=_text(one["reply"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def check_audit(audited: Audited, suites: Sequence[Suite]) -> None:
    """Raise LockError where the audit was of other items than these, or found what must be mended first."""
    if audited.against != items_digest(suites):
        raise LockError("the audit was made against other items than the suites have now. Audit the data again.")
    if audited.blocking:
        more = f", and {len(audited.blocking) - 1} more" if len(audited.blocking) > 1 else ""
        raise LockError(
            f"the audit found what must be mended before anybody trains: {audited.blocking[0]}{more}. Mend the data "
            "and audit it again, or say under audit: severity: in regress.yaml that it may stay."
        )
