"""Every command that README and docs show is carried out, in the order of its page."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from doc_blocks import Session, pages, read_page
from doc_sandboxes import ENVIRONMENT, SANDBOXES, install_stand_ins, script_of
from warm_regress import WarmRegress

SESSIONS = [session for page in pages() for session in read_page(page)[1]]


@pytest.mark.parametrize(
    "session",
    [pytest.param(session, id=session.place, marks=[pytest.mark.slow] if session.slow else []) for session in SESSIONS],
)
def test_the_commands_of_a_page_run(
    session: Session, tmp_path: Path, judged_once: Callable[[], Path], warm_regress: WarmRegress
) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    install_stand_ins(commands)
    warm_regress.install(commands)
    place = tmp_path / "place"
    SANDBOXES[session.sandbox](place, judged_once)
    environment = os.environ | ENVIRONMENT | {"PATH": f"{commands}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", script_of(session)],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=1800 if session.slow else 240,
        check=False,
    )
    assert done.stdout.endswith("=== done\n"), done.stdout[-4000:]
