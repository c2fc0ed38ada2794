"""The preflight's checks of one adapter under one lock, kept so that `gate` needs no model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from regress.errors import StoreError
from regress.hashing.canonical import digest_json
from regress.lock.lockfile import Lock
from regress.schema import Check
from regress.store.atomic import write_atomic
from regress.suite import Project


def preflight_path(project: Project, lock: Lock, adapter: str) -> Path:
    """Where the checks of one adapter under one lock are kept."""
    return project.runs / f"preflight-{_short(adapter)}-{_short(lock.digest)}.json"


def store_preflight(project: Project, lock: Lock, adapter: str, checks: Sequence[Check]) -> None:
    """Keep the checks with their digest, so that `gate` needs no model."""
    body = {"lock": lock.digest, "adapter": adapter, "checks": [asdict(check) for check in checks]}
    project.runs.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**body, "digest": digest_json(body)}, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(preflight_path(project, lock, adapter), text.encode() + b"\n")


def load_preflight(project: Project, lock: Lock, adapter: str) -> list[Check]:
    """The checks kept for this adapter; raises StoreError when there are none or they were edited."""
    path = preflight_path(project, lock, adapter)
    try:
        body = json.loads(path.read_bytes())
        digest = body.pop("digest")
        checks = [Check(name=str(c["name"]), ok=c["ok"] is True, detail=str(c["detail"])) for c in body["checks"]]
    except FileNotFoundError as reason:
        raise StoreError("this adapter has no preflight under this lock. Run `regress check` for it.") from reason
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as reason:
        raise StoreError(f"{path} cannot be read: {reason}. Run `regress check` again.") from reason
    if digest != digest_json(body) or body["lock"] != lock.digest or body["adapter"] != adapter:
        raise StoreError(f"{path} was edited or belongs to another candidate. Run `regress check` again.")
    if not checks:
        raise StoreError(f"{path} holds no check, so it shows nothing. Run `regress check` again.")
    return checks


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
