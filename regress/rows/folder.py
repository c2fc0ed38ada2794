"""A folder of data files, read one behind the other in the order of their names."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

from regress.hashing.canonical import digest_json
from regress.rows.source import Block, Source


class Folder:
    """Several files as one source: row numbers go on from file to file, and `place` leads back."""

    def __init__(self, path: Path, files: Sequence[Source]) -> None:
        self.path = path
        self.name = str(path)
        self._files = files
        self._firsts: list[int] = []  # what is added to the row numbers of each file that was begun

    def digest(self) -> str:
        return digest_json({Path(file.name).name: file.digest() for file in self._files})

    @property
    def size(self) -> int:
        return sum(file.size for file in self._files)

    def blocks(self) -> Iterator[Block]:
        before, behind = 0, 0
        for index, file in enumerate(self._files):
            if index == len(self._firsts):  # a later look that stops early forgets nothing
                self._firsts.append(before)
            last = 0
            for block in file.blocks():
                last = block.numbers[-1]
                done = (behind + block.done * file.size) / max(1, self.size)
                yield Block(numbers=tuple(before + number for number in block.numbers), raw=block.raw, done=done)
            before += last
            behind += file.size

    def place(self, number: int) -> tuple[str, int]:
        index = bisect_right(self._firsts, number - 1) - 1
        return self._files[index].place(number - self._firsts[index])
