"""`regress audit --ask-base`: features of the embedded model, asked for once, refused where the store is damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from e2e_projects import take_suite, write_settings

from regress.cli import main
from regress.demo.project import MODEL


@pytest.fixture
def project(tmp_path: Path) -> Path:
    take_suite(tmp_path, "general_choice", 10, margin=0.15)
    (tmp_path / "base").mkdir()
    for pattern in ("*.safetensors", "*.json", "*.jinja"):
        for found in MODEL.glob(pattern):
            shutil.copyfile(found, tmp_path / "base" / found.name)
    write_settings(tmp_path)
    rows = [
        {"prompt": f"Which {noun} is {n}?", "completion": noun} for n in range(12) for noun in ("day", "sea", "hue")
    ]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def audited(project: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    capsys.readouterr()
    order = ["audit", str(project / "train.jsonl"), "--only", "distribution", "--only", "poison", "--json"]
    main([*order, "-C", str(project), *options])
    body: dict[str, Any] = json.loads(capsys.readouterr().out)
    return body


def test_features_are_asked_for_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "distribution.embedding_twins" not in audited(project, capsys)["figures"], "nobody asked"
    first = audited(project, capsys, "--ask-base")
    assert first["figures"]["distribution.embedding_directions"] >= 1
    assert first["figures"]["poison_spectral_groups"] == 0, "three replies are too few to compare"
    (stored,) = (project / "runs" / "features").iterdir()
    written = stored.stat().st_mtime_ns
    assert audited(project, capsys, "--ask-base")["figures"] == first["figures"]
    assert stored.stat().st_mtime_ns == written, "both checks and the second audit read it"
    stored.write_bytes(stored.read_bytes()[:200])
    told = audited(project, capsys, "--ask-base")
    assert {one["check"] for one in told["skipped"]} == {"distribution", "poison"}
    assert "Delete it" in told["skipped"][0]["reason"]


def test_other_rows_are_asked_for_anew(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audited(project, capsys, "--ask-base")
    with (project / "train.jsonl").open("a") as file:
        file.write(json.dumps({"prompt": "Which tree is old?", "completion": "oak"}) + "\n")
    audited(project, capsys, "--ask-base")
    assert len(list((project / "runs" / "features").iterdir())) == 2
