"""`regress` for shell scripts, at once: a client script, and a server that forks off a process which imported torch."""

from __future__ import annotations

import array
import json
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import regress.run.check
import regress.run.engines

WHAT_TAKES_LONG = (regress.run.check, regress.run.engines)

CLIENT = """\
#!{python} -ISs
import array, json, os, socket, sys
name = os.path.basename(sys.argv[0])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    streams = array.array("i", [0, 1, 2])
    what = json.dumps([name, os.getcwd(), dict(os.environ), sys.argv[1:]]).encode()
    server.sendmsg([b"%16d" % len(what)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
    server.sendall(what)
    sys.exit(int(server.makefile().readline() or 1))
"""


class WarmRegress:
    """Starts the server; `install` writes commands that ask it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._address = folder / "s"
        self._environment = environment

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, str(self._address)]
        self._server = subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, text=True)
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == "ready\n"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.terminate()
        self._server.wait(timeout=60)

    def install(self, folder: Path) -> None:
        """`regress` and `python` as commands in this folder."""
        for name in ("regress", "python"):
            script = folder / name
            script.write_text(CLIENT.format(python=sys.executable, address=str(self._address)))
            script.chmod(0o755)


def serve(address: str) -> None:
    assert WHAT_TAKES_LONG
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        print("ready", flush=True)
        while True:
            caller, _ = door.accept()
            if os.fork() == 0:
                door.close()
                answer(caller)
            caller.close()
            while True:  # bury whoever is done
                try:
                    if os.waitpid(-1, os.WNOHANG) == (0, 0):
                        break
                except ChildProcessError:
                    break


def answer(caller: socket.socket) -> None:
    """In a process of its own: fork the command off, wait for it, say its exit code."""
    head, ancillary, _, _ = caller.recvmsg(16, socket.CMSG_LEN(3 * array.array("i").itemsize))
    streams = array.array("i", ancillary[0][2])
    with caller.makefile("rb") as stream:
        name, place, environment, arguments = json.loads(stream.read(int(head)))
    child = os.fork()
    if child == 0:
        caller.close()
        become(name, place, environment, arguments, list(streams))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    caller.sendall(f"{code if code >= 0 else 128 - code}\n".encode())
    os._exit(0)


def become(name: str, place: str, environment: dict[str, str], arguments: list[str], streams: list[int]) -> None:
    """From here on this process is `python -m regress ARGUMENTS`, or `python FILE`."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(place)
    if name == "regress":
        sys.argv = ["regress", *arguments]
        runpy.run_module("regress", run_name="__main__", alter_sys=True)
    elif arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    serve(sys.argv[1])
