"""An interrupt that a callback swallowed still ends the command at the next batch."""

from __future__ import annotations

import contextlib
import os
import signal
from threading import Thread

import pytest

from regress.cli.console import Bar
from regress.cli.interrupts import raise_pending, remembered


def test_a_swallowed_interrupt_comes_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with remembered():
        raise_pending()  # nothing came yet
        with contextlib.suppress(KeyboardInterrupt):  # what Python does inside a callback
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            Bar(quiet=True).advance(1, "suite")
    assert signal.getsignal(signal.SIGINT) is before
    with remembered():
        raise_pending()  # an old one is forgotten


def test_other_threads_are_left_alone() -> None:
    worked: list[bool] = []

    def work() -> None:
        with remembered():
            worked.append(True)

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert worked == [True]
