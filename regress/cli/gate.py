"""`regress gate ADAPTER`: the decision from stored runs only."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from regress.cli.deliver import deliver, not_promoted_until_decided
from regress.cli.options import HERE, AdapterArgument, JsonOption, ProjectOption
from regress.suite import read_project


def gate(adapter: AdapterArgument, project: ProjectOption = HERE, json: JsonOption = False) -> int:
    """Decide from stored runs only: no model is loaded, so it runs anywhere in a fraction of a second.

    The lock, the runs' seals and every stored line are verified first. Exit codes as for check.
    """
    from regress.run.stored import judge_stored

    with not_promoted_until_decided(project, adapter), collector_paused():
        opened = read_project(project)
        result = judge_stored(opened, adapter)
        return deliver(opened.reports, result, adapter, as_json=json)


@contextmanager
def collector_paused() -> Iterator[None]:
    """No cycle collection for the second that it takes: it walks every item and outcome again and finds nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # nor at exit
        gc.enable()
