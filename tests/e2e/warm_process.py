"""`python -m regress` in real processes that start at once: forked from one that has imported the model libraries.

Importing torch, transformers and peft takes six seconds a process; a test that kills a dozen cannot wait for it.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import regress.run.check
import regress.run.engines

WHAT_TAKES_LONG = (regress.run.check, regress.run.engines)


class WarmProcess:
    """Starts commands; one at a time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __enter__(self) -> Self:
        command = [sys.executable, __file__]
        self._server = subprocess.Popen(
            command, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.communicate(timeout=60)

    def start(self, arguments: Sequence[str], output: Path) -> int:
        """Start `regress ARGUMENTS`, both its streams into the file `output`; returns the process id."""
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps([str(output), *arguments]) + "\n")
        self._server.stdin.flush()
        return int(self._line())

    def wait(self) -> int:
        """The exit code, negative for the signal that killed it."""
        return int(self._line())

    def run(self, arguments: Sequence[str], output: Path) -> int:
        self.start(arguments, output)
        return self.wait()

    def _line(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()


def serve() -> None:
    assert WHAT_TAKES_LONG
    print("ready", flush=True)
    while job := sys.stdin.readline():
        output, *arguments = json.loads(job)
        child = os.fork()
        if child == 0:
            become(Path(output), arguments)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def become(output: Path, arguments: list[str]) -> None:
    """From here on this process is `python -m regress ARGUMENTS`; it ends with SystemExit or a traceback."""
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(written, 1)
    os.dup2(written, 2)
    sys.argv = ["regress", *arguments]
    runpy.run_module("regress", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve()
