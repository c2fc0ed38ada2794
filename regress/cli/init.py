"""`regress init`: a project that locks and runs at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regress.cli.console import say
from regress.demo.project import scaffold


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write it.", show_default="here")] = Path(),
    base: Annotated[
        str | None, typer.Option(help="Base model folder or hub id.", show_default="a tiny model that comes along")
    ] = None,
) -> int:
    """Scaffold a project: regress.yaml, six suites, a README that explains them. Asks nothing, overwrites nothing."""
    result = scaffold(folder, base)
    for name in result.kept:
        say(f"kept     {name} (it was there)")
    for name in result.written:
        if "/" not in name or name.endswith(".yaml"):
            say(f"written  {name}")
    say(f"\nnext:  cd {folder} && regress lock" if folder != Path() else "\nnext:  regress lock")
    return 0
