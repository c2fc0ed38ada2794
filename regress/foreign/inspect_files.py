"""Which Inspect logs a path names, and what is in one: `.json` whole, `.eval` a ZIP archive of JSON members.

Newer versions compress `.eval` members with Zstandard, which Python's zipfile reads from 3.14 on; where it does not,
`inspect log convert` mends it.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from regress.errors import ResultsError
from regress.foreign.reading import as_object, document, listed, member, opened
from regress.foreign.records import shown

_LOG = re.compile(r"(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d[+-]\d\d-\d\d)_(.+)_[A-Za-z0-9]+\.(json|eval)\Z")
MAX_ARCHIVE_BYTES = 4 * 2**30
MAX_MEMBERS = 200_000
MAX_MEMBER_BYTES = 64 * 2**20
MAX_UNPACKED_BYTES = 16 * 2**30
CONVERT = "`inspect log convert FILE --to json --output-dir FOLDER` makes a log that can be read"
VERSION = 2


def is_inspect(path: Path) -> bool:
    """Whether `path` is named as Inspect names a log, or is a folder that holds such files."""
    if not path.is_dir():
        return path.suffix in (".json", ".eval")
    return any(map(_LOG.match, listed(path)))


def find(path: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The logs that `path` names, and what was left out: of a folder the newest log of each task."""
    if not path.is_dir():
        return [path], ()
    newest: dict[str, tuple[tuple[str, bool], str]] = {}
    names = listed(path)
    for name in names:
        if (found := _LOG.match(name)) is not None:
            rank = (found[1], found[3] == "json")  # of one moment the form that every Python reads
            newest[found[2]] = max(newest.get(found[2], (("", False), "")), (rank, name))
    logs = sum(_LOG.match(name) is not None for name in names)
    notes = (f"{path}: {logs} logs of {len(newest)} tasks, the newest of each is taken",) if logs > len(newest) else ()
    return [path / name for _, name in sorted(newest.values())], notes


def open_log(path: Path) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """A log's header and its samples, one at a time; raises ResultsError."""
    if path.suffix == ".json":
        log = _checked(document(path), path)
        samples = log.get("samples")
        if not isinstance(samples, list):
            raise ResultsError("holds no samples: it was made with --no-log-samples, or of the header only.", path=path)
        return log, iter(samples)
    return _checked(_header(path), path), _members(path)


def _checked(log: dict[str, Any], path: Path) -> dict[str, Any]:
    for key in ("eval", "status", "version"):
        if key not in log:
            raise ResultsError(f"has no {shown(key)}: it is no Inspect log.", path=path)
    if log["version"] != VERSION:
        raise ResultsError(f"is of log version {shown(log['version'])}, and {VERSION} is read; {CONVERT}.", path=path)
    return log


def _header(path: Path) -> dict[str, Any]:
    with opened(path, MAX_ARCHIVE_BYTES) as file:
        archive = _archive(file, path)
        if "header.json" not in archive.namelist():
            raise ResultsError("has no header.json: the evaluation did not end; run it again.", path=path)
        return _read(archive, archive.getinfo("header.json"), path)


def _members(path: Path) -> Iterator[dict[str, Any]]:
    total = 0
    with opened(path, MAX_ARCHIVE_BYTES) as file:
        archive = _archive(file, path)
        for info in archive.infolist():
            if not info.filename.startswith("samples/"):
                continue
            total += info.file_size
            if total > MAX_UNPACKED_BYTES:
                raise ResultsError(f"unpacks to more than {MAX_UNPACKED_BYTES:,} bytes.", path=path)
            yield _read(archive, info, path)


def _archive(file: BinaryIO, path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise ResultsError(f"is no .eval log: {shown(str(error))}.", path=path) from error
    names = archive.namelist()
    if len(names) > MAX_MEMBERS or len(set(names)) != len(names):
        raise ResultsError(f"holds {len(names):,} members, some perhaps twice; no log is like that.", path=path)
    return archive


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> dict[str, Any]:
    """One member, never more of it than the budget, whatever its header says."""
    name = shown(info.filename)
    try:
        with archive.open(info) as member_file:
            data = member_file.read(MAX_MEMBER_BYTES + 1)
    except NotImplementedError as error:  # a method of compression that this Python does not know
        raise ResultsError(
            f"{name} is compressed in a way that this Python cannot read; {CONVERT}.", path=path
        ) from error
    except (zipfile.BadZipFile, RuntimeError, OSError, EOFError, ValueError, zlib.error) as error:
        raise ResultsError(f"{name} is damaged: {shown(str(error))}.", path=path) from error
    if len(data) > MAX_MEMBER_BYTES:
        raise ResultsError(f"{name} unpacks to more than {MAX_MEMBER_BYTES:,} bytes.", path=path)
    return as_object(data, path)


def status(log: dict[str, Any], path: Path) -> None:
    """Raise ResultsError unless the evaluation ended well and still counts."""
    if log["status"] != "success":
        raise ResultsError(f"ended with status {shown(log['status'])}; `inspect eval-retry` finishes it.", path=path)
    if log.get("invalidated"):
        raise ResultsError("was invalidated by its owner; run it again.", path=path)
    results = member(log, "results", dict, path)
    total, done = member(results, "total_samples", int, path), member(results, "completed_samples", int, path)
    if total != done:
        raise ResultsError(f"completed {done} of {total} samples; `inspect eval-retry` finishes it.", path=path)
