"""Ctrl-C that cannot get lost: Python drops a KeyboardInterrupt that is raised inside a library's callback."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _Pending:
    seen = False


@contextmanager
def remembered() -> Iterator[None]:
    """Inside the block an interrupt is raised as always, and raised again by `raise_pending` if nobody heard it."""
    if threading.current_thread() is not threading.main_thread():  # where signals do not arrive
        yield
        return
    _Pending.seen = False
    before = signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def raise_pending() -> None:
    """Raise KeyboardInterrupt if one came and was dropped."""
    if _Pending.seen:
        raise KeyboardInterrupt


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    _Pending.seen = True
    raise KeyboardInterrupt
