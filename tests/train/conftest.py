"""A locked project that every test gets a copy of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from train_projects import make_project


@pytest.fixture(scope="session")
def locked_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("locked") / "project")


@pytest.fixture
def locked(locked_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(locked_once, tmp_path / "project"))
