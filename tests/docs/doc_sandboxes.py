"""What the shell blocks run in: folders that look as the pages assume, and commands that are not carried out for real.

`regress` and `git` are real. `pip install` and `make` do not install or build: they check that what is asked for exists.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
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
ADAPTERS = ("path/to/adapter", "runs/train", "runs/checkpoint-100", "runs/checkpoint-200", "runs/checkpoint-300")
"""Copies of the adapter that changes next to nothing; `broken` is the one that destroys everything."""


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


SANDBOXES: dict[str, Callable[[Path, Callable[[], Path]], None]] = {
    "empty": empty,
    "fresh": fresh,
    "judged": judged_project,
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
        script.write_text(f"#!/bin/sh\nexec {sys.executable} {Path(__file__)} {name} \"$@\"\n")
        script.chmod(0o755)


def pip(arguments: list[str]) -> str | None:
    """What is wrong with `pip ARGUMENTS`: a distribution that is not ours, or an extra that does not exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    if arguments[:1] != ["install"]:
        return f"pip {arguments[0]} is not known here"
    for wanted in (argument for argument in arguments[1:] if not argument.startswith("-")):
        match = re.fullmatch(r"([a-z-]+)(?:\[([a-z,-]+)\])?", wanted)
        if match is None or match[1] != project["name"]:
            return f"{wanted} is not {project['name']}"
        missing = set((match[2] or "").split(",")) - {""} - set(project["optional-dependencies"])
        if missing:
            return f"there is no extra {missing}"
    return None


def make(arguments: list[str]) -> str | None:
    """What is wrong with `make ARGUMENTS`: a target that the Makefile lacks."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    missing = [argument for argument in arguments if "=" not in argument and argument not in targets]
    return f"no target {missing}" if missing else None


def script_of(session: Session) -> str:
    """All blocks as one script that stops at the first surprise and says which block it was."""
    lines = ["set -u -o pipefail", "exec 2>&1"]
    for block in session.blocks:
        lines.append(f'echo "=== {block.place}"')
        if block.exits:
            lines += ["set +e", f"( set -e\n{block.text})", f'test $? -eq {block.exits} || {{ echo "not {block.exits}"; exit 99; }}']
        else:
            lines += ["set -e", block.text]
    return "\n".join([*lines, 'echo "=== done"'])


if __name__ == "__main__":
    complaint = {"pip": pip, "make": make}[sys.argv[1]](sys.argv[2:])
    if complaint:
        sys.exit(complaint)
