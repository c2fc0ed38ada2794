"""`regress audit --ask-base` over the embedded model: asked once, stored apart, and the recommendation's numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e_projects import take_suite, write_settings

from regress.cli import main
from regress.demo.project import MODEL, shipped_suites

ITEMS = 30

pytest.importorskip("sklearn", reason="neighbours need scikit-learn: pip install 'regress-harness[audit]'")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One suite to protect and one to reach, whose other items are the training data."""
    take_suite(tmp_path, "general_choice", 50, margin=0.15)
    take_suite(tmp_path, "general_words", ITEMS, role="target", min_gain=0.1)
    path = tmp_path / "suites" / "general_words.yaml"
    settings = yaml.safe_load(path.read_text())
    del settings["margin"]
    path.write_text(yaml.safe_dump(settings))
    (tmp_path / "base").mkdir()
    for pattern in ("*.safetensors", "*.json", "*.jinja"):
        for found in MODEL.glob(pattern):
            shutil.copyfile(found, tmp_path / "base" / found.name)
    write_settings(tmp_path)
    items = [json.loads(line) for line in (shipped_suites() / "general_words.jsonl").open()][ITEMS:]
    rows = [{"prompt": item["prompt"], "completion": item["target"]} for item in items]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def audited(project: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    capsys.readouterr()
    data = str(project / "train.jsonl")
    code = main(["audit", data, "--only", "task-boundary", "--json", "-C", str(project), *options])
    told = capsys.readouterr()
    assert code == 0, told.err
    body: dict[str, Any] = json.loads(told.out)
    return body


def test_without_a_lock_nothing_is_asked_and_the_audit_says_so(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = audited(project, capsys, "--ask-base")
    assert body["recommendations"] == []
    assert "regress lock" in body["skipped"][0]["reason"]
    assert not (project / "runs").exists()


def test_the_base_is_asked_once_and_apart_from_every_verdict(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", "-C", str(project)]) == 0
    assert audited(project, capsys)["recommendations"] == [], "nobody asked the base yet"
    body = audited(project, capsys, "--ask-base")
    runs = {path.relative_to(project).parts[:3] for path in project.glob("**/manifest.json")}
    assert runs == {("runs", "boundary", "general_words")}
    (told,) = body["recommendations"]
    assert told["suite"] == "general_words"
    assert told["figures"]["asked"] == ITEMS
    assert 0 <= told["figures"]["plain_right"] <= ITEMS
    assert audited(project, capsys)["recommendations"] == [told], "what is stored needs no asking"
