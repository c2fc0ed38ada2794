"""The project with stored runs that the tests of the Python interface use, too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "run"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

from stored_projects import stored_project

from regress.run.judge import Judgement
from regress.run.stored import judge_stored
from regress.suite import read_project


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nothing here changes it."""
    return stored_project(tmp_path_factory.mktemp("stored") / "project")


@pytest.fixture(scope="session")
def careless(project: Path) -> Judgement:
    return judge_stored(read_project(project), project / "careless")


@pytest.fixture(scope="session")
def careful(project: Path) -> Judgement:
    return judge_stored(read_project(project), project / "careful")
