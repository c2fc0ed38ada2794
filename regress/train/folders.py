"""Where a training leaves what it makes, and what the next start may do with it.

OUTPUT/         the finished adapter: configuration, weights, the forgetting curve and, last, regress_training.json.
                It comes into being by one rename.
OUTPUT.work/    started.json, written before the first step; checkpoint-N/, each with the digests of its files, which
                are written last: one without them, or that differs from them, was being written when something died
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.backends.adapter_files import FORGETTING_CURVE, TRAINING_RECORD, refuse_unexpected
from regress.errors import Refused, TrainingError
from regress.hashing.canonical import digest_json
from regress.hashing.files import digest_files
from regress.store.atomic import make_folder, sync_folder, write_atomic
from regress.strict_json import JsonFault, parse
from regress.train.recipe import changes

STARTED = "started.json"
COMPLETE = "regress_complete.json"
CHECKPOINT = "checkpoint-"
OURS = frozenset({"adapter", FORGETTING_CURVE, TRAINING_RECORD, "regress_started.json", "README.md"})
WHAT = {"lock": "the lock is another", "base": "the base has other weights", "data": "the training data differ"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The folders of one training."""

    output: Path

    @property
    def work(self) -> Path:
        return self.output.with_name(self.output.name + ".work")

    @property
    def adapter(self) -> Path:
        """The adapter before it is moved to the output."""
        return self.work / "adapter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an earlier start left: a finished adapter, a training to go on with, or nothing."""

    finished: Mapping[str, Any] | None = None
    started: Mapping[str, Any] | None = None
    checkpoint: Path | None = None


def find(place: Place, promised: Mapping[str, Any]) -> Found:
    """What may be gone on with under what is promised now: lock, base, data and recipe.

    Raises TrainingError, saying what differs, where another training's adapter or another training under way is there.
    """
    if place.output.exists():
        return Found(finished=_finished(place, promised))
    started = _read(place.work / STARTED) if (place.work / STARTED).exists() else None
    if started is None:
        return Found()
    if started.pop("digest", None) != digest_json(started):
        raise TrainingError("was edited; say --again to begin anew.", path=place.work / STARTED)
    if differing := differences(started, promised):
        raise TrainingError(
            f"{place.work} holds a training that was interrupted, and it cannot go on: {'; '.join(differing)}. Put "
            "back what it began with, or say --again to begin anew."
        )
    return Found(started=started, checkpoint=last_checkpoint(place.work))


def _finished(place: Place, promised: Mapping[str, Any]) -> Mapping[str, Any]:
    record_path = place.output / TRAINING_RECORD
    if not record_path.is_file():
        raise TrainingError(
            f"{place.output} exists and holds no {TRAINING_RECORD}, so it is not ours to write over. Choose another "
            "train.output."
        )
    record = _read(record_path)
    if differing := differences(record, promised):
        raise TrainingError(
            f"{place.output} holds an adapter that was trained otherwise: {'; '.join(differing)}. Choose another "
            "train.output, or say --again to train it anew."
        )
    refuse_unexpected(place.output)
    return record


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What lock, base, data and recipe differ in; settings of the recipe one by one."""
    found = [
        f"{words} ({_short(now[key])}, then {_short(before.get(key))})"
        for key, words in WHAT.items()
        if before.get(key) != now[key]
    ]
    recipe = before.get("recipe")
    return found + list(changes(recipe if isinstance(recipe, Mapping) else {}, now["recipe"]))


def clear(place: Place) -> None:
    """Take away what an earlier training left; only what such a training wrote. Raises TrainingError."""
    if place.output.exists():
        if not (place.output / TRAINING_RECORD).is_file():
            raise TrainingError(f"{place.output} is no adapter of `regress train`, so it is not ours to write over.")
        try:
            refuse_unexpected(place.output)
        except Refused as reason:
            raise TrainingError(f"{place.output} is not written over: {reason}") from reason
        shutil.rmtree(place.output)
    _tidy(place)


@contextmanager
def held(place: Place) -> Iterator[None]:
    """The work folder, made if need be, for as long as the block lasts; raises TrainingError while another has it."""
    make_folder(place.work)
    descriptor = os.open(place.work / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as reason:
            raise TrainingError(f"another process trains into {place.output}. Wait for it, or end it.") from reason
        yield
    finally:
        os.close(descriptor)


def write_started(place: Place, body: Mapping[str, Any]) -> None:
    """started.json, all or nothing, with its digest."""
    write_atomic(place.work / STARTED, _json({**body, "digest": digest_json(body)}))


def mark_complete(checkpoint: Path) -> str:
    """Write the digests of the checkpoint's files beside them, synced; returns the digest over all of them."""
    names = [path.name for path in checkpoint.iterdir() if path.is_file() and path.name != COMPLETE]
    files = digest_files(checkpoint, names, refuse=TrainingError)
    for name in names:
        _sync(checkpoint / name)
    body = {"files": {name: entry.digest for name, entry in files.files.items()}}
    write_atomic(checkpoint / COMPLETE, _json(body))
    return files.digest


def last_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint that is whole; those behind it are taken away, since they will be written again."""
    folders = sorted(
        (path for path in work.glob(f"{CHECKPOINT}*") if path.name.removeprefix(CHECKPOINT).isdigit()), key=step_of
    )
    while folders:
        if is_complete(folders[-1]):
            return folders[-1]
        _remove(folders.pop())
    return None


def is_complete(checkpoint: Path) -> bool:
    """Whether its files are those that were written, byte for byte."""
    try:
        listed = _read(checkpoint / COMPLETE)["files"]
        present = {path.name for path in checkpoint.iterdir()} - {COMPLETE}
        return (
            bool(listed)
            and present == listed.keys()
            and {name: entry.digest for name, entry in digest_files(checkpoint, listed).files.items()} == listed
        )
    except (Refused, OSError, KeyError, TypeError, AttributeError):
        return False


def step_of(checkpoint: Path) -> int:
    """The N of checkpoint-N."""
    return int(checkpoint.name.removeprefix(CHECKPOINT))


def deliver(place: Place, record: Mapping[str, Any]) -> None:
    """Write the record beside the finished adapter, move both to the output and take the work folder away."""
    for path in place.adapter.iterdir():
        _sync(path)
    write_atomic(place.adapter / TRAINING_RECORD, _json(record))
    make_folder(place.output.parent)
    place.adapter.replace(place.output)
    sync_folder(place.output.parent)
    _tidy(place)


def _tidy(place: Place) -> None:
    """Take away what is of no use without the training under way, checkpoints too; logs of trackers stay."""
    (place.work / STARTED).unlink(missing_ok=True)
    for path in sorted(place.work.iterdir()) if place.work.is_dir() else ():
        if path.name in OURS or path.name.startswith(CHECKPOINT):
            _remove(path)


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _read(path: Path) -> dict[str, Any]:
    try:
        parsed = parse(path.read_bytes())
    except (JsonFault, OSError) as reason:
        raise TrainingError(f"cannot be read: {reason}; say --again to train anew.", path=path) from reason
    if not isinstance(parsed.value, dict) or parsed.duplicate_keys:
        raise TrainingError("is not a JSON object with each key once; say --again to train anew.", path=path)
    return parsed.value


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _short(digest: object) -> str:
    return str(digest)[:19] + "…"
