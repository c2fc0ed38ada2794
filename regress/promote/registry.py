"""Where promoted adapters live: the protocol that every registry keeps, and the layout of one version.

VERSION/adapter/           the adapter's files, exactly those that were judged
VERSION/promotion.json     the signed record
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from regress.errors import PromotionError, StoreError
from regress.promote.history import Event, Line
from regress.promote.record import MAX_BYTES
from regress.store.atomic import read_regular

ADAPTER = "adapter"
RECORD = "promotion.json"


class Registry(Protocol):
    """Holds versions, a history and the `production` alias; raises PromotionError where it cannot."""

    @property
    def where(self) -> str:
        """For people: which registry this is."""

    def writing(self) -> AbstractContextManager[Path]:
        """Keep every other writer out; inside it, a private folder on the disk that versions are moved to."""

    def line(self) -> Line:
        """The verified history, and with it what is in production."""

    def record(self, digest: str) -> bytes:
        """The envelope of a promotion in the history."""

    def version(self, digest: str, scratch: Path) -> Path:
        """That promotion's version folder on this machine, fetched into `scratch` where it is not."""

    def publish(self, version: Path, digest: str) -> Path:
        """Put a complete version where it stays; returns where it lies on this machine. Production does not move."""

    def point(self, version: Path, events: tuple[Event, ...]) -> None:
        """Append the events; then let production be the last one's record, whose version folder this is."""


def read_record(path: Path) -> bytes:
    """An envelope's bytes; raises PromotionError where there is none or it is not a small regular file."""
    try:
        return read_regular(path, MAX_BYTES)
    except FileNotFoundError as reason:
        raise PromotionError(f"there is no promotion record at {path}.") from reason
    except StoreError as reason:
        raise PromotionError(str(reason)) from reason
