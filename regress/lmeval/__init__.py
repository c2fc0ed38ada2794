"""lm-eval's tasks as suites, its metrics as a scorer, our engine as its model: the only importer of lm_eval.

`catalog` finds a task, `trust` says what code it would run, `freeze` writes it down as items, `scoring` lets it judge
replies to those, without its data. Nothing here is needed to verify a lock or to decide.
"""

import importlib.metadata
import logging

from regress.errors import SuiteError

OLDEST = (0, 4, 13)

try:
    VERSION = importlib.metadata.version("lm_eval")
except importlib.metadata.PackageNotFoundError as _reason:
    raise SuiteError(
        "lm-eval is not installed, and its tasks are its own. Mend: pip install 'regress-harness[lm-eval]'"
    ) from _reason
if tuple(int(part) for part in VERSION.split(".")[:3] if part.isdigit()) < OLDEST:
    raise SuiteError(
        f"lm-eval {VERSION} is too old for its tasks to be frozen; {'.'.join(map(str, OLDEST))} is the oldest. "
        "Mend: pip install -U 'regress-harness[lm-eval]'"
    )
logging.getLogger("lm_eval").setLevel(logging.ERROR)  # it warns of every default that a task leaves open
