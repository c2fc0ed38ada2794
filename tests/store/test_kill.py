"""kill -9 of a real writer at random moments: no acknowledged outcome is lost, and the finished run is the same."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from store_samples import a_manifest, an_outcome

from regress.errors import StoreError
from regress.schema import Outcome
from regress.store.runs import LOG, Key, RunWriter, is_sealed, load_run, read_partial

WRITER = Path(__file__).with_name("kill_writer.py")
ITEMS = 1500


def start(folder: Path, seed: int, items: int = ITEMS) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(WRITER), str(folder), str(items), str(seed)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def kill_after(process: "subprocess.Popen[bytes]", seconds: float) -> list[Key]:
    """Wait for the writer to begin, kill it, and return what it had acknowledged."""
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert err == b""
    lines = [line.split() for line in out.decode().splitlines() if line != "sealed"]
    return [(suite, item) for suite, item in lines]


def kill_rounds(folder: Path, rounds: int, rng: random.Random) -> tuple[int, int]:
    """Kill `rounds` writers, starting a new run whenever one is sealed; returns acknowledged and lost outcomes."""
    acknowledged: set[Key] = set()
    total = lost = 0
    for _ in range(rounds):
        if is_sealed(folder):
            check_finished(folder)
            shutil.rmtree(folder)
            acknowledged = set()
        new = kill_after(start(folder, rng.randrange(2**32)), rng.random() * 0.12)
        total += len(new)
        acknowledged |= set(new)
        stored = read_partial(folder).outcomes
        lost += sum(stored[key].outcome is Outcome.ERROR if key in stored else True for key in acknowledged)
    return total, lost


def check_finished(folder: Path) -> None:
    """Every item once, with the values of a run that nobody interrupted."""
    run = load_run(folder)
    found = {outcome.item: outcome for items in run.outcomes.values() for outcome in items.values()}
    assert found == {f"q{number}": an_outcome(number) for number in range(ITEMS)}
    lines = (folder / LOG).read_bytes().splitlines()
    assert len(lines) == run.seal.lines >= run.seal.items == ITEMS
    assert sum(b'"outcome":"pass"' in line for line in lines) == ITEMS


def finish(folder: Path) -> None:
    if not is_sealed(folder):
        process = start(folder, 0)
        out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, b""), err
        assert out.endswith(b"sealed\n")
    check_finished(folder)


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    total, lost = kill_rounds(tmp_path / "run", 25, random.Random(9))
    finish(tmp_path / "run")
    assert lost == 0
    assert total > 1000


@pytest.mark.slow
def test_1000_kills_lose_none_of_100_000_outcomes(tmp_path: Path) -> None:
    total, lost = kill_rounds(tmp_path / "run", 1000, random.Random(10))
    finish(tmp_path / "run")
    assert lost == 0
    assert total >= 100_000


def test_a_second_process_is_refused_and_names_the_first(tmp_path: Path) -> None:
    process = start(tmp_path / "run", 1, items=200_000)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(StoreError, match=f"being written by process {process.pid} on "):
            RunWriter.open(tmp_path / "run", a_manifest())
    finally:
        process.kill()
        process.communicate(timeout=60)
    with RunWriter.open(tmp_path / "run", a_manifest()):
        pass


def concurrent_starts(folder: Path, count: int) -> None:
    processes = [start(folder, seed, items=20_000) for seed in range(count)]
    errors = [process.communicate(timeout=300)[1].decode() for process in processes]
    refused = [error for error in errors if "is being written by" in error or "is sealed" in error]
    winners = [error for error in errors if not error]
    assert len(refused) + len(winners) == count, [error for error in errors if error and error not in refused][:1]
    assert len(winners) == 1
    assert load_run(folder).seal.items == 20_000


def test_of_ten_concurrent_starts_one_writes(tmp_path: Path) -> None:
    concurrent_starts(tmp_path / "run", 10)


@pytest.mark.slow
def test_of_200_concurrent_starts_one_writes(tmp_path: Path) -> None:
    concurrent_starts(tmp_path / "run", 200)
