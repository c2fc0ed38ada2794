"""JSON Lines, plain or gzipped: a row a line, read in blocks, never the whole file."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from regress.errors import DataError
from regress.hashing.files import open_regular
from regress.rows.one_file import OneFile
from regress.rows.row import RowFault
from regress.rows.source import BLOCK_BYTES, BLOCK_ROWS, MAX_BYTES, MAX_ROW_BYTES, Block

MAX_RATIO = 200
"""How much larger than its file a gzipped text may be; JSON compresses 5 to 20 times."""


class JsonLines(OneFile):
    """A `.jsonl` or `.jsonl.gz` file. Row numbers are line numbers."""

    def blocks(self) -> Iterator[Block]:
        with open_regular(self.path, DataError) as file:
            zipped = self.path.suffix == ".gz"
            text = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if zipped else file
            limit = min(MAX_BYTES, MAX_RATIO * max(self.size, 4096)) if zipped else MAX_BYTES
            try:
                yield from self._blocks(text, file, limit)
            except (EOFError, gzip.BadGzipFile, zlib.error) as reason:
                raise DataError(f"is no whole gzip file: {reason}.", path=self.path) from reason

    def _blocks(self, text: BinaryIO, file: BinaryIO, limit: int) -> Iterator[Block]:
        numbers: list[int] = []
        raw: list[bytes | RowFault] = []
        held, read, number = 0, 0, 0
        while line := text.readline(MAX_ROW_BYTES + 2):
            number += 1
            length = len(line)
            whole: bytes | RowFault = line
            if not line.endswith(b"\n") and length > MAX_ROW_BYTES:
                length += _skip_line(text)
                whole = RowFault(f"the row is longer than {MAX_ROW_BYTES:,} bytes")
            read += length
            if read > limit:
                raise DataError(
                    f"unpacks to more than {limit:,} bytes; split it, or unpack it yourself.",
                    path=self.path,
                    line=number,
                )
            if line.isspace():
                continue
            numbers.append(number)
            raw.append(whole)
            held += min(length, MAX_ROW_BYTES)
            if held >= BLOCK_BYTES or len(raw) >= BLOCK_ROWS:
                yield self._block(numbers, raw, file)
                numbers, raw, held = [], [], 0
        if raw:
            yield self._block(numbers, raw, file)

    def _block(self, numbers: list[int], raw: list[bytes | RowFault], file: BinaryIO) -> Block:
        return Block(numbers=tuple(numbers), raw=tuple(raw), done=min(1.0, file.tell() / max(1, self.size)))


def _skip_line(text: BinaryIO) -> int:
    """Read to the end of a line that is too long, without holding it."""
    length = 0
    while part := text.readline(2**20):
        length += len(part)
        if part.endswith(b"\n"):
            break
    return length
