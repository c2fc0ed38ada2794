"""`pip` and `make` for the shell blocks: they check that what is asked for exists, and install and build nothing."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


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


if __name__ == "__main__":
    complaint = {"pip": pip, "make": make}[sys.argv[1]](sys.argv[2:])
    if complaint:
        sys.exit(complaint)
