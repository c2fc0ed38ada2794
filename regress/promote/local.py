"""The registry that is a folder: one folder a version, a hash-chained history, and a link called `production`.

    REGISTRY/versions/<16 hexadecimal digits of the record's digest>/{adapter/, promotion.json}
    REGISTRY/history.jsonl
    REGISTRY/production -> versions/<...>

A version is put together in a hidden folder beside the others, synced, and moved into place whole; the link is replaced
by one rename. Whatever dies in between leaves only a hidden folder, which the next writer takes away.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from regress.errors import PromotionError
from regress.promote.history import HISTORY_LABEL, Event, Line, read_line
from regress.promote.registry import ADAPTER, RECORD, read_record
from regress.store.atomic import make_folder, sync_folder
from regress.store.chain import ChainWriter, read_chain
from regress.store.filesystem import network_filesystem

VERSIONS = "versions"
HISTORY = "history.jsonl"
PRODUCTION = "production"

_LOCK = "registry.lock"
_SCRATCH = ".unfinished-"
_TARGET = re.compile(r"versions/([0-9a-f]{16})")


class LocalRegistry:
    """A registry in a folder of this machine's own disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def where(self) -> str:
        return str(self.folder)

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """One writer at a time, by flock; what an earlier one left half done is taken away first."""
        try:
            make_folder(self.folder / VERSIONS)
        except OSError as reason:
            raise PromotionError(f"cannot make the registry {self.folder}: {reason.strerror}.") from reason
        if (kind := network_filesystem(self.folder)) is not None:
            raise PromotionError(f"{self.folder} is on a network file system ({kind}), where locks may not hold.")
        with one_at_a_time(self.folder / _LOCK, self.where):
            for left in [*self.folder.glob(f"{_SCRATCH}*")]:
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
            scratch = self.folder / f"{_SCRATCH}{secrets.token_hex(8)}"
            try:
                scratch.mkdir(mode=0o700)
                yield scratch
            except OSError as reason:
                raise PromotionError(
                    f"cannot write to {self.folder}: {reason.strerror}. See `regress history`."
                ) from reason
            finally:
                shutil.rmtree(scratch, ignore_errors=True)

    def line(self) -> Line:
        """A torn last line was never acknowledged, so production did not move for it; the next writer cuts it."""
        try:
            bodies = read_chain(self.folder / HISTORY, HISTORY_LABEL).bodies
        except FileNotFoundError:
            bodies = ()
        return read_line(bodies, self._production(), self.where)

    def record(self, digest: str) -> bytes:
        path = self.folder / VERSIONS / _short(digest) / RECORD
        data = read_record(path)
        if f"sha256:{sha256(data).hexdigest()}" != digest:
            raise PromotionError(f"{path} is not the record that was put there ({digest[:19]}…); somebody changed it.")
        return data

    def version(self, digest: str, scratch: Path) -> Path:
        return self.folder / VERSIONS / _short(digest)

    def publish(self, version: Path, digest: str) -> Path:
        target = self.folder / VERSIONS / _short(digest)
        for path in (*(version / ADAPTER).iterdir(), version / RECORD):
            path.chmod(0o444)  # versions never change
            _sync(path)
        for folder in (version / ADAPTER, version):
            folder.chmod(0o755)
            sync_folder(folder)
        if target.exists():  # the same record: an interrupted promotion of the same second
            target.rename(version.with_name("left"))
        version.rename(target)
        sync_folder(target.parent)
        return target

    def point(self, version: Path, events: tuple[Event, ...]) -> None:
        with ChainWriter.open(self.folder / HISTORY, HISTORY_LABEL) as history:
            for event in events:
                history.append(event.as_json())
        link = self.folder / f"{_SCRATCH}{secrets.token_hex(8)}"
        link.symlink_to(Path(VERSIONS) / _short(events[-1].record))
        link.replace(self.folder / PRODUCTION)
        sync_folder(self.folder)

    def _production(self) -> str | None:
        path = self.folder / PRODUCTION
        try:
            target = path.readlink()
        except FileNotFoundError:
            return None
        except OSError as reason:
            raise PromotionError(f"{path} is not the link that a promotion makes; remove it.") from reason
        match = _TARGET.fullmatch(str(target))
        if match is None:
            raise PromotionError(f"{path} leads to {str(target)[:80]!r}, which is no version of this registry.")
        digest = f"sha256:{sha256(read_record(path / RECORD)).hexdigest()}"
        if _short(digest) != match[1]:
            raise PromotionError(f"{path / RECORD} is not the record that was put there; somebody changed it.")
        return digest


@contextmanager
def one_at_a_time(path: Path, where: str) -> Iterator[None]:
    """Hold the lock file `path`; raises PromotionError while another process holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as reason:
        raise PromotionError(f"cannot open {path}: {reason.strerror}.") from reason
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as reason:
            raise PromotionError(f"another promotion or rollback in {where} is under way; wait for it.") from reason
        yield
    finally:
        os.close(descriptor)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:16]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
