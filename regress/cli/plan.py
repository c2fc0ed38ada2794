"""`regress plan`: how many items does it take? Answered before anybody writes them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

from regress.cli.console import put_json, say
from regress.cli.options import JsonOption
from regress.errors import UsageError
from regress.plan import power_curve, size_table
from regress.report.power import curve_bars, curve_svg, size_rows
from regress.schema import Policy
from regress.store.atomic import write_atomic


def plan(
    margin: Annotated[str, typer.Option(help="Largest acceptable drop: 0.03 is three points.")] = "0.03",
    items: Annotated[
        int | None, typer.Option(min=2, max=10_000_000, help="Also show what so many items can and cannot tell.")
    ] = None,
    flip_rate: Annotated[
        list[str] | None,
        typer.Option(
            help="Share of answers that change between base and candidate, either way; may be repeated. Measure it "
            "with `regress run base --again` and an earlier candidate. [default: 0.02, 0.05, 0.1, 0.2]"
        ),
    ] = None,
    suites: Annotated[int, typer.Option(min=1, max=1000, help="So many suites must all pass.")] = 1,
    power: Annotated[str, typer.Option(help="Wanted chance that a harmless candidate is promoted.")] = "0.8",
    alpha: Annotated[str, typer.Option(help="Chance that a harmful one is, over all candidates.")] = "0.05",
    svg: Annotated[Path | None, typer.Option(help="Draw the power curve into this file.")] = None,
    json: JsonOption = False,
) -> int:
    """How many items does it take? Answered before anybody writes them.

    The more answers flip, the more items it takes; halving the margin takes four times as many. With --items it draws
    what so many items say of every true drop: PASS, nothing yet, or FAIL.
    """
    policy = Policy(alpha=_share(alpha, "alpha"), power=_share(power, "power"))
    drop = _share(margin, "margin")
    rates = [_share(rate, "flip-rate") for rate in flip_rate or ["0.02", "0.05", "0.1", "0.2"]]
    rows = size_table(drop, policy, rates, suites=suites)
    result: dict[str, Any] = {
        "margin": str(drop),
        "alpha": str(policy.alpha),
        "power": str(policy.power),
        "suites": suites,
        "needed": {str(rate): needed for rate, needed in rows},
    }
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
    if json:
        points = [{"drop": point.drop, "pass": point.passes, "fail": point.fails} for point in curve.points]
        put_json({**result, "curve": {"items": curve.n, "flip_rate": str(middle), "points": points}})
    return 0


def _share(text: str, name: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation as reason:
        raise UsageError(f"--{name} is {text!r}; write a number between 0 and 1, such as 0.05.") from reason
    if not value.is_finite() or not 0 < value < 1:
        raise UsageError(f"--{name} is {text}; it must lie between 0 and 1 (0.03 is three points).")
    return value
