"""Every candidate that was judged on the same questions: the more are tried, the likelier one passes by luck.

The t-th candidate spends alpha_t = 6 alpha / (pi² t²); all of them together, however many, spend alpha. Judging a
candidate again costs nothing. `baselines/attempts.jsonl` is a hash-chained log. Attempts are counted over all locks
that share the items of a protected suite with the present one: amending a margin does not forget them, new questions
do.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regress.errors import StoreError
from regress.hashing.canonical import digest_json
from regress.lock.lockfile import Lock
from regress.schema import Attempt, Role
from regress.stats.multiple import spent_alpha
from regress.store.chain import ChainWriter, read_records

ATTEMPTS_FILE = "attempts.jsonl"
ATTEMPTS_LABEL = "regress attempts 1"


def record_attempt(baselines: Path, lock: Lock, candidate: str, *, now: datetime) -> Attempt:
    """Enter the candidate (an adapter's digest) before anything is decided, unless it stands there already.

    Raises StoreError for a ledger that was altered or cannot be written.
    """
    path = baselines / ATTEMPTS_FILE
    asked = _questions(lock)
    known = _candidates(path, asked)
    if candidate not in known:
        with ChainWriter.open(path, ATTEMPTS_LABEL) as ledger:
            known = _candidates(path, asked)  # again under the lock, where nobody else can come in between
            if candidate not in known:
                ledger.append(
                    {
                        "candidate": candidate,
                        "lock": lock.digest,
                        "questions": asked,
                        "time": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    }
                )
                known.append(candidate)
    number = known.index(candidate) + 1
    return Attempt(number=number, alpha=spent_alpha(float(lock.promise["policy"]["alpha"]), number))


def standing_attempt(baselines: Path, lock: Lock, candidate: str) -> Attempt | None:
    """As what the candidate stands in the ledger; None where it was never judged on these questions."""
    known = _candidates(baselines / ATTEMPTS_FILE, _questions(lock))
    if candidate not in known:
        return None
    number = known.index(candidate) + 1
    return Attempt(number=number, alpha=spent_alpha(float(lock.promise["policy"]["alpha"]), number))


def read_attempts(baselines: Path) -> tuple[dict[str, object], ...]:
    """Every entry of the ledger in order; raises StoreError for an altered line."""
    path = baselines / ATTEMPTS_FILE
    return read_records(path, ATTEMPTS_LABEL) if path.exists() else ()


def next_attempt(baselines: Path, lock: Lock) -> Attempt:
    """What a candidate that was never judged on these questions would be, and may spend; nothing is entered."""
    number = len(_candidates(baselines / ATTEMPTS_FILE, _questions(lock))) + 1
    return Attempt(number=number, alpha=spent_alpha(float(lock.promise["policy"]["alpha"]), number))


def _questions(lock: Lock) -> dict[str, str]:
    """The protected suites' item sets, by name."""
    suites: Mapping[str, Any] = lock.promise["suites"]
    return {name: digest_json(suite["items"]) for name, suite in suites.items() if suite["role"] == Role.PROTECT}


def _candidates(path: Path, asked: Mapping[str, str]) -> list[str]:
    """Candidates in the order of their first judgement on any of these item sets."""
    found: list[str] = []
    for entry in read_records(path, ATTEMPTS_LABEL) if path.exists() else ():
        questions, candidate = entry.get("questions"), entry.get("candidate")
        if not isinstance(questions, dict) or not isinstance(candidate, str):
            raise StoreError(f"{path} holds an entry without candidate or questions. Restore it from version control.")
        if candidate not in found and set(questions.values()) & set(asked.values()):
            found.append(candidate)
    return found
