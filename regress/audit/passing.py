"""The pass over the data: blocks are read in order, looked at by worker processes, and added up in order."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing import get_context, parent_process
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from regress.audit.protocol import Check, Chunk
from regress.audit.words import Places
from regress.errors import DataError
from regress.rows.forms import Columns
from regress.rows.row import Broken
from regress.rows.source import Block, Source, read_block

FEW_BLOCKS = 3
"""Up to so many blocks are looked at in this process: starting others takes longer."""

Seen = TypeVar("Seen")
Look = Callable[[Chunk], Seen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What came of one block."""

    numbers: Places
    forms: Counter[str]
    broken: list[Broken]
    done: float
    seen: Any


@dataclass(slots=True)
class AllLooks:
    """Every check's look at a chunk, as one function that can be pickled."""

    checks: Sequence[Check]

    def __call__(self, chunk: Chunk) -> tuple[Any, ...]:
        return tuple(check.look(chunk) for check in self.checks)


def look_at(block: Block, mapped: Columns, look: Look[Any]) -> Looked:
    """Parse a block and look at it."""
    rows, broken = read_block(block, mapped)
    return Looked(
        numbers=np.array([row.number for row in rows], dtype=np.int64),
        forms=Counter(row.form.value for row in rows),
        broken=broken,
        done=block.done,
        seen=look(Chunk(rows)),
    )


def look_through(source: Source, mapped: Columns, look: Look[Any], *, workers: int | None = None) -> Iterator[Looked]:
    """Every block of the source in order; results do not depend on the number of processes."""
    blocks = source.blocks()
    first = list(islice(blocks, FEW_BLOCKS + 1))
    workers = workers or os.cpu_count() or 1
    if len(first) <= FEW_BLOCKS or workers == 1:
        yield from (look_at(block, mapped, look) for block in chain(first, blocks))
    else:
        yield from _in_processes(chain(first, blocks), mapped, look, workers)


def _in_processes(blocks: Iterable[Block], mapped: Columns, look: Look[Any], workers: int) -> Iterator[Looked]:
    """At most two blocks a process are under way, so memory does not depend on the length of the data."""
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(mapped, look))
    waiting: deque[Future[Looked]] = deque()
    try:
        for block in blocks:
            with _starting():
                waiting.append(pool.submit(_work, block))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as reason:
        raise DataError(
            "a process that read the data was killed, most likely for want of memory. Free some, or audit with "
            "--workers 1."
        ) from reason
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _starting() -> Iterator[None]:
    """While processes are started, hide the user's script and hold Ctrl-C back.

    They would run the script again, or fail where it came by stdin, and need nothing of it. A signal mask is inherited,
    so that Ctrl-C is the main process's to answer from their first instruction on.
    """
    main, mask = sys.modules["__main__"], signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


_order: tuple[Columns, Look[Any]]


def _begin(mapped: Columns, look: Look[Any]) -> None:
    """In a worker: what it will be asked to do, until the main process ends, however it ends."""
    global _order
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _order = mapped, look


def _end_with_parent() -> None:
    """A worker waits for orders on a pipe that it holds open itself, so it would wait for ever."""
    if (parent := parent_process()) is not None:
        parent.join()
        signal.raise_signal(signal.SIGTERM)


def _work(block: Block) -> Looked:
    return look_at(block, *_order)
