"""serving.json beside a candidate's sealed run: what single prompts took, base and candidate in turn."""

from __future__ import annotations

from pathlib import Path

from regress.errors import StoreError
from regress.schema import Manifest, Served
from regress.store.atomic import read_regular, write_atomic
from regress.store.codec import decode_served, encode_served, manifest_digest

SERVING = "serving.json"

_MAX_BYTES = 64 * 2**20


def write_served(folder: Path, served: Served) -> None:
    """Replace what the run's folder holds."""
    write_atomic(folder / SERVING, encode_served(served))


def read_served(folder: Path, manifest: Manifest) -> Served | None:
    """None where nothing was measured; raises StoreError for a file that is damaged, edited or another run's."""
    path = folder / SERVING
    try:
        served = decode_served(read_regular(path, _MAX_BYTES), str(path))
    except FileNotFoundError:
        return None
    if served.run != manifest_digest(manifest):
        raise StoreError(f"{path} belongs to another run. Measure again with `regress check --serving`.")
    if fault := _fault(served):
        raise StoreError(f"{path} holds {fault}. Measure again with `regress check --serving`.")
    return served


def _fault(served: Served) -> str | None:
    """What no measurement gives: figures made of it would mean nothing."""
    for side in (served.base, served.own):
        if len({(reply.suite, reply.item) for reply in side.replies}) != len(side.replies):
            return f"a prompt of {side.variant} twice"
        for reply in side.replies:
            rounds = {len(reply.first), len(reply.whole)}
            ordered = all(0 < first <= whole for first, whole in zip(reply.first, reply.whole, strict=False))
            if rounds != {served.rounds} or not ordered:
                return f"impossible times of {reply.suite}/{reply.item}"
            if reply.tokens < 1 or not 0 <= (reply.accepted or 0) <= reply.tokens:
                return f"impossible token counts of {reply.suite}/{reply.item}"
    return None
