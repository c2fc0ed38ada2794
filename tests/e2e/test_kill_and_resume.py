"""kill -9 of the real process while it asks: the rest is asked later, once, and ends like an undisturbed run."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

from e2e_projects import ITEMS, RUN_FILES, outcome_logs, plant_promotion, run_of, verdict
from warm_process import WarmProcess

from regress.cli import main
from regress.store.runs import LOG, read_partial

KILLS = 5


def lines_stored(project: Path) -> int:
    return sum(log.read_bytes().count(b"\n") for log in outcome_logs(project))


def killed(project: Path, warm: WarmProcess, lines: int, pause: float, output: Path) -> bool:
    """Start a check, and kill it once `lines` are stored and a moment has passed; False where it was done before."""
    process = warm.start(["check", str(project / "tiny"), "-C", str(project)], output)
    deadline = time.monotonic() + 120
    while lines_stored(project) < lines and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(pause)
    os.kill(process, signal.SIGKILL)
    return warm.wait() == -signal.SIGKILL


def test_after_every_kill_the_rest_is_asked_once_and_the_end_is_the_same(
    judged_once: Path, tmp_path: Path, warm: WarmProcess
) -> None:
    rng = random.Random(20_261_123)
    project = Path(shutil.copytree(judged_once, tmp_path / "project"))
    assert warm.run(["check", str(project / "tiny"), "-C", str(project)], tmp_path / "output") == 0
    undisturbed = (project / "reports" / "verdict.json").read_bytes()
    summary = (project / "reports" / "summary.md").read_bytes()
    wanted = {variant: read_run(run_of(project, variant)) for variant in ("base", "adapter", "merged")}
    for folder in (project / "runs", project / "baselines" / "runs"):
        shutil.rmtree(folder)
    plant_promotion(project)
    # Moments all over the three runs of 110 items: in the first one, at its end, between two, in the last.
    moments = sorted(rng.sample(range(1, 3 * ITEMS - 5), KILLS))
    for moment in moments:
        assert killed(project, warm, moment, rng.uniform(0, 0.04), tmp_path / "output"), moment
        assert not (project / "reports" / "verdict.json").exists()
        assert lines_stored(project) >= moment
    before = {log: log.read_bytes() for log in outcome_logs(project)}
    assert warm.run(["check", str(project / "tiny"), "-C", str(project)], tmp_path / "output") == 0
    assert (project / "reports" / "verdict.json").read_bytes() == undisturbed
    assert (project / "reports" / "summary.md").read_bytes() == summary
    for variant, files in wanted.items():
        folder = run_of(project, variant)
        assert read_run(folder) == files, variant  # every line where it was, none twice
        stored = read_partial(folder).outcomes
        assert len((folder / LOG).read_bytes().splitlines()) == len(stored) == ITEMS
    for log, data in before.items():  # what was stored before the last kill was kept as it was
        complete = data[: data.rfind(b"\n") + 1]
        assert log.read_bytes().startswith(complete)


def read_run(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RUN_FILES}


def test_a_kill_before_the_first_item_leaves_nothing_that_stops_the_next_check(
    judged: Path, tmp_path: Path, warm: WarmProcess
) -> None:
    plant_promotion(judged)
    process = warm.start(["check", str(judged / "tiny"), "-C", str(judged)], tmp_path / "output")
    while (judged / "reports" / "verdict.json").exists():  # taken away at once, before any model is loaded
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)
    assert warm.wait() == -signal.SIGKILL
    assert not (judged / "reports" / "verdict.json").exists()
    assert warm.run(["check", str(judged / "tiny"), "-C", str(judged)], tmp_path / "output") == 0
    assert verdict(judged)["decision"] == "PROMOTE"


def test_an_interrupt_keeps_what_is_stored(locked: Path, judged_once: Path, tmp_path: Path, warm: WarmProcess) -> None:
    process = warm.start(["check", str(judged_once / "tiny"), "-C", str(locked)], tmp_path / "output")
    while lines_stored(locked) < 40:
        time.sleep(0.002)
    os.kill(process, signal.SIGINT)
    assert warm.wait() == 130
    assert "interrupted" in (tmp_path / "output").read_text()
    kept = lines_stored(locked)
    assert kept > 0  # a group that was being written when the signal came was not acknowledged, and is cut
    assert not (locked / "reports" / "verdict.json").exists()
    assert warm.run(["run", "base", "-C", str(locked)], tmp_path / "output") == 0
    assert f"{min(kept, ITEMS):,} of {ITEMS:,} items are stored already" in (tmp_path / "output").read_text()


def test_a_second_check_at_the_same_time_is_refused(
    locked: Path, judged_once: Path, tmp_path: Path, warm: WarmProcess
) -> None:
    """One writer a run: while the first is being asked, the other says who holds it."""
    process = warm.start(["run", "base", "-C", str(locked)], tmp_path / "output")
    while lines_stored(locked) < 1:
        time.sleep(0.002)
    os.kill(process, signal.SIGSTOP)
    try:
        assert main(["check", str(judged_once / "tiny"), "-C", str(locked), "--quiet"]) == 5
        assert f"process {process}" in " ".join(verdict(locked)["reasons"])
    finally:
        os.kill(process, signal.SIGCONT)
    assert warm.wait() == 0
