"""Where data comes from: a file of a known format, a folder of them, a saved data set, or one of the hub."""

from __future__ import annotations

import re
from pathlib import Path

from regress.errors import DataError
from regress.rows.folder import Folder
from regress.rows.hub import HubSplit
from regress.rows.json_array import JsonArray
from regress.rows.json_lines import JsonLines
from regress.rows.source import Source
from regress.rows.tables import Csv, Parquet

SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".json", ".csv", ".tsv", ".parquet")
SAVED = ("dataset_info.json", "dataset_dict.json", "state.json")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
MAX_FILES = 10_000


def open_source(place: str, split: str | None = None) -> Source:
    """What `place` names; nothing is read yet. Raises DataError saying which places there are."""
    path = Path(place)
    if path.is_dir():
        return _folder(path, split)
    if path.is_file():
        return _file(path, split)
    if HUB_ID.fullmatch(place) and path.suffix.lstrip(".") not in {"jsonl", "json", "csv", "tsv", "parquet"}:
        return HubSplit(place, split)
    raise DataError(
        f"{place}: there is no such file. Name a file ({', '.join(SUFFIXES)}), a folder of such files, or a data "
        "set of the hub as org/name."
    )


def _file(path: Path, split: str | None) -> Source:
    if split is not None and path.suffix != ".json":
        raise DataError(f"is one file without splits, so --split {split} names nothing. Leave it out.", path=path)
    if path.name.endswith((".jsonl", ".ndjson", ".jsonl.gz")):
        return JsonLines(path)
    match path.suffix:
        case ".json":
            return JsonArray(path, split)
        case ".csv" | ".tsv":
            return Csv(path)
        case ".parquet":
            return Parquet(path)
    raise DataError(f"is none of {', '.join(SUFFIXES)}.", path=path)


def _folder(path: Path, split: str | None) -> Source:
    names = {entry.name for entry in path.iterdir()}
    if names & set(SAVED):
        return HubSplit(path, split)
    chosen = sorted(name for name in names if name.endswith(SUFFIXES) and (split is None or name.startswith(split)))
    if not chosen or len(chosen) > MAX_FILES:
        raise DataError(f"holds {len(chosen)} data files ({', '.join(SUFFIXES)}).", path=path)
    return Folder(path, [_file(path / name, None) for name in chosen])
