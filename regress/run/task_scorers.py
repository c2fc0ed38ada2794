"""lm-eval's tasks behind their scorers, where replies are about to be scored.

lm-eval is imported only where a project has such a suite.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from regress.schema import Suite
from regress.scorers import BoundScorer
from regress.suite import Project
from regress.suite.frozen import SCORER

if TYPE_CHECKING:
    from regress.run.bench import Bench

TRUSTED_FILE = "trusted_code.json"


def ready_to_score(bench: Bench) -> Bench:
    """The bench with lm-eval's tasks behind their scorers; raises SuiteError where a task's code is not trusted."""
    loaded = bench.loaded
    scorers = ready_scorers(loaded.project, loaded.suites, loaded.scorers)
    return bench if scorers is loaded.scorers else replace(bench, loaded=replace(loaded, scorers=scorers))


def ready_scorers(
    project: Project, suites: Sequence[Suite], scorers: Mapping[str, BoundScorer]
) -> Mapping[str, BoundScorer]:
    """The scorers as they are used on replies; raises SuiteError."""
    if not any(suite.scorer.name == SCORER for suite in suites):
        return scorers
    from regress.lmeval.scoring import with_tasks  # noqa: PLC0415 - lm-eval is an extra

    return with_tasks(suites, scorers, trusted=trusted_code(project))


def trusted_code(project: Project) -> dict[str, list[str]]:
    """Digests of trusted code with what it is; nothing where the file is gone or no longer one."""
    try:
        found = json.loads((project.runs / TRUSTED_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
