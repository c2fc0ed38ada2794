"""Several engines that answer as one: a process each, and one queue of planned batches.

A batch is always answered whole by one worker, in the company that the plan gave it, so replies do not depend on how
many workers there are or which of them took it. Planning is done once, by the first worker. What every worker says of
itself, and every fingerprint, must be the same bit for bit: devices that round differently are refused.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regress.backends.protocol import Batch, Lone, Placed, Request
from regress.backends.worker import GOES_ON, Answer, EngineMaker, Identity, Task, work
from regress.errors import BackendError, Refused
from regress.hashing.canonical import digest_json
from regress.schema import Check, Precision, Suite, Variant

PATIENCE = 5.0
"""Seconds that a worker gets to end by itself."""


class _Worker:
    """A worker process as the parent sees it."""

    def __init__(self, process: BaseProcess, pipe: Connection, name: str) -> None:
        self.process = process
        self.pipe = pipe
        self.name = name

    def send(self, task: Task) -> None:
        try:
            self.pipe.send(task)
        except (BrokenPipeError, ConnectionError) as reason:
            raise self._ended() from reason

    def receive(self) -> Answer:
        try:
            answer: Answer = self.pipe.recv()
        except (EOFError, OSError) as reason:
            raise self._ended() from reason
        return answer

    def _ended(self) -> BackendError:
        self.process.join(PATIENCE)
        code = self.process.exitcode
        how = f"killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
        return BackendError(
            f"{self.name} ended before its work was done ({how}). {GOES_ON} Where memory ran out, give `--workers` a "
            "smaller number."
        )


class PooledEngine:
    """See `regress.backends.protocol.Engine`: several of them, one on each device, that answer as one."""

    def __init__(self, make: EngineMaker, devices: Sequence[str]) -> None:
        self._workers = _start(make, devices)
        self._finalizer = weakref.finalize(self, _end, self._workers)
        self._number = 0
        self._told: Suite | None = None
        self._plans: dict[str, list[Batch]] = {}
        try:
            self._identity = self._one_identity()
        except BaseException:
            self.close()
            raise

    def _one_identity(self) -> Identity:
        """Have all of them load; what they say of themselves."""
        found: list[Identity] = self._all("load")
        for worker, identity in zip(self._workers, found, strict=True):
            if identity != found[0]:
                raise BackendError(
                    f"{worker.name} is not like {self._workers[0].name}: {identity} against {found[0]}. Answers would "
                    "depend on who gives them: name equal devices in CUDA_VISIBLE_DEVICES, or use `--workers 1`."
                )
        return found[0]

    @property
    def name(self) -> str:
        return self._identity.name

    @property
    def precision(self) -> Precision:
        return self._identity.precision

    @property
    def device(self) -> str:
        return self._identity.device

    @property
    def context_window(self) -> int:
        if self._identity.context_window is None:
            raise BackendError("these workers do not say how long their context window is.")
        return self._identity.context_window

    @property
    def batch_policy(self) -> str:
        return self._identity.batch_policy

    def render(self, suite: Suite) -> tuple[Request, ...]:
        rendered: tuple[Request, ...] = self._first("render", suite)
        return rendered

    def batches(self, suite: Suite, requests: Sequence[Request], *, shuffled: bool = False) -> list[Batch]:
        key = digest_json([suite.name, suite.ask.value, shuffled, [request.digest for request in requests]])
        if key not in self._plans:
            self._plans[key] = self._first("batches", suite, tuple(requests), shuffled)
        return self._plans[key]

    def attach(self, folder: str) -> list[Check]:
        checks: list[Check] = self._all("attach", folder)[0]
        return checks

    def use(self, variant: Variant) -> None:
        self._all("use", variant)

    def fingerprint(self, requests: Sequence[Request]) -> npt.NDArray[np.float32]:
        prints: list[npt.NDArray[np.float32]] = self._all("fingerprint", tuple(requests))
        for worker, other in zip(self._workers, prints, strict=True):
            if not np.array_equal(prints[0], other, equal_nan=True):
                raise BackendError(
                    f"{worker.name} and {self._workers[0].name} do not compute the same (log-probabilities differ by "
                    f"up to {float(np.abs(prints[0] - other).max()):.3g} nats), so answers would depend on who gives "
                    "them. Use `--workers 1`, and have the device looked at."
                )
        return prints[0]

    def alone(self, suite: Suite, request: Request) -> Lone:
        found: Lone = self._first("alone", suite, request)
        return found

    def save_merged(self, folder: Path) -> None:
        self._first("save_merged", folder)

    def answers(self, suite: Suite, batches: Sequence[Batch]) -> Iterator[list[Placed]]:
        """Replies as any worker has them; a second batch lies ready for a worker only while there are plenty."""
        with self._ending_when_broken():
            if self._told is not suite:
                self._all("about", suite)
                self._told = suite
            number = self._next_number()
            waiting = deque(batches)
            given = dict.fromkeys(self._workers, 0)
            while waiting or any(given.values()):
                while waiting and (given[idle := min(self._workers, key=given.__getitem__)] < self._depth(waiting)):
                    idle.send(Task(number=number, verb="answer", arguments=(waiting.popleft(),)))
                    given[idle] += 1
                for worker, answer in self._received(number, [worker for worker in self._workers if given[worker]]):
                    value = _value(worker, answer)
                    given[worker] -= answer.last
                    if value:
                        yield value

    def _depth(self, waiting: Sequence[Batch]) -> int:
        return 2 if len(waiting) > len(self._workers) else 1

    def close(self) -> None:
        """End all workers, whatever they are doing."""
        self._finalizer()

    # --- talking to the workers ----------------------------------------------------------------------------------

    def _next_number(self) -> int:
        if not self._finalizer.alive:
            raise BackendError(f"the workers have ended. {GOES_ON}")
        self._number += 1
        return self._number

    def _first(self, verb: str, *arguments: Any) -> Any:
        return self._ask(self._workers[:1], verb, arguments)[0]

    def _all(self, verb: str, *arguments: Any) -> list[Any]:
        return self._ask(self._workers, verb, arguments)

    def _ask(self, workers: Sequence[_Worker], verb: str, arguments: tuple[Any, ...]) -> list[Any]:
        """Have all of them do it at once; their values in order. All are through when the first fault is raised."""
        with self._ending_when_broken():
            task = Task(number=self._next_number(), verb=verb, arguments=arguments)
            for worker in workers:
                worker.send(task)
            found: dict[_Worker, Answer] = {}
            while len(found) < len(workers):
                found.update(self._received(task.number, [worker for worker in workers if worker not in found]))
            return [_value(worker, found[worker]) for worker in workers]

    def _received(self, number: int, workers: Sequence[_Worker]) -> list[tuple[_Worker, Answer]]:
        """The next answers to task `number`; at least one message was read, but perhaps none that counts."""
        by_pipe = {worker.pipe: worker for worker in workers}
        ready = [by_pipe[pipe] for pipe in connection.wait(list(by_pipe)) if isinstance(pipe, Connection)]
        received = [(worker, worker.receive()) for worker in ready]
        return [(worker, answer) for worker, answer in received if answer.number == number]

    @contextlib.contextmanager
    def _ending_when_broken(self) -> Iterator[None]:
        """A refusal leaves the workers for the next question, unless one of them is gone; anything else ends all."""
        try:
            yield
        except Refused:
            if not all(worker.process.is_alive() for worker in self._workers):
                self.close()
            raise
        except GeneratorExit:  # nobody wants the rest; it will be known by its number
            raise
        except BaseException:
            self.close()
            raise


def _value(worker: _Worker, answer: Answer) -> Any:
    """What was answered; raises what went wrong over there."""
    if answer.refusal is not None:
        raise answer.refusal
    if answer.bug is not None:
        raise RuntimeError(f"{worker.name} failed:\n{answer.bug}")
    return answer.value


def _start(make: EngineMaker, devices: Sequence[str]) -> list[_Worker]:
    """One process a device, all at once. Ctrl-C is held back for the moment, so that no child is born with a traceback.

    The block is inherited, which is why it is asked for here and not in the child: Python imports for seconds before
    the child's own first line.
    """
    context, pickled = multiprocessing.get_context("spawn"), pickle.dumps(make)
    resource_tracker.ensure_running()  # which would unblock the signals in the middle of the first start
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    workers: list[_Worker] = []
    try:
        for number, device in enumerate(devices, start=1):
            ours, theirs = context.Pipe()
            name = f"worker {number} of {len(devices)} ({device})"
            process = context.Process(target=work, args=(theirs, pickled, device), name=name, daemon=True)
            process.start()
            theirs.close()  # so that ours ends with the worker
            workers.append(_Worker(process, ours, name))
    except BaseException:
        _end(workers)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return workers


def _end(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join(PATIENCE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.pipe.close()
