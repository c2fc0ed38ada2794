"""An append-only, hash-chained log of JSON objects: one frame a line, `sha256(previous ‖ body) SP body LF`.

`previous` is the hash as the frame before states it (64 hexadecimal characters), for the first frame the hash of a
label that says what the log is, so that a log cannot stand in for another. `body` is canonical JSON (RFC 8785), which
holds no line feed of its own.

Promises, and what they rest on:

- A record counts only after fdatasync; up to 32 records or 250 ms share one (group commit).
- A failed write or sync is never tried again: Linux may have dropped the dirty pages, and a second sync then succeeds
  without having written them (Rebello et al., USENIX ATC 2020). The writer cuts off what was not acknowledged, as far
  as it still can, and is of no more use.
- One writer: flock on the log itself; the file beside it, NAME.lock, only says who that is.
- An unterminated last line was being written when something died: it is cut, under the lock. A complete line that does
  not verify is fatal.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from regress.errors import StoreError
from regress.hashing.canonical import canonical_json
from regress.store.atomic import read_descriptor, read_regular, sync_data, sync_folder, write_all, write_atomic
from regress.store.filesystem import network_filesystem

MAX_LOG_BYTES = 4 * 2**30
MAX_RECORD_BYTES = 16 * 2**20
GROUP_RECORDS = 32
GROUP_SECONDS = 0.25

_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A verified log: its bodies, the last frame's hash, and how many bytes are complete frames and how many torn."""

    bodies: tuple[bytes, ...]
    head: str
    length: int
    torn: int


def chain_start(label: str) -> bytes:
    """What stands before the first frame of a log called `label`."""
    return _link(b"", label.encode("utf-8"))


def _link(previous: bytes, body: bytes) -> bytes:
    return sha256(previous + body).hexdigest().encode("ascii")


def verify_chain(data: bytes, label: str, shown: Path) -> Chain:
    """Verify every complete frame of `data`.

    Raises StoreError naming `shown` and the line for the first frame that is not what was written.
    """
    previous = chain_start(label)
    lines = data.split(b"\n")
    torn = len(lines.pop())
    bodies = []
    for number, line in enumerate(lines, start=1):
        stated, _, body = line.partition(b" ")
        previous = _link(previous, body)
        if stated != previous:
            raise StoreError(
                f"{shown}:{number}: the line is not what was written: its hash does not follow from the line and the"
                " one before. Restore the file from a copy, or delete it and record it again."
            )
        bodies.append(body)
    return Chain(bodies=tuple(bodies), head=previous.decode("ascii"), length=len(data) - torn, torn=torn)


def read_chain(path: Path, label: str) -> Chain:
    """Read and verify a whole log without taking its lock; an unterminated last line is counted in `torn`.

    Raises FileNotFoundError where there is none, StoreError for a bad line, a symlink or an unreadable file.
    """
    return verify_chain(read_regular(path, MAX_LOG_BYTES), label, path)


def read_records(path: Path, label: str) -> tuple[dict[str, object], ...]:
    """The log's records as JSON objects; raises as `read_chain` does, and StoreError for a torn last line."""
    chain = read_chain(path, label)
    if chain.torn:
        raise StoreError(
            f"{path}:{len(chain.bodies) + 1}: the last line is torn ({chain.torn} bytes without an end); restore the"
            " file from a copy, or open it for writing, which cuts the line."
        )
    return tuple(_object(body, path, number) for number, body in enumerate(chain.bodies, start=1))


def _object(body: bytes, shown: Path, number: int) -> dict[str, object]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{shown}:{number}: not JSON: {error}; restore the file from a copy.") from error
    if not isinstance(value, dict):
        raise StoreError(f"{shown}:{number}: not a JSON object; restore the file from a copy.")
    return value


class ChainWriter:
    """The one writer of a log, for one thread. Leaving the `with` block commits and gives the lock back.

    `found` is what the log held when it was opened, torn tail cut; `committed` counts the frames that are durable.
    """

    def __init__(self, path: Path, descriptor: int, found: Chain, clock: Callable[[], float]) -> None:
        self.path = path
        self.found = found
        self.committed = len(found.bodies)
        self.head = found.head
        self._descriptor: int | None = descriptor
        self._clock = clock
        self._length = found.length
        self._pending: list[tuple[bytes, bytes]] = []  # (hash, frame)
        self._oldest = 0.0

    @classmethod
    def open(
        cls,
        path: Path,
        label: str,
        *,
        allow_network: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Open or create the log `path`, whose folder exists.

        Raises StoreError while another writer holds it (naming it), for a bad line, a symlink, and for a network file
        system unless `allow_network`.
        """
        kind = None if allow_network else network_filesystem(path.parent)
        if kind is not None:
            raise StoreError(
                f"{path.parent} is on a network file system ({kind}), where locks and syncs may not hold; use a local"
                " disk, or allow network file systems explicitly."
            )
        try:
            descriptor = os.open(path, _OPEN, 0o666)
        except OSError as error:
            raise StoreError(f"cannot open {path} for writing: {error.strerror}; a log is never a link.") from error
        try:
            _lock(descriptor, path)
            try:
                return cls(path, descriptor, _recover(descriptor, path, label), clock)
            except BaseException:
                _holder_file(path).unlink(missing_ok=True)
                raise
        except BaseException:
            os.close(descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if self._descriptor is not None:
                self.commit()
        finally:
            self.close()

    @property
    def pending(self) -> int:
        """Records that were appended and may still be lost."""
        return len(self._pending)

    def append(self, record: Mapping[str, object]) -> None:
        """Add a record; it is durable when `pending` is 0 again, which the 32nd record or 250 ms bring about.

        No timer runs: the age of the oldest record is looked at when the next one comes, so call `commit` before a
        pause. Raises StoreError where the log cannot be written, Refused for a record without canonical JSON.
        """
        self._require_open()
        body = canonical_json(record)
        if len(body) > MAX_RECORD_BYTES:
            raise StoreError(f"{self.path}: a record of {len(body)} bytes is over the limit of {MAX_RECORD_BYTES}.")
        if not self._pending:
            self._oldest = self._clock()
        link = _link(self._pending[-1][0] if self._pending else self.head.encode("ascii"), body)
        self._pending.append((link, b"%s %s\n" % (link, body)))
        if len(self._pending) >= GROUP_RECORDS or self._clock() - self._oldest >= GROUP_SECONDS:
            self.commit()

    def commit(self) -> int:
        """Write and sync what is pending; returns how many frames are durable now.

        Raises StoreError when that fails: nothing pending was acknowledged, and the writer is closed.
        """
        descriptor = self._require_open()
        if not self._pending:
            return self.committed
        data = b"".join(frame for _, frame in self._pending)
        try:
            self._check_untouched(descriptor)
            write_all(descriptor, data)
            sync_data(descriptor)
            self._length += len(data)
            self.committed += len(self._pending)
            self.head = self._pending[-1][0].decode("ascii")
            self._pending.clear()
        except OSError as error:
            self._give_up(descriptor)
            raise StoreError(
                f"{self.path}: {error.strerror}; {len(self._pending)} records were not stored, {self.committed} are."
                " Look after the disk, then run again: what is stored is not asked again."
            ) from error
        except BaseException:  # Ctrl-C half way: nothing may be appended after half a group, nor the group twice
            self._give_up(descriptor)
            raise
        return self.committed

    def close(self) -> None:
        """Give the lock back without committing; a second call does nothing."""
        if self._descriptor is not None:
            _holder_file(self.path).unlink(missing_ok=True)  # before the lock goes, or it might be the next writer's
            os.close(self._descriptor)
            self._descriptor = None

    def _require_open(self) -> int:
        if self._descriptor is None:
            raise StoreError(f"{self.path}: the log was closed, after a failure perhaps; open it again.")
        return self._descriptor

    def _check_untouched(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if status.st_nlink == 0 or status.st_size != self._length:
            state = "deleted" if status.st_nlink == 0 else f"changed from {self._length} to {status.st_size} bytes"
            self.close()
            raise StoreError(f"{self.path} was {state} by somebody else while it was being written; run again.")

    def _give_up(self, descriptor: int) -> None:
        """Take back unacknowledged bytes: what only the page cache holds must not be read as stored later on."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(descriptor, self._length)
            self.close()


def _holder_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreError(
            f"{path} is being written by {_holder(path)}; wait for it, or stop it and run again."
        ) from error
    except OSError as error:
        raise StoreError(f"cannot lock {path}: {error.strerror}; use a local disk.") from error
    who = canonical_json({"host": socket.gethostname(), "pid": os.getpid()})
    try:
        write_atomic(_holder_file(path), who + b"\n")
    except OSError as error:
        raise StoreError(f"cannot write {_holder_file(path)}: {error.strerror}.") from error


def is_written(path: Path) -> bool:
    """Whether a process of this machine seems to be writing the log: its note is there and it is alive.

    For people only. The lock itself is not touched, since whoever tries it could keep a writer out for that moment.
    """
    try:
        who = json.loads(read_regular(_holder_file(path), 4096))
        if who["host"] != socket.gethostname():
            return False
        os.kill(int(who["pid"]), 0)
    except PermissionError:  # alive, and somebody else's
        return True
    except (OSError, StoreError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return False
    return True


def _holder(path: Path) -> str:
    """Who holds the lock, for a message only; the file's time is the moment the lock was taken."""
    try:
        file = _holder_file(path)
        who = json.loads(read_regular(file, 4096))
        since = datetime.fromtimestamp(file.lstat().st_mtime, tz=UTC)
        return f"process {int(who['pid'])} on {str(who['host'])!r} since {since:%Y-%m-%d %H:%M:%S} UTC"
    except (OSError, StoreError, ValueError, TypeError, KeyError, RecursionError):
        return "another process"


def _recover(descriptor: int, path: Path, label: str) -> Chain:
    """Verify the log under the lock, cut a torn tail, and make what is there durable before anyone counts on it."""
    chain = verify_chain(read_descriptor(descriptor, path, MAX_LOG_BYTES), label, path)
    try:
        if chain.torn:
            os.ftruncate(descriptor, chain.length)
        sync_data(descriptor)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"cannot open {path} for writing: {error.strerror}.") from error
    return chain
