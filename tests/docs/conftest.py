"""The sandboxes' projects and the warm `regress` that their blocks call."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
for _folder in ("backends", "e2e", "foreign"):  # adapters and projects made there, results of others
    sys.path.insert(0, str(TESTS / _folder))

from doc_sandboxes import ENVIRONMENT
from warm_regress import WarmRegress


@pytest.fixture(scope="session")
def judged_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """The judged project of the end-to-end tests, its adapter with a training record; made on demand."""
    from e2e_projects import judged_project, lock_project, once, recorded_project

    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made() -> Path:
        locked = once(shared, "locked", lock_project)
        judged = once(shared, "judged", lambda folder: judged_project(folder, locked))
        return once(shared, "recorded", lambda folder: recorded_project(folder, judged))

    return made


@pytest.fixture(scope="session")
def warm_regress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmRegress]:
    with WarmRegress(tmp_path_factory.mktemp("w"), os.environ | ENVIRONMENT) as server:
        yield server
