"""Worker processes: one that is killed, a script that came by stdin, a main process that is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from audit_samples import write_rows

from regress.audit.again import Second
from regress.audit.passing import look_through
from regress.audit.protocol import Chunk
from regress.errors import DataError
from regress.rows import json_lines
from regress.rows.opening import open_source

ROWS = [{"prompt": f"Question {k}?", "completion": f"Answer {k % 7}."} for k in range(40)]

SCRIPT = """
import sys
from regress.audit.passing import look_through
from regress.rows import json_lines
from regress.rows.opening import open_source
import {module}
json_lines.BLOCK_ROWS = 5
print(sum(looked.seen for looked in look_through(open_source({data!r}), (), {module}.look, workers=2)))
"""


def die(chunk: Chunk) -> None:
    os._exit(9)


def test_a_killed_process_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "BLOCK_ROWS", 5)
    source = open_source(str(write_rows(tmp_path / "d.jsonl", ROWS)))
    with pytest.raises(DataError, match="was killed, most likely for want of memory"):
        list(look_through(source, (), die, workers=2))


def _start(folder: Path, look: str) -> subprocess.Popen[str]:
    (folder / "looks.py").write_text(f"import os, time\n\n\ndef look(chunk):\n    {look}\n")
    data = write_rows(folder / "d.jsonl", ROWS)
    started = subprocess.Popen(
        [sys.executable, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), *filter(None, sys.path)))},
    )
    assert started.stdin is not None
    started.stdin.write(SCRIPT.format(module="looks", data=str(data)))
    started.stdin.close()
    return started


def test_a_script_without_a_file_may_audit(tmp_path: Path) -> None:
    with _start(tmp_path, "return len(chunk.rows)") as started:
        assert started.stdout is not None
        assert started.stdout.read() == "40\n"


def test_no_process_outlives_the_main_one(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with _start(tmp_path, f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(0.05)") as started:
        _wait(lambda: pids.exists() and pids.read_text().endswith("\n"))
        started.send_signal(signal.SIGKILL)
    _wait(lambda: not any(_runs(int(pid)) for pid in set(pids.read_text().split())))


def _wait(done: object, seconds: float = 30.0) -> None:
    assert callable(done)
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_samples_are_parts_of_one_another_and_read_the_data_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(str(write_rows(tmp_path / "d.jsonl", ROWS)))
    again = Second(source=source, mapped=(), numbers=next(iter(look_through(source, (), len_of, workers=1))).numbers)
    large = again.sample(30)
    (tmp_path / "d.jsonl").unlink()
    small = again.sample(5)
    assert {row.number for row in small} < {row.number for row in large}
    assert [row.number for row in large] == sorted(row.number for row in large)


def test_a_sample_of_long_rows_is_held_to_its_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regress.audit.again.MAX_CHARS", 200)
    source = open_source(str(write_rows(tmp_path / "d.jsonl", ROWS)))
    numbers = next(iter(look_through(source, (), len_of, workers=1))).numbers
    whole = Second(source=source, mapped=(), numbers=numbers)
    few = whole.sample(40)
    assert 0 < sum(len(row.prompt) + len(row.reply) for row in few) <= 200
    monkeypatch.setattr("regress.audit.again.MAX_CHARS", 2**20)
    first = Second(source=source, mapped=(), numbers=numbers).sample(len(few))
    assert few == first  # what is drawn last is dropped


def len_of(chunk: Chunk) -> int:
    return len(chunk.rows)
