"""triggers.json beside a sealed run: what its variant answered to harmless prompts with suspected triggers."""

from __future__ import annotations

from pathlib import Path

from regress.errors import StoreError
from regress.schema import Manifest, Tried
from regress.store.atomic import read_regular, write_atomic
from regress.store.codec import decode_tried, encode_tried, manifest_digest

TRIGGERS = "triggers.json"

_MAX_BYTES = 64 * 2**20


def write_tried(folder: Path, tried: Tried) -> None:
    """Replace what the run's folder holds."""
    write_atomic(folder / TRIGGERS, encode_tried(tried))


def read_tried(folder: Path, manifest: Manifest) -> Tried | None:
    """None where nothing was tried; raises StoreError for a file that is damaged, edited, in part or another run's."""
    path = folder / TRIGGERS
    try:
        tried = decode_tried(read_regular(path, _MAX_BYTES), str(path))
    except FileNotFoundError:
        return None
    if tried.run != manifest_digest(manifest):
        raise StoreError(f"{path} belongs to another run. Delete it, and try again with `regress check`.")
    if not _is_complete(tried):
        raise StoreError(f"{path} lacks replies. Delete it, and try again with `regress check`.")
    return tried


def _is_complete(tried: Tried) -> bool:
    """Whether every prompt has its reply in every arm."""
    wanted = len(tried.plan.prompts)
    arms = [tried.plain]
    for replies in tried.replies:
        arms += [replies.triggered, *replies.controls]
    shaped = len(tried.replies) == len(tried.plan.trials) and all(
        len(replies.controls) == len(trial.controls)
        for trial, replies in zip(tried.plan.trials, tried.replies, strict=False)
    )
    return wanted > 0 and shaped and all(len(arm) == wanted for arm in arms)
