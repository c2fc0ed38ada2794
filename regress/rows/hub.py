"""Data sets of the hub, or saved by `datasets`: one split, streamed, never with code of their own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from regress.errors import DataError
from regress.hashing.canonical import digest_json
from regress.rows.source import BLOCK_ROWS, Block


class HubSplit:
    """One split of a data set, by its hub id or by the folder that `save_to_disk` wrote. Rows are counted from 1.

    `digest` names the repository's revision, the split and the fingerprint that `datasets` gives it: nobody downloads
    everything to hash it.
    """

    def __init__(self, place: str | Path, split: str | None) -> None:
        self._place = place
        self.split = split or "train"
        self.name = f"{place}[{self.split}]"
        self.size = 0

    @cached_property
    def _data(self) -> Any:
        try:
            import datasets
        except ImportError as reason:
            raise DataError("data sets of the hub need: pip install 'regress-harness[audit]'.") from reason
        try:
            if isinstance(self._place, Path):
                loaded = datasets.load_from_disk(str(self._place))
                return loaded[self.split] if isinstance(loaded, datasets.DatasetDict) else loaded
            return datasets.load_dataset(self._place, split=self.split, streaming=True)
        except Exception as reason:  # the library and its network raise whatever they like
            raise DataError(
                f"{self.name} cannot be loaded: {reason}. Name a file, a folder, or a data set's id and --split."
            ) from reason

    def digest(self) -> str:
        data = self._data
        return digest_json(
            {"place": str(self._place), "split": self.split, "fingerprint": getattr(data, "_fingerprint", None) or ""}
        )

    def place(self, number: int) -> tuple[str, int]:
        return self.name, number

    def blocks(self) -> Iterator[Block]:
        total = self._rows()
        first = 1
        for batch in self._data.iter(batch_size=BLOCK_ROWS):
            columns = list(batch)
            raw = tuple(dict(zip(columns, values, strict=True)) for values in zip(*batch.values(), strict=True))
            done = (first - 1 + len(raw)) / total if total else 0.0
            yield Block(numbers=tuple(range(first, first + len(raw))), raw=raw, done=min(1.0, done))
            first += len(raw)

    def _rows(self) -> int | None:
        info = getattr(self._data, "info", None)
        splits = getattr(info, "splits", None) or {}
        known = getattr(splits.get(self.split), "num_examples", None)
        return known if isinstance(known, int) and known > 0 else None
