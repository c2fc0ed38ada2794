"""The registry that is a model repository on the Hugging Face hub: a move is one commit, done whole or not at all.

    adapter/          the files in production, byte for byte as they were judged (PEFT: subfolder="adapter")
    promotion.json    the signed record
    history.jsonl     the hash-chained history
    README.md         the model card, with the record's numbers as `model-index`

Production is the head of `main`. A commit names its parent, so the hub refuses one of two that come at once. Every
promoted commit is tagged `regress-<16 hexadecimal digits of the record's digest>`, which is how it is found again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from regress.errors import PromotionError
from regress.promote.card import card
from regress.promote.history import HISTORY_LABEL, Event, Line, read_line, written
from regress.promote.local import one_at_a_time
from regress.promote.record import MAX_BYTES
from regress.promote.registry import ADAPTER, RECORD, read_record
from regress.promote.verifying import stated
from regress.store.atomic import make_folder, read_regular
from regress.store.chain import verify_chain

HISTORY = "history.jsonl"
CARD = "README.md"
MAIN = "main"

_HTTP: type[Exception] = HfHubHTTPError.__mro__[1]  # of the httpx that huggingface_hub was built on
_FETCHED = (f"{ADAPTER}/*", RECORD)


class HubRegistry:
    """One model repository; `lock` keeps other processes of this machine out."""

    def __init__(self, name: str, lock: Path, api: HfApi | None = None) -> None:
        self._name = name
        self._lock = lock
        self._api = api or HfApi()
        self._head: str | None = None  # the commit that the last `line` was read from
        self._history = b""

    @property
    def where(self) -> str:
        return f"the hub's repository {self._name}"

    @contextmanager
    def writing(self) -> Iterator[Path]:
        make_folder(self._lock.parent)
        with one_at_a_time(self._lock, self.where), tempfile.TemporaryDirectory(prefix="regress-promote-") as scratch:
            with self._answering():
                self._api.create_repo(self._name, private=True, exist_ok=True)
            yield Path(scratch)

    def line(self) -> Line:
        with self._answering():
            self._head = self._current()
            self._history = (self._file(HISTORY, self._head) or b"") if self._head else b""
            record = self._file(RECORD, self._head) if self._head else None
        chain = verify_chain(self._history, HISTORY_LABEL, Path(HISTORY))
        if chain.torn:
            raise PromotionError(f"the history of {self.where} ends in half a line; restore it.")
        return read_line(chain.bodies, None if record is None else _digest(record), self.where)

    def record(self, digest: str) -> bytes:
        with self._answering():
            data = self._file(RECORD, self._revision(digest))
        if data is None or _digest(data) != digest:
            raise PromotionError(f"the record {digest[:19]}… in {self.where} is not the one that was put there.")
        return data

    def version(self, digest: str, scratch: Path) -> Path:
        with self._answering():
            folder = scratch / "fetched"
            self._api.snapshot_download(
                self._name, revision=self._revision(digest), allow_patterns=list(_FETCHED), local_dir=folder
            )
        return folder

    def publish(self, version: Path, digest: str) -> Path:
        """Nothing to do: the files go up with the commit that moves production."""
        return version

    def point(self, version: Path, events: tuple[Event, ...]) -> None:
        record = stated(read_record(version / RECORD))
        texts = {
            RECORD: read_record(version / RECORD),
            HISTORY: written(self._history, events),
            CARD: card(self._name, record).encode("utf-8"),
        }
        files = {f"{ADAPTER}/{path.name}": path for path in sorted((version / ADAPTER).iterdir())}
        with self._answering():
            parent = self._head or self._current()
            self._tag_leaving(events[-1].previous, parent)
            gone = [name for name in self._adapter_files(parent) if name not in files]
            commit = self._api.create_commit(
                self._name,
                [
                    *(CommitOperationAdd(name, text) for name, text in texts.items()),
                    *(CommitOperationAdd(name, str(path)) for name, path in files.items()),
                    *(CommitOperationDelete(name) for name in gone),
                ],
                commit_message=f"{events[-1].move}: {_short(record.digest)}",
                revision=MAIN,
                parent_commit=parent,
            )
            self._api.create_tag(self._name, tag=_tag(record.digest), revision=commit.oid, exist_ok=True)

    def _tag_leaving(self, digest: str | None, head: str | None) -> None:
        """Whoever died between commit and tag left production without one; it is needed to come back to."""
        if digest is not None and head is not None:
            self._api.create_tag(self._name, tag=_tag(digest), revision=head, exist_ok=True)

    def _current(self) -> str | None:
        try:
            return self._api.model_info(self._name, revision=MAIN).sha
        except RepositoryNotFoundError:
            return None

    def _revision(self, digest: str) -> str:
        """The commit that this promotion was tagged with, or the head where it was not yet."""
        try:
            found = self._api.model_info(self._name, revision=_tag(digest)).sha
        except RevisionNotFoundError:
            found = self._current()
        if found is None:
            raise PromotionError(f"{self.where} has no commit of the promotion {digest[:19]}….")
        return found

    def _adapter_files(self, revision: str | None) -> list[str]:
        names = self._api.list_repo_files(self._name, revision=revision)
        return [name for name in names if name.startswith(f"{ADAPTER}/")]

    def _file(self, name: str, revision: str) -> bytes | None:
        """A small file of one commit; None where it has none."""
        with tempfile.TemporaryDirectory(prefix="regress-hub-") as scratch:
            try:
                path = self._api.hf_hub_download(self._name, name, revision=revision, local_dir=scratch)
            except EntryNotFoundError:
                return None
            return read_regular(Path(path), MAX_BYTES)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """The hub's own complaints as refusals."""
        try:
            yield
        except (_HTTP, OSError, ValueError, RuntimeError) as reason:  # the last is what hf_xet raises
            first = str(reason).strip().splitlines()[0] if str(reason).strip() else type(reason).__name__
            raise PromotionError(
                f"{self.where} does not answer as it should: {first[:300]} If somebody else promoted meanwhile, run "
                "again."
            ) from reason


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:16]


def _tag(digest: str) -> str:
    return f"regress-{_short(digest)}"


def _digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"
