"""What the shell blocks run in: folders that look as the pages assume, and commands that are not carried out for real.

`regress` and `git` are real. `pip install` and `make` install and build nothing: they check that it exists.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from doc_blocks import ROOT, Session
from foreign_samples import LmEval, inspect_log

from regress.demo.project import scaffold

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "NO_COLOR": "1",
    "COLUMNS": "100",
    "REGRESS_CI": "none",
    "LC_ALL": "C.UTF-8",
    "PYTHONPATH": str(ROOT),
    "GIT_AUTHOR_NAME": "Somebody",
    "GIT_AUTHOR_EMAIL": "somebody@example.org",
    "GIT_COMMITTER_NAME": "Somebody",
    "GIT_COMMITTER_EMAIL": "somebody@example.org",
    "GIT_CONFIG_NOSYSTEM": "1",
}
STAND_INS = Path(__file__).with_name("stand_ins.py")
ADAPTERS = ("path/to/adapter", "runs/train", "runs/checkpoint-100", "runs/checkpoint-200", "runs/checkpoint-300")
"""Copies of the adapter that changes next to nothing, with a training record."""


def empty(folder: Path, judged: Callable[[], Path]) -> None:
    """An empty folder."""
    folder.mkdir()


def fresh(folder: Path, judged: Callable[[], Path]) -> None:
    """What `regress init` writes, in a git repository."""
    scaffold(folder)
    _repository(folder)


def judged_project(folder: Path, judged: Callable[[], Path]) -> None:
    """A locked project with two judged adapters, results of other harnesses, training data, and a remote to push to."""
    shutil.copytree(judged(), folder)
    for name in ADAPTERS:
        shutil.copytree(folder / "tiny", folder / name)
    shutil.copytree(folder / "base", folder / "path" / "to" / "base")
    (folder / "data").mkdir()
    rows = [{"prompt": f"Where is order {n}?", "completion": f"Order {n} is on its way."} for n in range(200)]
    (folder / "data" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    right = [n % 10 != 0 for n in range(200)]
    worse = [n % 10 not in (0, 1) for n in range(200)]
    LmEval([float(value) for value in right], model="org/base").write(folder / "out")
    LmEval([float(value) for value in worse], model="org/tuned").write(folder / "out")
    (folder / "logs").mkdir()
    for name, values in (("base", right), ("tuned", worse)):
        log = inspect_log(["C" if value else "I" for value in values], model=f"vllm/{name}")
        (folder / "logs" / f"{name}.json").write_text(json.dumps(log))
    (folder / ".gitignore").write_text("runs/\nreports/\nregistry/\n")
    _repository(folder)


def rejected_project(folder: Path, judged: Callable[[], Path]) -> None:
    """The judged project, in which path/to/adapter and the last checkpoint destroy everything."""
    judged_project(folder, judged)
    for name in ("path/to/adapter", "runs/train"):
        shutil.rmtree(folder / name)
    shutil.copytree(folder / "broken", folder / "path/to/adapter")
    for number, name in enumerate(("tiny", "tiny", "broken"), start=1):
        shutil.copytree(folder / name, folder / "runs" / "train" / f"checkpoint-{number}00")


def unlocked_project(folder: Path, judged: Callable[[], Path]) -> None:
    """The judged project before its lock, with an adapter that nobody knows anything of."""
    judged_project(folder, judged)
    shutil.rmtree(folder / "baselines")
    for found in folder.rglob("regress_training.json"):
        found.unlink()


SANDBOXES: dict[str, Callable[[Path, Callable[[], Path]], None]] = {
    "empty": empty,
    "fresh": fresh,
    "judged": judged_project,
    "rejected": rejected_project,
    "unlocked": unlocked_project,
}


def _repository(folder: Path) -> None:
    remote = folder.parent / "remote.git"
    for command in (
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(remote)],
        ["git", "init", "--quiet", "--initial-branch=main", "."],
        ["git", "add", "."],
        ["git", "commit", "--quiet", "-m", "As it was"],
        ["git", "remote", "add", "origin", str(remote)],
        ["git", "push", "--quiet", "--set-upstream", "origin", "main"],
    ):
        subprocess.run(command, cwd=folder, env=os.environ | ENVIRONMENT, check=True, capture_output=True)


def install_stand_ins(folder: Path) -> None:
    """`pip` and `make` that check what they are asked for."""
    for name in ("pip", "make"):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_INS} {name} "$@"\n')
        script.chmod(0o755)


def script_of(session: Session) -> str:
    """All blocks as one script that stops at the first surprise and says which block it was."""
    lines = ["set -u -o pipefail", "exec 2>&1"]
    for block in session.blocks:
        lines.append(f'echo "=== {block.place}"')
        if block.exits:
            lines += [
                "set +e",
                f"( set -e\n{block.text})",
                f'test $? -eq {block.exits} || {{ echo "not {block.exits}"; exit 99; }}',
            ]
        else:
            lines += ["set -e", block.text]
    return "\n".join([*lines, 'echo "=== done"'])
