"""Projects that are made once and copied by every test that changes them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "backends"))  # the adapters and models made there
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "promote"))  # writers that are killed

from e2e_projects import ENVIRONMENT, judged_project, lock_project, once
from warm_process import WarmProcess


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all test processes of this session see."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def locked_once(shared: Path) -> Path:
    return once(shared, "locked", lock_project)


@pytest.fixture(scope="session")
def judged_once(shared: Path, locked_once: Path) -> Path:
    return once(shared, "judged", lambda folder: judged_project(folder, locked_once))


@pytest.fixture
def locked(locked_once: Path, tmp_path: Path) -> Path:
    """A copy of the locked project in which nothing has been asked."""
    return Path(shutil.copytree(locked_once, tmp_path / "project"))


@pytest.fixture
def judged(judged_once: Path, tmp_path: Path) -> Path:
    """A copy of the project with the sealed runs of the adapters `tiny` (PROMOTE) and `broken` (REJECT)."""
    return Path(shutil.copytree(judged_once, tmp_path / "project"))


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmProcess]:
    with WarmProcess(ENVIRONMENT) as process:
        yield process
