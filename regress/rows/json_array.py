"""One JSON document: an array of rows, or an object that holds an array for each split."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import msgspec

from regress.errors import DataError
from regress.hashing.files import open_regular
from regress.rows.one_file import OneFile
from regress.rows.source import BLOCK_ROWS, Block

MAX_BYTES = 512 * 2**20

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_SPLITS = msgspec.json.Decoder(dict[str, list[msgspec.Raw]])


class JsonArray(OneFile):
    """A `.json` file, held in memory; its rows stay unparsed until they are read. Rows are counted from 1."""

    def __init__(self, path: Path, split: str | None = None) -> None:
        super().__init__(path)
        self.name = str(path) if split is None else f"{path}[{split}]"
        self._split = split

    @cached_property
    def _raw(self) -> bytes:
        with open_regular(self.path, DataError) as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise DataError(f"is larger than {MAX_BYTES:,} bytes; write it as JSON Lines.", path=self.path)
        return raw

    def blocks(self) -> Iterator[Block]:
        rows = self._rows()
        for start in range(0, len(rows), BLOCK_ROWS):
            part = rows[start : start + BLOCK_ROWS]
            yield Block(
                numbers=tuple(range(start + 1, start + 1 + len(part))),
                raw=tuple(map(bytes, part)),
                done=(start + len(part)) / len(rows),
            )

    def _rows(self) -> list[msgspec.Raw]:
        try:
            if self._raw.lstrip()[:1] == b"[":
                return _ARRAY.decode(self._raw)
            splits = _SPLITS.decode(self._raw)
        except (msgspec.DecodeError, RecursionError) as reason:
            raise DataError(
                f"is neither an array of rows nor an object of such arrays: {reason}.", path=self.path
            ) from reason
        if self._split is None and len(splits) == 1:
            return next(iter(splits.values()))
        if self._split not in splits:
            names = ", ".join(sorted(splits)[:12])
            raise DataError(f"holds the splits {names}. Choose one: --split NAME.", path=self.path)
        return splits[self._split]
