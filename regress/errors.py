"""Every error that regress raises on purpose; anything else that escapes is a bug (exit code 1).

    RegressError
    ├── UsageError            the command line cannot be carried out as given            exit 2
    └── Refused               the evidence is broken or may not be compared              exit 5
        ├── ProjectError      regress.yaml cannot be read or contradicts itself
        ├── SuiteError        a suite file or one of its items is not what it must be
        ├── LockError         there is no lock, it was edited, or the project differs from it
        ├── ModelError        a base model or tokenizer cannot be found, read or trusted
        ├── DataError         a data set as a whole cannot be read: format, size, a split that is not there
        ├── TrainingError     a recipe, its data or an interrupted training cannot be carried out
        ├── AdapterError      an adapter folder is unsafe, damaged, or changes nothing
        ├── StoreError        a stored run is torn, altered, incomplete or in use
        ├── ResultsError      another harness's results are damaged, incomplete, or hold no score for each item
        ├── ComparisonError   two runs differ in something nobody declared
        ├── ExportError       results cannot be written for another tool, or it does not take them
        ├── PromotionError    a promotion cannot be made, verified or taken back: key, record, waiver or registry
        └── BackendError      the engine could not answer (NaN, out of memory, no device)

Each message is one sentence that says what differs and by how much, followed by what to do next.
"""

from __future__ import annotations

from pathlib import Path


class RegressError(Exception):
    """Base of the tree: `str(error)` is the sentence that the user reads."""


class UsageError(RegressError):
    """The arguments make no sense together."""


class Refused(RegressError):
    """Nothing may be concluded from what was found; never a verdict on the candidate."""


class LocatedError(Refused):
    """A refusal that points into a file: `path:line: message`."""

    def __init__(self, message: str, *, path: Path | None = None, line: int | None = None) -> None:
        self.path = path
        self.line = line
        where = "" if path is None else f"{path}:{line}: " if line is not None else f"{path}: "
        super().__init__(where + message)


class ProjectError(LocatedError):
    """regress.yaml cannot be read or contradicts itself."""


class SuiteError(LocatedError):
    """A suite file or one of its items is not what it must be."""


class LockError(Refused):
    """There is no lock, it was edited, or the project differs from it."""


class ModelError(Refused):
    """A base model or its tokenizer cannot be found, read or trusted."""


class DataError(LocatedError):
    """A data set as a whole cannot be read."""


class TrainingError(LocatedError):
    """A recipe, its data or an interrupted training cannot be carried out."""


class AdapterError(Refused):
    """An adapter folder is unsafe, damaged, or changes nothing."""


class StoreError(Refused):
    """A stored run is torn, altered, incomplete or in use."""


class ResultsError(LocatedError):
    """Another harness's results are damaged, incomplete, or hold no score for each item."""


class ComparisonError(Refused):
    """Two runs differ in something that nobody declared."""


class PromotionError(Refused):
    """A promotion cannot be made, verified or taken back."""


class ExportError(Refused):
    """Results cannot be written for another tool, or it does not take them."""


class BackendError(Refused):
    """The engine could not answer."""


class Notice(RuntimeWarning):
    """No error: something that a user should know, from a layer that has no terminal. The CLI prints it as a line."""
