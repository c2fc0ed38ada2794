"""The hash-chained log: frames, group commit, one writer, what is cut and what is fatal."""

import json
import os
import socket
from hashlib import sha256
from pathlib import Path

import pytest

from regress.errors import Refused, StoreError
from regress.store import chain
from regress.store.chain import ChainWriter, chain_start, read_chain, read_records
from regress.store.filesystem import network_filesystem

LABEL = "test log"


class Clock:
    """Seconds that pass when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def write(log: Path, count: int, first: int = 0) -> None:
    with ChainWriter.open(log, LABEL) as writer:
        for number in range(first, first + count):
            writer.append({"n": number})


def test_a_frame_can_be_recomputed_from_the_specification(log: Path) -> None:
    write(log, 2)
    start = sha256(LABEL.encode()).hexdigest()
    first = sha256(start.encode() + b'{"n":0}').hexdigest()
    second = sha256(first.encode() + b'{"n":1}').hexdigest()
    assert log.read_bytes() == f'{first} {{"n":0}}\n{second} {{"n":1}}\n'.encode()
    assert read_chain(log, LABEL).head == second
    assert chain_start(LABEL) == start.encode()


def test_records_come_back_across_reopening(log: Path) -> None:
    write(log, 3)
    write(log, 2, first=3)
    assert read_records(log, LABEL) == tuple({"n": number} for number in range(5))
    with ChainWriter.open(log, LABEL) as writer:
        assert (writer.committed, len(writer.found.bodies)) == (5, 5)


def test_an_empty_log_is_a_log(log: Path) -> None:
    write(log, 0)
    assert read_records(log, LABEL) == ()
    with pytest.raises(FileNotFoundError):
        read_records(log.with_name("none"), LABEL)


@pytest.mark.parametrize(("records", "durable"), [(1, 0), (31, 0), (32, 32), (33, 32), (64, 64)])
def test_32_records_are_one_group(log: Path, records: int, durable: int) -> None:
    with ChainWriter.open(log, LABEL, clock=Clock()) as writer:
        for number in range(records):
            writer.append({"n": number})
        assert (writer.committed, writer.pending) == (durable, records - durable)
        assert len(read_chain(log, LABEL).bodies) == durable
        assert writer.commit() == records


@pytest.mark.parametrize(("waited", "durable"), [(0.249, 0), (0.25, 2)])
def test_a_group_waits_250_ms_at_most(log: Path, waited: float, durable: int) -> None:
    clock = Clock()
    with ChainWriter.open(log, LABEL, clock=clock) as writer:
        writer.append({})
        clock.now += waited
        writer.append({})
        assert writer.committed == durable


def test_every_record_is_synced_before_it_counts(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    real_write, real_sync = os.write, os.fdatasync
    with ChainWriter.open(log, LABEL) as writer:

        def write_(descriptor: int, data: bytes) -> int:
            events.append("write")
            return real_write(descriptor, data)

        def sync(descriptor: int) -> None:
            events.append(f"sync at {writer.committed}")
            real_sync(descriptor)

        monkeypatch.setattr(os, "write", write_)
        monkeypatch.setattr(os, "fdatasync", sync)
        writer.append({})
        writer.commit()
    assert events == ["write", "sync at 0"]


def test_what_a_killed_writer_left_is_synced_before_anyone_counts_on_it(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(log, 2)

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(StoreError, match=r"cannot open .* for writing: Input/output error"):
        ChainWriter.open(log, LABEL)
    monkeypatch.undo()
    assert [file.name for file in log.parent.iterdir()] == [log.name]
    write(log, 1, first=2)  # the lock was given back


def test_leaving_with_an_exception_keeps_what_was_appended(log: Path) -> None:
    with pytest.raises(KeyboardInterrupt), ChainWriter.open(log, LABEL) as writer:
        writer.append({"n": 0})
        raise KeyboardInterrupt
    assert len(read_records(log, LABEL)) == 1


def test_the_second_writer_is_refused_and_told_who_is_first(log: Path) -> None:
    with ChainWriter.open(log, LABEL):
        with pytest.raises(StoreError, match=rf"written by process {os.getpid()} on '{socket.gethostname()}' since 20"):
            ChainWriter.open(log, LABEL)
        log.with_name("history.jsonl.lock").write_bytes(b'{"pid": "\x1b[2J"}')
        with pytest.raises(StoreError, match="written by another process;"):
            ChainWriter.open(log, LABEL)
    assert [file.name for file in log.parent.iterdir()] == ["history.jsonl"]
    write(log, 1)


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"pid": 1, "host": "gone"}'])
def test_a_lock_file_left_by_a_killed_writer_holds_nobody_out(log: Path, left: bytes) -> None:
    log.with_name("history.jsonl.lock").write_bytes(left)
    write(log, 1)


def test_a_closed_writer_writes_nothing(log: Path) -> None:
    writer = ChainWriter.open(log, LABEL)
    writer.close()
    writer.close()
    with pytest.raises(StoreError, match="was closed"):
        writer.append({})
    with pytest.raises(StoreError, match="was closed"):
        writer.commit()


@pytest.mark.parametrize("open_it", [lambda p: ChainWriter.open(p, LABEL), lambda p: read_records(p, LABEL)])
def test_a_symlink_a_fifo_and_a_folder_are_no_logs(log: Path, open_it: object) -> None:
    assert callable(open_it)
    write(log, 1)
    link, fifo, folder = (log.with_name(name) for name in ("link", "fifo", "folder"))
    link.symlink_to(log)
    os.mkfifo(fifo)
    folder.mkdir()
    for path in (link, fifo, folder):
        with pytest.raises(StoreError):
            open_it(path)


def test_every_truncation_is_cut_back_to_whole_lines(log: Path) -> None:
    write(log, 4)
    data = log.read_bytes()
    ends = [0, *(at + 1 for at, byte in enumerate(data) if byte == ord("\n"))]
    for size in range(len(data) + 1):
        log.write_bytes(data[:size])
        whole = max(end for end in ends if end <= size)
        if whole != size:
            with pytest.raises(StoreError, match=r":\d: the last line is torn"):
                read_records(log, LABEL)
        with ChainWriter.open(log, LABEL) as writer:
            assert writer.found.torn == size - whole
        assert log.read_bytes() == data[:whole]


def test_a_bad_line_is_fatal_and_named(log: Path) -> None:
    write(log, 4)
    lines = log.read_bytes().splitlines(keepends=True)
    for number, damaged in [
        (2, [lines[0], lines[1].replace(b"1}", b"7}"), *lines[2:]]),
        (1, lines[1:]),
        (3, [*lines[:2], lines[3]]),
        (2, [lines[0], lines[2], lines[1], lines[3]]),
        (3, [*lines[:2], lines[1], *lines[2:]]),
        (5, [*lines, b"\n"]),
        (5, [*lines, lines[3]]),
    ]:
        log.write_bytes(b"".join(damaged))
        for read in (lambda: read_records(log, LABEL), lambda: ChainWriter.open(log, LABEL)):
            with pytest.raises(StoreError, match=rf"history.jsonl:{number}: the line is not what was written"):
                read()
        assert log.read_bytes() == b"".join(damaged)


def test_a_log_cannot_stand_in_for_another(log: Path) -> None:
    write(log, 1)
    with pytest.raises(StoreError, match=":1: "):
        read_records(log, "another log")


def test_what_has_no_canonical_form_is_refused_and_costs_nothing(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ChainWriter.open(log, LABEL) as writer:
        with pytest.raises(Refused):
            writer.append({"x": float("nan")})
        monkeypatch.setattr(chain, "MAX_RECORD_BYTES", 10)
        with pytest.raises(StoreError, match="over the limit of 10"):
            writer.append({"x": "0123456789"})
        writer.append({"x": "0"})
    assert read_records(log, LABEL) == ({"x": "0"},)


def test_a_chained_line_that_is_no_object_is_refused(log: Path) -> None:
    for body in (b"[]", b"{", b"[" * 100_000):
        log.write_bytes(sha256(chain_start(LABEL) + body).hexdigest().encode() + b" " + body + b"\n")
        with pytest.raises(StoreError, match=":1: not"):
            read_records(log, LABEL)


def test_a_log_over_the_budget_is_refused(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(log, 1)
    monkeypatch.setattr(chain, "MAX_LOG_BYTES", 10)
    with pytest.raises(StoreError, match="more than the 10"):
        read_records(log, LABEL)


@pytest.mark.parametrize(
    ("interfere", "state"), [(Path.unlink, "deleted"), (lambda log: os.truncate(log, 3), "changed from .* to 3 bytes")]
)
def test_interference_is_noticed_before_anything_is_acknowledged(log: Path, interfere: object, state: str) -> None:
    assert callable(interfere)
    write(log, 1)
    writer = ChainWriter.open(log, LABEL)
    interfere(log)
    writer.append({})
    with pytest.raises(StoreError, match=state):
        writer.commit()
    assert writer.committed == 1


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /mnt/share rw - nfs4 server:/share rw
31 30 254:1 / /mnt/share/scratch rw - xfs /dev/vdb rw
32 22 0:26 / /mnt/two\\040words rw shared:2 master:3 - cifs //server/x rw
33 22 0:27 / /over rw - overlay overlay rw
34 22 0:28 / /bucket rw - fuse.gcsfuse bucket rw
35 22 0:29 / /shadowed rw - nfs server:/a rw
36 35 0:30 / /shadowed rw - tmpfs tmpfs rw
garbage
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me", None),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/runs", "nfs4"),
        ("/mnt/shared", None),
        ("/mnt/share/scratch/runs", None),
        ("/mnt/two words/x", "cifs"),
        ("/over", None),
        ("/bucket/runs", "fuse.gcsfuse"),
        ("/shadowed", None),
    ],
)
def test_which_file_system_a_path_is_on(tmp_path: Path, path: str, kind: str | None) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert network_filesystem(Path(path), tmp_path / "mountinfo") == kind
    assert network_filesystem(Path(path), tmp_path / "none") is None


def test_a_network_file_system_is_refused_unless_allowed(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "network_filesystem", lambda _: "nfs4")
    with pytest.raises(StoreError, match=r"network file system \(nfs4\)"):
        ChainWriter.open(log, LABEL)
    with ChainWriter.open(log, LABEL, allow_network=True) as writer:
        writer.append(json.loads("{}"))
    assert len(read_records(log, LABEL)) == 1
