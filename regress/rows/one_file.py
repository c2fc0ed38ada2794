"""What every format of a single file has in common."""

from __future__ import annotations

from pathlib import Path

from regress.errors import DataError
from regress.hashing.files import digest_file


class OneFile:
    """A file whose row numbers are its own: see `source.Source`; formats add `blocks`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def digest(self) -> str:
        return digest_file(self.path, refuse=DataError).digest

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def place(self, number: int) -> tuple[str, int]:
        return self.name, number
