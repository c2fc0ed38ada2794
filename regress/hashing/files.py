"""Digests of files that others wrote: regular files only, each opened once, never through a symlink.

A file can be exchanged between the moment it is hashed and the moment it is loaded. `private_copy` therefore hashes the
very bytes that it copies into a folder of our own; load from there, and call `verify_copy` afterwards.
Every function that can refuse takes the error class to raise: AdapterError for adapters, ModelError for base models.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from regress.errors import Refused
from regress.hashing.canonical import digest_json

_CHUNK = 2**20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # non-blocking: opening a FIFO must not hang
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file's content: `sha256:<hex>` and the size in bytes."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSet:
    """Files of one folder by name, in sorted order."""

    files: Mapping[str, FileEntry]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.files.values())

    @property
    def digest(self) -> str:
        """`sha256:<hex>` over the canonical JSON of names, digests and sizes."""
        return digest_json({name: {"digest": e.digest, "size": e.size} for name, e in self.files.items()})


def digest_bytes(data: bytes) -> str:
    """`sha256:<hex>` of `data`."""
    return f"sha256:{sha256(data).hexdigest()}"


def digest_file(path: Path, *, refuse: type[Refused] = Refused) -> FileEntry:
    """Digest and size of one regular file, read in chunks.

    Raises `refuse` for a symlink, a FIFO, a device, a folder, an unreadable file and one that changes while it is read.
    """
    with _open_regular(path.name, path, None, refuse) as source:
        return _digest(source, path, refuse)


@contextmanager
def open_regular(path: Path, refuse: type[Refused] = Refused) -> Iterator[BinaryIO]:
    """A regular file to read from; raises `refuse` for a link, a FIFO, a device, a folder and what is not there."""
    with _open_regular(path.name, path, None, refuse) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        yield file


def digest_files(folder: Path, names: Iterable[str], *, refuse: type[Refused] = Refused) -> FileSet:
    """The named files of `folder`; raises `refuse` as `digest_file` does, and for a name that leads elsewhere."""
    with _open_folder(folder, refuse) as parent:
        entries = {}
        for name in sorted(set(names)):
            if name in ("", ".", "..") or "/" in name or "\0" in name:
                raise refuse(f"{name!r} is not the name of a file in {folder}; name files without their path.")
            with _open_regular(name, folder / name, parent, refuse) as source:
                entries[name] = _digest(source, folder / name, refuse)
    return FileSet(files=MappingProxyType(entries))


def private_copy(
    source: Path,
    destination: Path,
    *,
    allowed: Callable[[str], bool],
    max_bytes: int,
    refuse: type[Refused] = Refused,
    leave_others: bool = False,
) -> FileSet:
    """Copy a folder's files into the new folder `destination` (mode 0700), hashing what is copied.

    `allowed` says which names may be there at all, or, with `leave_others`, which are taken while nothing else is
    looked at; `max_bytes` bounds all files together. Raises `refuse` for any other name, a subfolder, anything that is
    no regular file, a folder over the budget, a file that changes while it is copied, and a destination that exists.
    Nothing is left at `destination` when it raises.
    """
    with _open_folder(source, refuse) as origin:
        taken = [name for name in _names(origin) if allowed(name)] if leave_others else None
        names = _checked_names(origin, source, allowed, refuse) if taken is None else taken
        with _private_folder(destination, refuse):
            entries: dict[str, FileEntry] = {}
            left = max_bytes
            for name in names:
                with _open_regular(name, source / name, origin, refuse) as descriptor:
                    if os.fstat(descriptor).st_size > left:
                        raise refuse(
                            f"{source} holds more than {max_bytes} bytes (up to {name!r}); take out the large."
                        )
                    entries[name] = _copy(descriptor, source / name, destination / name, refuse)
                left -= entries[name].size
    return FileSet(files=MappingProxyType(entries))


def verify_copy(expected: FileSet, folder: Path, *, refuse: type[Refused] = Refused) -> None:
    """Raise `refuse` unless `folder` holds exactly the files of `expected`, byte for byte."""
    with _open_folder(folder, refuse) as descriptor:
        present = set(_names(descriptor))
    for name in sorted(present ^ set(expected.files)):
        what = "was added to" if name in present else "is missing from"
        raise refuse(f"{name!r} {what} {folder} since it was hashed; start again from a fresh copy.")
    found = digest_files(folder, expected.files, refuse=refuse)
    for name, entry in expected.files.items():
        if found.files[name] != entry:
            raise refuse(
                f"{name!r} in {folder} changed since it was hashed: {entry.digest} ({entry.size} bytes) then,"
                f" {found.files[name].digest} ({found.files[name].size} bytes) now; start again from a fresh copy."
            )


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def _checked_names(origin: int, source: Path, allowed: Callable[[str], bool], refuse: type[Refused]) -> list[str]:
    names = _names(origin)
    for name in names:
        if not allowed(name):
            raise refuse(f"{source} holds {name!r}, which has no place there; remove it.")
    if not names:
        raise refuse(f"{source} is empty; name the folder that holds the files.")
    return names


@contextmanager
def _private_folder(folder: Path, refuse: type[Refused]) -> Iterator[None]:
    """A new folder that only we can enter; removed again when the body raises."""
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise refuse(f"cannot make the private folder {folder}: {error.strerror}.") from error
    try:
        yield
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise refuse(f"cannot copy into {folder}: {error.strerror}.") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def _open_folder(folder: Path, refuse: type[Refused]) -> Iterator[int]:
    try:
        descriptor = os.open(folder, _FOLDER)
    except OSError as error:
        raise refuse(f"cannot open the folder {folder}: {error.strerror}.") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _open_regular(name: str, shown: Path, parent: int | None, refuse: type[Refused]) -> Iterator[int]:
    """A descriptor of the regular file `name` in the folder `parent`, or of `shown` itself without a parent."""
    try:
        descriptor = os.open(shown if parent is None else name, _READ, dir_fd=parent)
    except OSError as error:  # ELOOP for a symlink, ENXIO for a socket
        raise refuse(f"cannot open {shown}: {error.strerror}; only regular files are read, never links.") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise refuse(f"{shown} is not a regular file; put the file itself there.")
        yield descriptor
    finally:
        os.close(descriptor)


def _chunks(descriptor: int, shown: Path, refuse: type[Refused]) -> Iterator[memoryview]:
    """The file's bytes; raises `refuse` at the end where its size or time of change moved meanwhile."""
    before = os.fstat(descriptor)
    buffer = memoryview(bytearray(_CHUNK))
    total = 0
    try:
        while count := os.readv(descriptor, [buffer]):
            total += count
            if total > before.st_size:
                break  # it grows: without end, perhaps
            yield buffer[:count]
    except OSError as error:
        raise refuse(f"cannot read {shown}: {error.strerror}.") from error
    after = os.fstat(descriptor)
    if total != before.st_size or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise refuse(f"{shown} changed while it was read; wait until nothing writes to it, then try again.")


def _digest(descriptor: int, shown: Path, refuse: type[Refused]) -> FileEntry:
    running = sha256()
    size = 0
    for chunk in _chunks(descriptor, shown, refuse):
        running.update(chunk)
        size += len(chunk)
    return FileEntry(digest=f"sha256:{running.hexdigest()}", size=size)


def _copy(descriptor: int, shown: Path, target: Path, refuse: type[Refused]) -> FileEntry:
    """At most the size that the file had when it was opened is written: `_chunks` refuses one that grows."""
    running = sha256()
    size = 0
    with os.fdopen(os.open(target, _CREATE, 0o600), "wb") as copy:
        for chunk in _chunks(descriptor, shown, refuse):
            size += len(chunk)
            running.update(chunk)
            copy.write(chunk)
    return FileEntry(digest=f"sha256:{running.hexdigest()}", size=size)
