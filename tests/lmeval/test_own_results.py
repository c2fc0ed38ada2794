"""What lm-eval itself writes for two models, compared without it: every figure must be the one that it printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lm_eval import simple_evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager
from task_samples import write_tasks
from tiny_models import LLAMA, random_model

from regress.cli import main

TASKS = ("choice", "letters", "last_word", "write")


def evaluated(model: Path, tasks: Path, out: Path) -> dict[str, dict[str, float]]:
    """As `lm_eval run --log_samples --output_path out` does it; the figures by task."""
    tracker = EvaluationTracker(output_path=str(out))
    found = simple_evaluate(
        model="hf",
        model_args=f"pretrained={model},dtype=float32",
        device="cpu",
        batch_size=4,
        tasks=[f"sample_{name}" for name in TASKS],
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
        evaluation_tracker=tracker,
    )
    assert found is not None
    samples = found.pop("samples")
    tracker.save_results_aggregated(results=found, samples=samples)
    for name in found["configs"]:
        tracker.save_results_samples(task_name=name, samples=samples[name])
    figures: dict[str, dict[str, float]] = found["results"]
    return figures


def test_own_results_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = write_tasks(tmp_path / "tasks")
    figures = [
        evaluated(random_model(LLAMA, tmp_path / f"model{seed}", seed=seed), tasks, tmp_path / f"out{seed}")
        for seed in (0, 1)
    ]
    capsys.readouterr()
    monkeypatch.chdir(tmp_path)
    chosen = [
        "--metric",
        "sample_last_word=acc",
        "--metric",
        "sample_choice=acc_norm",
        "--filter",
        "sample_write=letters",
    ]
    assert main(["diff", "out0", "out1", "--json", *chosen]) == 0
    found = {task["task"]: task for task in json.loads(capsys.readouterr().out)["tasks"]}
    keys = {"choice": "acc_norm,none", "letters": "acc,none", "last_word": "acc,none", "write": "exact_match,letters"}
    for name, key in keys.items():
        task = found[f"sample_{name}"]
        right = [side[f"sample_{name}"][key] * 12 for side in figures]
        assert [task["n"], task["a_pass"], task["b_pass"]] == [12, pytest.approx(right[0]), pytest.approx(right[1])]
        assert task["b_pass"] - task["a_pass"] == task["gained"] - task["lost"]
