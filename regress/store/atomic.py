"""Whole files: written so that it is either done or did not happen, also across a power cut, and read with a budget."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from regress.errors import StoreError


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data`: a new file beside it, fsync, rename, fsync of the folder.

    A reader sees the old bytes or the new ones. Raises OSError with nothing changed, except where the last fsync fails:
    then the new bytes are there but may not survive a power cut.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_all(descriptor: int, data: bytes) -> None:
    """os.write until everything is written: one call may take less than it was given."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_data(descriptor: int) -> None:
    """fdatasync, or fsync on systems without it."""
    getattr(os, "fdatasync", os.fsync)(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable: a new file is lost in a power cut until its folder is synced."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create `folder` and its missing parents, each durable in its own parent."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        sync_folder(new.parent)


def read_regular(path: Path, max_bytes: int) -> bytes:
    """All bytes of a regular file that is no symlink.

    Raises FileNotFoundError where there is none, and StoreError for anything else that keeps it from being read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"cannot open {path}: {error.strerror}; stored files are never links.") from error
    try:
        return read_descriptor(descriptor, path, max_bytes)
    finally:
        os.close(descriptor)


def read_descriptor(descriptor: int, shown: Path, max_bytes: int) -> bytes:
    """All bytes behind `descriptor`, from the start; StoreError unless it is a regular file within the budget."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{shown} is not a regular file; restore it from a copy.")
    if status.st_size > max_bytes:
        raise StoreError(f"{shown} has {status.st_size} bytes, more than the {max_bytes} that such a file may have.")
    parts = []
    offset = 0
    try:
        while part := os.pread(descriptor, 2**26, offset):
            parts.append(part)
            offset += len(part)
            if offset > max_bytes:
                raise StoreError(f"{shown} grew beyond {max_bytes} bytes while it was read.")
    except OSError as error:
        raise StoreError(f"cannot read {shown}: {error.strerror}.") from error
    return b"".join(parts)
