"""LLaMA-Factory under a lock: python examples/llama_factory/train.py recipe.yaml my-gate.

Written against llamafactory 0.9.5 (`llamafactory.train.tuner.run_exp`, which takes callbacks).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from regress.run.bench import open_bench
from regress.suite import read_project
from regress.train import RegressCallback


def train(recipe: Path, project: Path, run: Callable[..., None], **options: Any) -> RegressCallback:
    """Check the lock, then let `run` (LLaMA-Factory's run_exp) train with the callback in its list."""
    open_bench(read_project(project))
    callback = RegressCallback(project, **options)
    run(yaml.safe_load(recipe.read_text()), callbacks=[callback])
    return callback


def main() -> None:
    """Train, and say what to run next."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("project", type=Path)
    parser.add_argument("--every", type=int, default=50)
    given = parser.parse_args()
    from llamafactory.train.tuner import run_exp  # noqa: PLC0415  where the arguments are right

    train(given.recipe, given.project, run_exp, every=given.every)
    print("next: regress check, on a folder that holds the adapter's files and regress_training.json alone")


if __name__ == "__main__":
    main()
