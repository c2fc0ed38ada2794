"""The code of docs/python.md, docs/exports.md and docs/plugins.md does what the pages say, on a stored project."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from scoring import item as an_item
from scoring import suite
from stored_projects import Forgetful, base_run
from test_pytest_plugin import run

import regress
from regress.cli import export, main
from regress.schema import Outcome, Reply
from regress.scorers import bind

pytest_plugins = ["pytester"]
ROOT = Path(regress.__file__).parents[1]
STAND_INS = {
    "json_orders": "colours",
    "q17": "c-1",
    "hellaswag": "overlap",
    "acc_norm": "acc",
    "base@bf16": "base@fp32",
    "adapter@bf16": "adapter@fp32",
}


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found, page
    for name, ours in STAND_INS.items():
        found = [block.replace(name, ours) for block in found]
    return found


@pytest.fixture
def documented(stored: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with the places that the pages name, as working directory."""
    shutil.copytree(stored / "careful", stored / "runs" / "train")
    base_run(stored).rename(stored / "baselines" / "runs" / "base@fp32-0123456789ab")
    monkeypatch.chdir(stored)
    return stored


def test_python_as_documented(documented: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regress.api.checking.load_engine", lambda *_, **__: Forgetful())
    assert main(["export", "runs/train", "--to", "lm-eval", "--output", "out"]) == 0
    Path("out/base@fp32").rename("out/org__base")
    Path("out/adapter@fp32").rename("out/org__tuned")
    known: dict[str, Any] = {}
    calls = [block for block in blocks("python", "python") if "regress_gate" not in block]
    for block in calls:
        exec(block, known)
    assert len(calls) == 3
    assert known["decision"].promoted
    assert Path("report.html").stat().st_size > 10_000
    assert list(known["diff"].to_frame().suite) == ["colours", "echoes", "overlap"]


def test_pytest_as_documented(documented: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (settings,) = blocks("python", "toml")
    monkeypatch.chdir(pytester.path)
    target = pytester.path / "models" / "support"
    target.parent.mkdir()
    shutil.copytree(documented, target)
    shutil.copytree(documented / "runs" / "train", pytester.path / "runs" / "train")
    stored_only = settings.replace("regress_check = true", "regress_check = false")
    (pytester.path / "pyproject.toml").write_text(stored_only)
    pytester.makepyfile("\n".join(block for block in blocks("python", "python") if "regress_gate" in block))
    assert run(pytester)[0] == {"passed": 2}


def test_exports_as_documented(documented: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[export.Order] = []

    def send(order: export.Order) -> list[str]:
        sent.append(order)
        return [order.name]

    for tracker in (export.Format.MLFLOW, export.Format.WANDB):
        monkeypatch.setitem(export.FORMATS, tracker, (send, export.FORMATS[tracker][1]))
    (commands,) = blocks("exports", "bash")
    for line in commands.splitlines():
        assert main(shlex.split(line, comments=True)[1:]) == 0
    assert [order.name for order in sent] == ["support-desk", "support-desk"]
    assert main(["diff", "results/base@fp32", "results/adapter@fp32"]) == 0
    for block in blocks("exports", "python"):
        exec(block, {})


def test_a_plugin_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project,), (code,) = (blocks("plugins", language) for language in ("toml", "python"))
    settings = tomllib.loads(project)["project"]
    (tmp_path / "acme_scorers.py").write_text(code)
    info = tmp_path / f"acme_scorers-{settings['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {settings['name']}\nVersion: {settings['version']}\n")
    offered = settings["entry-points"]["regress.scorers"]
    (info / "entry_points.txt").write_text(
        "[regress.scorers]\n" + "".join(f"{name} = {target}\n" for name, target in offered.items())
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    item = an_item()
    bound = bind(suite("max_words", item, options={"at_most": 12}))
    sys.modules.pop("acme_scorers")
    assert bound.id == "max_words@1 of acme-scorers==1.0"
    replies = ("a b", " ", "a " * 13, None)
    scores = [bound.score(Reply(text=text), item) for text in replies]
    assert [score.outcome for score in scores] == [Outcome.PASS, Outcome.NO_ANSWER, Outcome.FAIL, Outcome.ERROR]
    assert scores[2].detail == "13 words"
