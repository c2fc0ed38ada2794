"""Several worker processes that answer as one: every batch once, nothing mixed up, and all gone when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from numbers_engine import ADAPTER, BASE, SUITE, numbers

from regress.backends.pool import PooledEngine
from regress.backends.protocol import Engine
from regress.errors import AdapterError, BackendError
from regress.schema import Reply, Suite


def pool(*ills: str) -> PooledEngine:
    return PooledEngine(numbers, [f"cpu:{ill}" for ill in ills])


def answered(engine: Engine, suite: Suite) -> dict[int, Reply]:
    replies: dict[int, Reply] = {}
    for ready in engine.answers(suite, engine.batches(suite, engine.render(suite))):
        assert not replies.keys() & dict(ready).keys()
        replies.update(ready)
    return replies


def processes(engine: PooledEngine) -> list[int]:
    return [worker.process.pid or 0 for worker in engine._workers]


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture(scope="module")
def three() -> Iterator[PooledEngine]:
    engine = pool("", "", "")
    yield engine
    engine.close()


def test_every_batch_is_answered_once_and_all_workers_take_part(three: PooledEngine) -> None:
    for variant, factor in ((BASE, 1), (ADAPTER, 1000)):
        three.use(variant)
        found = answered(three, SUITE)
        assert {place: reply.text for place, reply in found.items()} == {n: str(n * factor) for n in range(41)}
        assert {reply.prompt_tokens for reply in found.values()} == {processes(three)[0]}  # who planned
        assert {reply.reply_tokens for reply in found.values()} <= set(processes(three))


def test_what_it_says_of_itself_is_what_each_worker_says(three: PooledEngine) -> None:
    assert (three.name, three.precision, three.device, three.batch_policy) == ("numbers 1", "fp32", "cpu", "twos")


def test_nothing_to_answer_is_no_work(three: PooledEngine) -> None:
    assert list(three.answers(SUITE, [])) == []


def test_answers_that_nobody_waited_for_are_not_taken_for_others(three: PooledEngine) -> None:
    three.use(BASE)
    begun = three.answers(SUITE, three.batches(SUITE, three.render(SUITE)))
    next(begun)
    begun.close()  # type: ignore[attr-defined]
    three.use(ADAPTER)
    assert {place: reply.text for place, reply in answered(three, SUITE).items()} == {
        n: str(n * 1000) for n in range(41)
    }


def test_an_adapter_that_is_refused_leaves_the_workers_for_the_next(three: PooledEngine) -> None:
    with pytest.raises(AdapterError, match=r"^no adapter there\.$"):
        three.attach("broken")
    assert [check.detail for check in three.attach("good")] == ["good"]
    three.use(BASE)
    assert len(answered(three, SUITE)) == 41


def test_the_merged_model_is_written_once(three: PooledEngine, tmp_path: Path) -> None:
    three.save_merged(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"by-{processes(three)[0]}"]


def test_prompts_alone_are_always_asked_of_one_worker(three: PooledEngine) -> None:
    three.use(ADAPTER)
    found = [three.alone(SUITE, request) for request in three.render(SUITE)[:5]]
    assert [lone.tokens for lone in found] == [(n * 1000,) for n in range(5)]
    assert {lone.peak_bytes for lone in found} == {processes(three)[0]}


def test_workers_that_do_not_compute_the_same_are_refused() -> None:
    engine = pool("", "rounds")
    with pytest.raises(BackendError, match=r"worker 2 of 2 \(cpu:rounds\) and worker 1 .* do not compute the same"):
        engine.fingerprint(engine.render(SUITE)[:2])
    engine.close()


@pytest.mark.parametrize(
    ("ill", "message"), [("other policy", r"worker 2 of 2 .* is not like worker 1"), ("unloadable", "no model here")]
)
def test_workers_that_are_not_alike_or_have_no_model_are_refused(ill: str, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        pool("", ill)


@pytest.mark.parametrize(
    ("ill", "message"),
    [
        (
            "dies",
            r"worker 2 of 2 \(cpu:dies\) ended before its work was done \(killed by SIGKILL\).*goes on from there",
        ),
        ("CUDA", r"cpu:CUDA: CUDA error: an illegal memory access was encountered\."),
    ],
)
def test_a_worker_that_is_lost_ends_the_run(ill: str, message: str) -> None:
    engine = pool("", ill)
    with pytest.raises(BackendError, match=message):
        answered(engine, SUITE)
    if ill == "dies":
        assert all(map(gone, processes(engine)))
        with pytest.raises(BackendError, match="the workers have ended"):
            engine.use(BASE)
    engine.close()


def test_a_bug_in_a_worker_is_a_bug_here() -> None:
    engine = pool("", "bug")
    with pytest.raises(RuntimeError, match="ZeroDivisionError: a bug"):
        answered(engine, SUITE)
    assert all(map(gone, processes(engine)))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Also where the tests are a shell's background job, which ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_all_workers() -> None:
    engine = pool("slow", "slow")
    batches = engine.batches(SUITE, engine.render(SUITE))
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        list(engine.answers(SUITE, batches))
    assert all(map(gone, processes(engine)))


def test_an_engine_that_is_forgotten_leaves_no_process() -> None:
    engine = pool("")
    (process,) = processes(engine)
    del engine
    assert gone(process)


PARENT = """
from numbers_engine import SUITE, numbers
from regress.backends.pool import PooledEngine
engine = PooledEngine(numbers, ["cpu:slow", "cpu:slow"])
print(*(worker.process.pid for worker in engine._workers), flush=True)
list(engine.answers(SUITE, engine.batches(SUITE, engine.render(SUITE))))
"""


def test_no_worker_outlives_a_parent_that_was_killed() -> None:
    """They hold the memory of a GPU each, and sit in the middle of a batch."""
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(number) for number in parent.stdout.readline().split()]
        assert len(workers) == 2
        time.sleep(0.3)
        parent.kill()
    deadline = time.monotonic() + 10
    while not all(map(over, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(map(over, workers))


def over(process: int) -> bool:
    """Gone, or a zombie that nobody in a container without an init collects."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return gone(process)


def test_workers_ignore_an_interrupt_of_their_own() -> None:
    """Ctrl-C in a terminal reaches every process of the group; what becomes of the workers is the parent's business."""
    engine = pool("")
    os.kill(processes(engine)[0], signal.SIGINT)
    assert len(answered(engine, SUITE)) == 41
    engine.close()


def satisfies_the_protocol(devices: Sequence[str]) -> Engine:
    """For the type checker."""
    return PooledEngine(numbers, devices)
