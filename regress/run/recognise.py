"""What two paths to be compared are: runs of a project, or results of another harness."""

from __future__ import annotations

from pathlib import Path

from regress.errors import UsageError
from regress.foreign.recognise import recognise
from regress.foreign.records import Kind
from regress.store.runs import MANIFEST


def kind_of(a: Path, b: Path) -> Kind | None:
    """Whose results both are; None where they are runs of this project. Raises UsageError where they are not alike."""
    kinds = [_kind(a), _kind(b)]
    if kinds[0] is not kinds[1]:
        named = [kind or "a run of regress" for kind in kinds]
        raise UsageError(f"{a} is {named[0]} and {b} is {named[1]}; only the same kind can be compared.")
    return kinds[0]


def _kind(path: Path) -> Kind | None:
    if not path.exists():
        raise UsageError(f"{path} does not exist.")
    if (path / MANIFEST).exists():
        return None
    if (found := recognise(path)) is None:
        raise UsageError(
            f"{path} is neither a run of regress ({MANIFEST}) nor lm-eval results (results_DATE.json, "
            "samples_TASK_DATE.jsonl) nor an Inspect log (.json, .eval)."
        )
    return found
