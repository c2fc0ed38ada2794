"""The command line on a project whose suites are lm-eval tasks: freeze, lock, check, and a gate without lm-eval."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from task_samples import CODE, suite_file, write_group, write_tasks
from tiny_models import LLAMA, make_adapter, random_model

from regress.cli import main

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "peft", "lm_eval", "datasets", "pandas")
AND_THEN_SAY = f"""
import sys
sys.modules.update(dict.fromkeys({HEAVY!r}))
from regress.cli import main
sys.exit(main(sys.argv[1:]))
"""

WITHOUT_LM_EVAL = """
import importlib.metadata, sys
known = importlib.metadata.version
def version(name):
    if name == "lm_eval":
        raise importlib.metadata.PackageNotFoundError(name)
    return known(name)
importlib.metadata.version = version
sys.modules["lm_eval"] = None
from regress.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three suites of lm-eval tasks over a random model, locked, with an adapter that changes next to nothing."""
    folder = tmp_path_factory.mktemp("project")
    random_model(LLAMA, folder / "base")
    make_adapter(folder / "base", folder / "tiny", scale=1e-5)
    tasks = write_tasks(folder / "suites" / "tasks", count=30)
    write_group(tasks, "sample_pair", ["sample_choice", "sample_several"])
    suite_file(folder, "sample_pair", "choices", margin=0.3)
    suite_file(folder, "sample_write", "texts", margin=0.3, filter="letters")
    suite_file(folder, "sample_text", "passages", margin=0.3)
    settings = {"base": {"model": "base"}, "suites": ["suites/*.yaml"]}
    (folder / "regress.yaml").write_text(yaml.safe_dump(settings))
    assert main(["lock", "-C", str(folder)]) == 0
    return folder


@pytest.fixture
def project(locked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(locked, tmp_path / "project"))


def test_lock_freezes_and_check_judges(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Afterwards tasks and data may be gone, and the gate imports neither lm-eval nor torch."""
    shutil.rmtree(project / "suites" / "tasks")
    assert main(["lock", "-C", str(project)]) == 0
    assert "already locked" in capsys.readouterr().err
    assert main(["check", str(project / "tiny"), "-C", str(project), "--quiet"]) == 0
    verdict = json.loads((project / "reports" / "verdict.json").read_text())
    assert {suite["suite"]: suite["n"] for suite in verdict["suites"]} == {"choices": 60, "texts": 30, "passages": 30}
    shutil.rmtree(project / "base")
    command = [sys.executable, "-c", AND_THEN_SAY, "gate", str(project / "tiny"), "-C", str(project)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_lock_holds_the_task(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = json.loads((project / "baselines" / "lock.json").read_text())
    options = lock["promise"]["suites"]["choices"]["scorer_options"]
    assert (options["task"], options["version"], options["lm_eval"][:2]) == ("sample_pair", "1.0", "0.")
    assert lock["promise"]["suites"]["texts"]["generation"]["max_new_tokens"] == 12
    suite_file(project, "sample_write", "texts", margin=0.3, filter="letters", num_fewshot=2)
    assert main(["lock", "-C", str(project)]) == 5
    assert "num_fewshot is 2, and texts.frozen.json was frozen with unset" in _said(capsys)
    assert main(["suites", "freeze", "texts", "-C", str(project)]) == 0
    assert "froze texts: 30 items, scored by exact_match, filter letters" in _said(capsys)
    assert main(["lock", "-C", str(project)]) == 5
    said = _said(capsys)
    assert "suite texts: scorer_options.num_fewshot is 2, locked 1" in said
    assert "30 items changed" in said


def test_a_changed_item_is_seen_even_with_a_changed_digest(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = project / "suites" / "choices.jsonl"
    items.write_bytes(items.read_bytes().replace(b'"gold": 3', b'"gold": 2', 1))
    assert main(["run", "base", "-C", str(project)]) == 5
    assert "is not what choices.frozen.json was written for" in _said(capsys)
    sidecar = project / "suites" / "choices.frozen.json"
    record = json.loads(sidecar.read_text())
    from regress.hashing.files import digest_file

    sidecar.write_text(json.dumps(record | {"items": digest_file(items).digest}))
    assert main(["run", "base", "-C", str(project)]) == 5
    assert "suite choices: 1 item changed (first: sample_choice:0)" in _said(capsys)


def test_show_check_and_list(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suites", "list", "-C", str(project), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["items"] for row in listed["suites"]] == [f"lm_eval: sample_{n}" for n in ("pair", "text", "write")]
    assert main(["suites", "show", "texts", "--items", "2", "-C", str(project), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in shown] == ["sample_write:0", "sample_write:1"]
    assert shown[0]["texts"][0].endswith("(0)\nAnswer:")
    assert main(["suites", "show", "text", "-C", str(project)]) == 2
    assert "there is no suite 'text'. Did you mean 'texts'?" in _said(capsys)
    assert main(["suites", "check", "-C", str(project)]) == 0
    (project / "suites" / "texts.jsonl").unlink()
    assert main(["suites", "check", "-C", str(project)]) == 5
    assert "FAIL texts" in _said(capsys)


def test_trust_is_asked_for_and_remembered(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graded = {"metric_list": [{"metric": "alike", "aggregation": "mean", "higher_is_better": True}]}
    change = {"write": {"process_results": "!function code.ends_alike", **graded}}
    (project / "suites" / "tasks" / "code.py").write_text(CODE)
    write_tasks(project / "suites" / "tasks", count=30, changes=change)
    for path in (project / "suites").glob("texts.*json*"):
        path.unlink()
    assert main(["lock", "-C", str(project)]) == 5
    assert "lm-eval would run code for this task: sample_write: process_results is code.ends_alike" in _said(capsys)
    assert main(["lock", "--amend", "--why", "graded", "--trust-task-code", "-C", str(project)]) == 0
    assert main(["run", "base", "-C", str(project), "--quiet"]) == 0
    (remembered,) = json.loads((project / "runs" / "trusted_code.json").read_text()).values()
    assert remembered == ["sample_write: process_results is code.ends_alike (suite:tasks/code.py)"]
    shutil.rmtree(project / "runs")
    capsys.readouterr()
    assert main(["run", "base", "-C", str(project), "--quiet"]) == 5
    assert "would run code" in _said(capsys)
    assert main(["suites", "check", "--trust-task-code", "-C", str(project)]) == 0
    assert main(["run", "base", "-C", str(project), "--quiet"]) == 0


def test_without_lm_eval_the_mend_is_named(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "suites" / "tasks")
    suite_file(tmp_path, "sample_choice")
    (tmp_path / "regress.yaml").write_text("base: {model: base}\nsuites: [suites/*.yaml]\n")
    command = [sys.executable, "-c", WITHOUT_LM_EVAL, "lock", "-C", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 5
    assert "pip install 'regress-harness[lm-eval]'" in " ".join(done.stderr.split())
    assert tasks.is_dir()


def _said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())
