"""kill -9 in the middle of a training: the rest is trained later, and ends like an undisturbed one, byte for byte."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
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
}
RECIPE = {"max_steps": 12, "save_steps": 3, "probe": {"items": 6, "every": 2}}
ADAPTER = "adapter_model.safetensors"


def killed(project: Path, after: int) -> None:
    """Train in a process of its own; kill it once the checkpoint of step `after` is whole."""
    command = [sys.executable, "-m", "regress", "train", "--no-check", "-C", str(project)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    mark = project / "runs" / "train.work" / f"checkpoint-{after}" / "regress_complete.json"
    deadline = time.monotonic() + 120
    while not mark.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, said.decode()
    assert mark.exists()


def test_a_killed_training_goes_on_and_ends_the_same(locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_settings(locked, **RECIPE, output="runs/undisturbed")
    assert main(["train", "--no-check", "-C", str(locked)]) == 0
    write_settings(locked, **RECIPE)
    killed(locked, after=6)
    work = locked / "runs" / "train.work"
    started = json.loads((work / "started.json").read_bytes())
    assert started["lock"] == json.loads((locked / "baselines" / "lock.json").read_bytes())["digest"]
    assert not (locked / "runs" / "train").exists()
    for step in (9, 12):  # a checkpoint that was being written when the power went
        torn = work / f"checkpoint-{step}"
        torn.mkdir(exist_ok=True)
        (torn / "regress_complete.json").unlink(missing_ok=True)
        (torn / "trainer_state.json").write_text("{")
    capsys.readouterr()
    assert main(["train", "--no-check", "-C", str(locked)]) == 0
    assert "going on behind step 6 of 12" in " ".join(capsys.readouterr().err.split())
    whole, resumed = (locked / "runs" / name for name in ("undisturbed", "train"))
    for name in (ADAPTER, "regress_forgetting.jsonl"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name
    assert record_of(locked)["steps"] == record_of(locked, "runs/undisturbed")["steps"] == 12
    assert record_of(locked)["started"] == started["started"]


def test_another_recipe_data_or_lock_does_not_go_on(
    locked: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    write_settings(locked, **RECIPE)
    with monkeypatch.context() as patched:
        patched.setattr("regress.train.fit._keep", interrupt)
        assert main(["train", "--no-check", "-C", str(locked)]) == 130

    def refusal() -> str:
        capsys.readouterr()
        assert main(["train", "-C", str(locked)]) == 5
        return " ".join(capsys.readouterr().err.split())

    write_settings(locked, **RECIPE, learning_rate=1e-4)
    assert "it cannot go on: learning_rate is 0.0001, was 0.0002" in refusal()
    write_settings(locked, **RECIPE)
    data = (locked / "data.jsonl").read_text()
    (locked / "data.jsonl").write_text(data + data.splitlines(keepends=True)[0])
    assert "the training data differ" in refusal()
    (locked / "data.jsonl").write_text(data)
    suite = locked / "suites" / "general_words.yaml"
    suite.write_text(suite.read_text().replace("0.25", "0.3"))
    assert "the project is not the locked one: suite general_words: margin" in refusal()
    assert main(["lock", "--amend", "--why", "wider", "-C", str(locked)]) == 0
    assert "the lock is another" in refusal()
    assert (locked / "runs" / "train.work" / "checkpoint-12").is_dir()  # nothing was taken away
    assert main(["train", "--again", "--no-check", "-C", str(locked)]) == 0
    assert record_of(locked)["steps"] == 12
