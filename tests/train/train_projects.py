"""Small locked projects over the embedded model, with rows to learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from regress.cli import main
from regress.demo.corpus import as_jsonl, training_rows
from regress.demo.project import MODEL, shipped_suites

SUITES = {"general_words": (24, 0.25), "general_choice": (24, 0.25), "support_queue": (24, None)}
ITEMS = sum(count for count, _ in SUITES.values())
QUICK = {
    "data": "data.jsonl",
    "output": "runs/train",
    "batch_size": 4,
    "gradient_accumulation": 1,
    "gradient_checkpointing": False,
    "max_steps": 4,
    "probe": {"items": 0},
}


def write_settings(project: Path, **train: Any) -> None:
    """regress.yaml with a quick recipe, changed as said; None takes a key out."""
    recipe = {key: value for key, value in {**QUICK, **train}.items() if value is not None}
    settings = {
        "base": {"model": str(MODEL)},
        "suites": ["suites/*.yaml"],
        "engine": {"device": "cpu"},
        "train": recipe,
    }
    (project / "regress.yaml").write_text(yaml.safe_dump(settings))


def make_project(folder: Path) -> Path:
    """Three suites of 24 items, locked; 60 rows to learn; nothing asked, nothing trained."""
    (folder / "suites").mkdir(parents=True)
    for name, (count, margin) in SUITES.items():
        settings = yaml.safe_load((shipped_suites() / f"{name}.yaml").read_text())
        settings |= {} if margin is None else {"margin": margin}
        (folder / "suites" / f"{name}.yaml").write_text(yaml.safe_dump(settings))
        lines = (shipped_suites() / f"{name}.jsonl").read_text().splitlines(keepends=True)
        (folder / "suites" / f"{name}.jsonl").write_text("".join(lines[:count]))
    (folder / "data.jsonl").write_text(as_jsonl(training_rows({"support": 30, "words": 30}, 5)))
    write_settings(folder)
    assert main(["lock", "-C", str(folder)]) == 0
    return folder


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pairs(count: int) -> list[dict[str, str]]:
    rows = training_rows({"support": count}, 5)
    return [{"prompt": row.prompt, "chosen": row.answer, "rejected": "I do not know."} for row in rows]


def record_of(project: Path, output: str = "runs/train") -> dict[str, Any]:
    read: dict[str, Any] = json.loads((project / output / "regress_training.json").read_bytes())
    return read
