"""Writers of a local registry in real processes that die, or are told that the disk failed, at the n-th file operation.

Python raises an audit event before each operation (open, mkdir, rename, symlink, chmod, remove ...); a hook counts
those that touch the registry. Each writer is forked, so that a hundred of them take seconds.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import signal
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path


class How(Enum):
    """What happens at the operation."""

    KILL = "kill"
    FAIL = "fail"


WATCHED = {"open", "os.mkdir", "os.rename", "os.symlink", "os.chmod", "os.remove", "os.rmdir", "os.truncate"}
DONE, REFUSED, DIED = 0, 5, -signal.SIGKILL


def interrupted(work: Callable[[Path], int], registry: Path, at: int, how: How) -> tuple[int, bool]:
    """Fork, do the work, and interrupt its operation number `at` (from 1) on the registry.

    Returns the exit status, and whether there was such an operation.
    """
    reached = mmap.mmap(-1, 1)
    child = os.fork()
    if child == 0:
        try:
            _interrupt_at(registry, at, how, reached)
            os._exit(work(registry))
        except BaseException as error:  # noqa: BLE001  a forked child must not return into pytest
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), reached[0] == 1


def _interrupt_at(registry: Path, at: int, how: How, reached: mmap.mmap) -> None:
    seen = 0
    inside = os.fsencode(registry)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event not in WATCHED or not any(_touches(argument, inside) for argument in arguments):
            return
        seen += 1
        if seen == at:
            reached[0] = 1
            if how is How.KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    sys.addaudithook(hook)


def _touches(argument: object, inside: bytes) -> bool:
    if not isinstance(argument, str | bytes | os.PathLike):
        return False
    return os.fsencode(argument).startswith(inside)


def every_interruption(
    work: Callable[[Path], int], template: Path, folder: Path, how: How, check: Callable[[Path, int], None]
) -> int:
    """Interrupt each operation of the work once, always on a fresh copy of the template; returns how many there are.

    The last round is not interrupted.
    """
    for at in range(1, 1000):
        registry = folder / f"{how.value}-{at}"
        shutil.copytree(template, registry, symlinks=True)
        status, reached = interrupted(work, registry, at, how)
        check(registry, status)
        shutil.rmtree(registry)
        if not reached:
            return at - 1
    raise AssertionError("the work never ends")
