"""One process of a pool: an engine that carries out what the parent sends, until the parent is gone.

No model library is imported here: the engine's maker brings its own.
"""

from __future__ import annotations

import contextlib
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regress.backends.protocol import Batch, Engine, Lone, Request, Windowed
from regress.backends.quiet import quiet_libraries
from regress.errors import BackendError, Refused
from regress.schema import Check, Precision, Suite, Variant

EngineMaker = Callable[[str], Engine]
"""device -> engine. Called inside the worker, so it must pickle: a function of a module, or a partial of one."""

GOES_ON = "What is stored is kept, and the same command goes on from there."


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an engine says of itself; equal in all workers of a pool."""

    name: str
    precision: Precision
    device: str
    context_window: int | None  # of a Windowed one
    batch_policy: str

    @classmethod
    def of(cls, engine: Engine) -> Identity:
        return cls(
            name=engine.name,
            precision=engine.precision,
            device=engine.device,
            context_window=engine.context_window if isinstance(engine, Windowed) else None,
            batch_policy=engine.batch_policy,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One order to a worker. `number` comes back with every answer, so that those of an abandoned task are known."""

    number: int
    verb: str  # of Server
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One of the answers to a task; after the one that is `last` no more will come."""

    number: int
    value: Any = None
    refusal: Refused | None = None
    bug: str | None = None  # its traceback
    last: bool = True


def work(pipe: Connection, make: bytes, device: str) -> None:
    """The whole life of a worker process; `make` is a pickled EngineMaker, which may import for seconds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says what becomes of it
    quiet_libraries()
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(pipe, tasks), daemon=True).start()
    server = Server(pipe, make, device)
    while True:
        server.carry_out(tasks.get())


def _read(pipe: Connection, tasks: queue.SimpleQueue[Task]) -> None:
    """Take orders while others are carried out: so the parent never waits for a full pipe, nor we for a dead parent."""
    try:
        while True:
            tasks.put(pipe.recv())
    except (EOFError, OSError):
        pass
    finally:
        signal.raise_signal(signal.SIGTERM)


class Server:
    """An engine and what it was told."""

    def __init__(self, pipe: Connection, make: bytes, device: str) -> None:
        self._pipe = pipe
        self._make = make
        self._device = device
        self._engine: Engine | None = None
        self._suite: Suite | None = None

    def carry_out(self, task: Task) -> None:
        """Send the task's answers, the last one marked."""
        try:
            value = getattr(self, f"_{task.verb}")(task.number, *task.arguments)
        except Refused as refusal:
            self._send(Answer(number=task.number, refusal=_portable(refusal)))
        except Exception as fault:  # noqa: BLE001  whatever it is, the parent raises it
            if isinstance(fault, RuntimeError) and "CUDA" in str(fault):
                lost = BackendError(f"{self._device}: {str(fault).splitlines()[0].rstrip('.')}. {GOES_ON}")
                self._send(Answer(number=task.number, refusal=lost))
            else:
                self._send(Answer(number=task.number, bug=traceback.format_exc()))
        else:
            self._send(Answer(number=task.number, value=value))

    def _send(self, answer: Answer) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody is left to hear it; `_read` ends us
            self._pipe.send(answer)

    @property
    def _ready(self) -> Engine:
        if self._engine is None:
            raise BackendError("the worker has no model.")
        return self._engine

    def _load(self, _: int) -> Identity:
        make: EngineMaker = pickle.loads(self._make)
        self._engine = make(self._device)
        return Identity.of(self._engine)

    def _render(self, _: int, suite: Suite) -> tuple[Request, ...]:
        return self._ready.render(suite)

    def _batches(self, _: int, suite: Suite, requests: Sequence[Request], shuffled: bool) -> list[Batch]:
        return self._ready.batches(suite, requests, shuffled=shuffled)

    def _attach(self, _: int, folder: str) -> list[Check]:
        return self._ready.attach(folder)

    def _use(self, _: int, variant: Variant) -> None:
        self._ready.use(variant)

    def _about(self, _: int, suite: Suite) -> None:
        """The suite that the next batches are of."""
        self._suite = suite

    def _answer(self, number: int, batch: Batch) -> None:
        if self._suite is None:
            raise BackendError("the worker was told of no suite.")
        for ready in self._ready.answers(self._suite, [batch]):
            self._send(Answer(number=number, value=ready, last=False))

    def _fingerprint(self, _: int, requests: Sequence[Request]) -> npt.NDArray[np.float32]:
        return self._ready.fingerprint(requests)

    def _alone(self, _: int, suite: Suite, request: Request) -> Lone:
        return self._ready.alone(suite, request)

    def _save_merged(self, _: int, folder: Path) -> None:
        self._ready.save_merged(folder)


def _portable(refusal: Refused) -> Refused:
    """The same sentence in an error of the same kind; causes and paths stay behind, since they may not pickle."""
    return type(refusal)(str(refusal))
