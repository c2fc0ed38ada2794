"""Whose results a path names, by the names of files alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from regress.errors import UsageError
from regress.foreign import inspect_files, inspect_logs, lm_eval_files, lm_eval_results
from regress.foreign.records import ForeignResults, Kind, Wanted

IS: Mapping[Kind, Callable[[Path], bool]] = MappingProxyType(
    {Kind.LM_EVAL: lm_eval_files.is_lm_eval, Kind.INSPECT: inspect_files.is_inspect}
)
READ: Mapping[Kind, Callable[[Path, Wanted], ForeignResults]] = MappingProxyType(
    {Kind.LM_EVAL: lm_eval_results.read, Kind.INSPECT: inspect_logs.read}
)


def recognise(path: Path) -> Kind | None:
    """The kind of `path`; None where no other harness names its results so; raises ResultsError."""
    return next((kind for kind, matches in IS.items() if matches(path)), None)


def read(path: Path, kind: Kind, wanted: Wanted) -> ForeignResults:
    """The results that `path` names, itself perhaps a link; raises ResultsError and UsageError."""
    if not path.exists():
        raise UsageError(f"{path} does not exist.")
    return READ[kind](path.resolve(), wanted)
