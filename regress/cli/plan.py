"""`regress plan`: how many items does it take? Answered before anybody writes them, and again when they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from regress.cli.console import put_json, say
from regress.cli.flip_rates import planned, share
from regress.cli.options import HERE, JsonOption
from regress.errors import UsageError
from regress.hashing.models import locate_model, read_model
from regress.lock.promise import load, plan_record
from regress.plan import power_curve, promotion_chances, size_table
from regress.report.plan_table import plan_table
from regress.report.power import curve_bars, curve_svg, size_rows
from regress.schema import Policy
from regress.store.atomic import write_atomic
from regress.suite import Project, read_project, read_suites
from regress.suite.project import FILE_NAME

GENERAL_RATES = ("0.02", "0.05", "0.1", "0.2")


def plan(
    margin: Annotated[
        str | None, typer.Option(help="Largest acceptable drop: 0.03 is three points.", show_default="0.03")
    ] = None,
    items: Annotated[
        int | None, typer.Option(min=2, max=10_000_000, help="Also show what so many items can and cannot tell.")
    ] = None,
    flip_rate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[SUITE=]RATE",
            help="Share of answers that change between base and candidate, either way; may be repeated. See it in an "
            "earlier candidate's `regress diff`.",
            show_default="0.02, 0.05, 0.1, 0.2; for a project's suites as in lock",
        ),
    ] = None,
    suites: Annotated[int, typer.Option(min=1, max=1000, help="So many suites must all pass.")] = 1,
    power: Annotated[
        str | None,
        typer.Option(help="Wanted chance that a harmless candidate is promoted.", show_default="0.8, or the project's"),
    ] = None,
    alpha: Annotated[
        str | None,
        typer.Option(help="Chance that a harmful one is, over all candidates.", show_default="0.05, or the project's"),
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Draw the power curve into this file.")] = None,
    json: JsonOption = False,
) -> int:
    """How many items does it take? Answered before anybody writes them.

    The more answers flip, the more items it takes; halving the margin takes four times as many. With --items it draws
    what so many items say of every true drop: PASS, nothing yet, or FAIL. In a project's folder and without --margin,
    --items, --suites and --svg: what the project's suites tell, as `lock` would say it; nothing is locked.
    """
    if (margin, items, suites, svg) == (None, None, 1, None) and (HERE / FILE_NAME).is_file():
        result = _of_project(read_project(HERE), alpha, power, flip_rate)
    else:
        drop = share(margin or "0.03", "margin")
        policy, rates = _policy(Policy(), alpha, power), _rates(flip_rate or GENERAL_RATES)
        result = _in_general(drop, policy, rates, items, suites, svg)
    if json:
        put_json(result)
    return 0


def _policy(usual: Policy, alpha: str | None, power: str | None) -> Policy:
    return replace(
        usual,
        alpha=usual.alpha if alpha is None else share(alpha, "alpha"),
        power=usual.power if power is None else share(power, "power"),
    )


def _of_project(project: Project, alpha: str | None, power: str | None, flip_rate: list[str] | None) -> dict[str, Any]:
    """Say what the suites of the project tell as they are now."""
    policy = _policy(project.policy, alpha, power)
    loaded = load(project, read_suites(project.suite_paths()), check_items=True)
    model = project.file.base.model, project.file.base.revision
    plans = planned(loaded, policy, flip_rate, lambda: read_model(locate_model(*model, project.folder)))
    together = promotion_chances(plans.values())
    say(plan_table(plans, loaded.suites, policy, together))
    return {
        "alpha": str(policy.alpha),
        "power": str(policy.power),
        "plan": plan_record(loaded.suites, plans),
        "together": [f"{chance:.4f}" for chance in together],
    }


def _in_general(
    drop: Decimal, policy: Policy, rates: Sequence[Decimal], items: int | None, suites: int, svg: Path | None
) -> dict[str, Any]:
    """Say how many items a suite with this margin needs, and what so many tell."""
    rows = size_table(drop, policy, rates, suites=suites)
    say(size_rows(drop, policy, rows, suites=suites))
    shown = items or max(needed for _, needed in rows[:2])
    middle = rates[min(1, len(rates) - 1)]
    curve = power_curve(shown, drop, policy, middle)
    say()
    say(curve_bars(curve))
    if svg is not None:
        try:
            write_atomic(svg, curve_svg(curve).encode())
        except OSError as reason:
            raise UsageError(f"cannot write {svg}: {reason.strerror}.") from reason
        say(f"\n{svg}")
    points = [{"drop": point.drop, "pass": point.passes, "fail": point.fails} for point in curve.points]
    return {
        "margin": str(drop),
        "alpha": str(policy.alpha),
        "power": str(policy.power),
        "suites": suites,
        "needed": {str(rate): needed for rate, needed in rows},
        "curve": {"items": curve.n, "flip_rate": str(middle), "points": points},
    }


def _rates(texts: Sequence[str]) -> list[Decimal]:
    if named := [text for text in texts if "=" in text]:
        raise UsageError(
            f"--flip-rate {named[0]} names a suite; leave out --margin, --items, --suites and --svg, in a project's "
            "folder."
        )
    return [share(text, "flip-rate") for text in texts]
