"""A command line that runs in a folder without any project."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.cli import main

Said = tuple[int, str, Any]


@pytest.fixture
def diff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Exit code, what was said in one line, and the JSON where asked for."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("COLUMNS", "4000")

    def run(*arguments: Any) -> Said:
        code = main(["diff", *map(str, arguments)])
        out, said = capsys.readouterr()
        return code, " ".join(said.split()), json.loads(out) if out else None

    return run
