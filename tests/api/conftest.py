"""One project with stored runs for all tests here; tests that change it copy it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "run"))  # the engine without a model
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scorers"))  # short ways to a suite

from stored_projects import stored_project


@pytest.fixture(scope="session")
def stored_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored_project(tmp_path_factory.mktemp("stored") / "project")


@pytest.fixture
def stored(stored_once: Path, tmp_path: Path) -> Path:
    """A copy of the project with the sealed runs of `careful` (PROMOTE) and `careless` (REJECT)."""
    return Path(shutil.copytree(stored_once, tmp_path / "project"))
