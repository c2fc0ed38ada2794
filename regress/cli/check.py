"""`regress check ADAPTER`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regress.backends.candidate_files import refuse_unexpected
from regress.cli.console import Bar
from regress.cli.deliver import deliver, not_promoted_until_decided
from regress.cli.options import (
    HERE,
    AdaptersArgument,
    JsonOption,
    ProjectOption,
    QuietOption,
    ServingOption,
    WorkersOption,
)
from regress.cli.several import Order, judge_several, report_names
from regress.errors import UsageError
from regress.run.wanted import parse_variants


def check(
    adapters: AdaptersArgument,
    stop_early: Annotated[
        bool,
        typer.Option(
            "--stop-early",
            help="Ask look by look in the locked order and stop a suite once its verdict is certain or out of reach. "
            "Saves most on bad candidates; error rates stay as promised.",
        ),
    ] = False,
    screen: Annotated[
        bool,
        typer.Option(
            "--screen",
            help="Ask a suite only until it is clear how all of its items would come out. Quick; promotes and "
            "rejects nobody, but counts as this candidate's attempt.",
        ),
    ] = False,
    variants: Annotated[
        str | None,
        typer.Option(
            "--variants",
            metavar="LIST",
            help="Run these instead of the locked ones: base,adapter,merged,adapter@nf4 ... What is not in the lock is "
            "reported beside it and decides nothing; without a locked one nothing is concluded.",
            show_default="those of the lock",
        ),
    ] = None,
    serving: ServingOption = False,
    workers: WorkersOption = None,
    project: ProjectOption = HERE,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Judge adapters: preflight, run what is missing (base, adapter, merged), diff, gate, report.

    Safe to repeat: what is stored is not asked again. Several adapters share the base's run and its weights and are
    judged in the order given; one that is refused does not stop the others. Exit code 0 PROMOTE, 3 REJECT,
    4 INCONCLUSIVE, 5 REFUSED; of several the worst: REFUSED before REJECT before INCONCLUSIVE before PROMOTE.
    """
    if stop_early and screen:
        raise UsageError("--stop-early decides and --screen does not: choose one.")
    if serving and screen:
        raise UsageError("--screen asks only until a suite is clear, and --serving measures: choose one.")
    names = report_names(adapters)
    chosen = None if variants is None else parse_variants(variants)
    order = Order(
        project=project,
        stop_early=stop_early,
        screen=screen,
        variants=chosen,
        workers=workers,
        serving=serving,
        as_json=json,
        progress=Bar(quiet=quiet),
    )
    try:
        return _judge_one(order, adapters[0]) if len(adapters) == 1 else judge_several(order, names)
    finally:
        order.progress.close()


def _judge_one(order: Order, adapter: Path) -> int:
    with not_promoted_until_decided(order.project, adapter):
        refuse_unexpected(adapter)  # before model libraries are loaded, which takes seconds
        bench = order.open_bench()
        from regress.run.check import judgement_of

        (only,) = order.check_each(bench, [adapter])
        result = judgement_of(only)
        return deliver(order.reports, result, adapter, as_json=order.as_json)
