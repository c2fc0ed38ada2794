"""`regress train` as people run it: lock, train, judge, exit code; and everything that keeps it from beginning."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from train_projects import record_of, write_settings

from regress.cli import main

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT),
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "NO_COLOR": "1",
}


def process(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *(("-m", "regress") if code is None else ("-c", code)), *arguments]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)


def verdict(project: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((project / "reports" / "verdict.json").read_bytes())
    return read


def refusal(project: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What a refused training says; an old promotion must be gone."""
    (project / "reports").mkdir(exist_ok=True)
    (project / "reports" / "verdict.json").write_text('{"decision": "PROMOTE"}')
    capsys.readouterr()
    assert main(["train", *options, "-C", str(project)]) == 5
    assert verdict(project)["decision"] == "REFUSED"
    return " ".join(capsys.readouterr().err.split())


def test_a_careless_training_is_stopped_and_rejected(locked: Path) -> None:
    write_settings(locked, learning_rate=0.5, max_steps=8, probe={"items": 24, "every": 2})
    done = process("train", "--json", "-C", str(locked))
    assert done.returncode == 3, done.stderr
    printed = json.loads(done.stdout)  # the verdict alone: nothing of the training's own output
    assert printed["decision"] == "REJECT" and printed["candidate"]["trained_under_lock"] is True
    assert "training ends: step 2: what the base could do is being unlearned" in " ".join(done.stderr.split())
    record = record_of(locked)
    assert record["steps"] == 2 < record["planned_steps"] == 8
    assert record["stopped"].startswith("step 2: ")


def test_a_careful_training_is_promoted_and_not_trained_twice(locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("support_queue.yaml", "support_queue.jsonl"):
        (locked / "suites" / name).unlink()
    write_settings(locked, learning_rate=1e-5, max_steps=2)
    assert main(["lock", "--amend", "--why", "no target", "-C", str(locked)]) == 0
    assert main(["train", "-C", str(locked)]) == 0
    assert verdict(locked)["decision"] == "PROMOTE"
    weights = (locked / "runs" / "train" / "adapter_model.safetensors").read_bytes()
    record = record_of(locked)
    capsys.readouterr()
    assert main(["train", "-C", str(locked)]) == 0  # judged again, from what is stored
    assert "is trained already" in " ".join(capsys.readouterr().err.split())
    assert record_of(locked) == record
    write_settings(locked, learning_rate=1e-5, max_steps=3)
    assert "was trained otherwise: max_steps is 3, was 2" in refusal(locked, capsys)
    assert (locked / "runs" / "train" / "adapter_model.safetensors").read_bytes() == weights
    assert main(["train", "--again", "--no-check", "--json", "-C", str(locked)]) == 0
    assert json.loads(capsys.readouterr().out) == record_of(locked)
    assert record_of(locked)["steps"] == 3


@pytest.mark.parametrize("fault", ["no lock", "edited suite", "broken row", "overlap", "recipe"])
def test_a_refusal_comes_before_any_model_library(locked: Path, fault: str) -> None:
    said = {
        "no lock": "no lock at",
        "edited suite": "the project is not the locked one",
        "broken row": "data.jsonl:2: completion is empty",
        "overlap": "ask what is locked, word for word",
        "recipe": "alpha: 0 multiplies",
    }[fault]
    if fault == "no lock":
        (locked / "baselines" / "lock.json").unlink()
    elif fault == "edited suite":
        path = locked / "suites" / "general_words.yaml"
        path.write_text(path.read_text().replace("0.25", "0.3"))
    elif fault == "broken row":
        (locked / "data.jsonl").write_text('{"prompt": "a", "completion": "b"}\n{"prompt": "a", "completion": ""}\n')
    elif fault == "overlap":
        item = json.loads((locked / "suites" / "general_words.jsonl").read_text().splitlines()[3])
        row = {"prompt": f"  {item['prompt'].upper()} ", "completion": "x"}
        (locked / "data.jsonl").write_text(json.dumps(row) + "\n")
    else:
        write_settings(locked, alpha=0)
    code = (
        "import sys; from regress.cli import main; code = main(sys.argv[1:]);"
        "print(code, *(m for m in ('torch', 'transformers', 'peft', 'trl', 'datasets') if m in sys.modules))"
    )
    done = process("train", "-C", str(locked), code=code)
    assert done.stdout.split() == ["5"], done.stdout + done.stderr
    assert said in " ".join(done.stderr.split())
    assert not (locked / "runs").exists()


def test_overlap_is_let_pass_where_somebody_says_so(locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    item = json.loads((locked / "suites" / "general_words.jsonl").read_text().splitlines()[3])
    with (locked / "data.jsonl").open("a") as data:
        data.write(json.dumps({"prompt": item["prompt"], "completion": "x"}) + "\n")
    assert f"1 of 61 examples ask what is locked, word for word (here item '{item['id']}'" in refusal(locked, capsys)
    write_settings(locked, allow_overlap=True, max_steps=1)
    assert main(["train", "--no-check", "-C", str(locked)]) == 0
    assert "train.allow_overlap lets it pass" in " ".join(capsys.readouterr().err.split())
    assert record_of(locked)["recipe"]["allow_overlap"] is True


def test_other_data_than_the_locked_is_refused(locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locking = ["lock", "--amend", "--why", "data", "--training-data", str(locked / "data.jsonl"), "-C", str(locked)]
    assert main(locking) == 0
    with (locked / "data.jsonl").open("a") as data:
        data.write('{"prompt": "a", "completion": "b"}\n')
    assert "is not the training data that the lock names" in refusal(locked, capsys)


@pytest.mark.parametrize("output", [".", "suites", "runs", "../"])
def test_an_output_that_is_the_project_s_own_is_refused(
    locked: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    write_settings(locked, output=output)
    assert "a folder of the project itself" in refusal(locked, capsys, "--again")
    assert (locked / "suites" / "general_words.yaml").exists()


def test_without_trl_it_says_what_to_install(
    locked: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "trl" else real(name, *rest))
    assert "pip install 'regress-harness[train]'" in refusal(locked, capsys)
