"""EIO and ENOSPC at every write and sync, followed by a power cut: nothing acknowledged is lost, nothing is invented.

The disk is the worst one that keeps its word: of the log it has what the last successful fdatasync covered, and a
random part of what was written since.
"""

import errno
import itertools
import os
import random
from pathlib import Path

import pytest
from store_samples import a_manifest, an_outcome, expected_of

from regress.errors import StoreError
from regress.store.runs import LOG, Key, RunWriter, is_sealed, load_run

OUTCOMES = [an_outcome(number) for number in range(80)]


class FaultyDisk:
    """os.write, os.fsync and os.fdatasync that fail at call `fail_at`, counted over all three."""

    def __init__(self, log: Path, fail_at: int | None, code: int) -> None:
        self.log = log
        self.fail_at = fail_at
        self.code = code
        self.calls = 0
        self.durable = 0
        self.after_failure: list[str] = []  # writes and syncs of the log after one of it failed
        self._failed_log = False
        self._write, self._fsync, self._fdatasync = os.write, os.fsync, os.fdatasync

    def install(self, monkeypatch: pytest.MonkeyPatch, *, truncate: bool) -> None:
        monkeypatch.setattr(os, "write", self.write)
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(os, "fdatasync", self.fdatasync)
        if not truncate:
            monkeypatch.setattr(os, "ftruncate", self.no_truncate)

    def write(self, descriptor: int, data: memoryview) -> int:
        if self._fails(descriptor, "write"):
            self._write(descriptor, data[: len(data) // 2])  # a full disk takes what still fits
            raise OSError(self.code, os.strerror(self.code))
        return self._write(descriptor, data[: max(1, len(data) * 2 // 3)])  # short writes are allowed

    def fsync(self, descriptor: int) -> None:
        if self._fails(descriptor, "fsync"):
            raise OSError(self.code, os.strerror(self.code))
        self._fsync(descriptor)

    def fdatasync(self, descriptor: int) -> None:
        if self._fails(descriptor, "fdatasync"):
            raise OSError(self.code, os.strerror(self.code))
        self._fdatasync(descriptor)
        self.durable = os.fstat(descriptor).st_size

    def no_truncate(self, descriptor: int, size: int) -> None:
        raise OSError(self.code, os.strerror(self.code))

    def power_cut(self, rng: random.Random) -> None:
        if self.log.exists():
            size = self.log.stat().st_size
            os.truncate(self.log, rng.randint(min(self.durable, size), size))

    def _fails(self, descriptor: int, what: str) -> bool:
        is_log = self.log.exists() and os.path.samestat(os.fstat(descriptor), self.log.stat())
        if is_log and self._failed_log:
            self.after_failure.append(what)
        failing = self.calls == self.fail_at
        self.calls += 1
        self._failed_log |= failing and is_log
        return failing


def write_all(folder: Path, acknowledged: set[Key]) -> None:
    with RunWriter.open(folder, a_manifest()) as writer:
        acknowledged.update(writer.done)
        for number, outcome in enumerate(OUTCOMES):
            if (outcome.suite, outcome.item) not in writer.done:
                writer.append(outcome)
            if number % 13 == 0:
                writer.commit()
            acknowledged.update(writer.done)
        writer.seal(expected_of(OUTCOMES))
        acknowledged.update(writer.done)


def write_until_refused(folder: Path, disk: FaultyDisk, *, truncate: bool) -> tuple[set[Key], bool]:
    """What was acknowledged on this disk, and whether writing was refused; any other exception is a failure."""
    acknowledged: set[Key] = set()
    with pytest.MonkeyPatch.context() as patch:
        disk.install(patch, truncate=truncate)
        try:
            write_all(folder, acknowledged)
        except StoreError:
            return acknowledged, True
    return acknowledged, False


@pytest.mark.parametrize(("code", "truncate"), [(errno.EIO, False), (errno.ENOSPC, True)])
def test_a_fault_anywhere_acknowledges_nothing_false(tmp_path: Path, truncate: bool, code: int) -> None:
    rng = random.Random(code)
    for fail_at in itertools.count():
        folder = tmp_path / f"{fail_at}"
        disk = FaultyDisk(folder / LOG, fail_at, code)
        acknowledged, refused = write_until_refused(folder, disk, truncate=truncate)
        assert disk.after_failure == []
        if not refused:
            break
        disk.power_cut(rng)
        if not is_sealed(folder):
            with RunWriter.open(folder, a_manifest()) as writer:
                assert acknowledged <= set(writer.done), fail_at
            write_all(folder, set())
        run = load_run(folder)
        assert {o.item: o for items in run.outcomes.values() for o in items.values()} == {o.item: o for o in OUTCOMES}
    assert disk.calls == fail_at > 25  # every call has failed once


def test_a_failed_writer_stays_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fail(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    with RunWriter.open(tmp_path / "run", a_manifest()) as writer:
        writer.append(OUTCOMES[0])
        writer.commit()
        monkeypatch.setattr(os, "fdatasync", fail)
        writer.append(OUTCOMES[1])
        with pytest.raises(StoreError, match="1 records were not stored, 1 are"):
            writer.commit()
        for attempt in (writer.commit, lambda: writer.append(OUTCOMES[2]), lambda: writer.seal(expected_of(OUTCOMES))):
            with pytest.raises(StoreError, match="was closed"):
                attempt()
        assert (len(calls), len(writer.done)) == (1, 1)
    monkeypatch.undo()
    with RunWriter.open(tmp_path / "run", a_manifest()) as writer:
        assert list(writer.done.values()) == OUTCOMES[:1]


def test_ctrl_c_between_write_and_sync_leaves_a_whole_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), RunWriter.open(tmp_path / "run", a_manifest()) as writer:
        writer.append(OUTCOMES[0])
        monkeypatch.setattr(os, "fdatasync", interrupt)
        writer.commit()
    monkeypatch.undo()
    with RunWriter.open(tmp_path / "run", a_manifest()) as writer:
        assert dict(writer.done) == {}
        writer.append(OUTCOMES[0])
        writer.seal(expected_of(OUTCOMES[:1]))
