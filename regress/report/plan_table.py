"""What the locked suites can and cannot detect, on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regress.schema import Outlook, Policy, Role, Suite, SuitePlan


def plan_table(
    plans: Mapping[str, SuitePlan], suites: Sequence[Suite], policy: Policy, together: Sequence[float]
) -> RenderableType:
    """One row a suite: the drop it catches and the chance that no change passes, at several flip rates.

    `together` are the chances that all suites pass, one for each flip rate.
    """
    outlooks = next((plan.outlooks for plan in plans.values() if plan.outlooks), ())
    rates = " / ".join(f"{float(outlook.flip_rate) * 100:g}" for outlook in outlooks)
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("suite")
    for heading in ("items", "margin", "catches a drop of", "no change passes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for suite in suites:
        plan = plans[suite.name]
        if not plan.outlooks or suite.margin is None:
            wanted = "must gain" if suite.role is Role.TARGET else "reported only"
            table.add_row(suite.name, f"{plan.n:,}", "", Text(wanted, style="dim"), "")
            continue
        table.add_row(
            suite.name,
            f"{plan.n:,}",
            f"{float(suite.margin) * 100:g}",
            " / ".join(_points(outlook) for outlook in plan.outlooks) + " points",
            " / ".join(_percent(outlook.pass_chance) for outlook in plan.outlooks) + " %",
        )
    if sum(bool(plan.outlooks) for plan in plans.values()) > 1:
        table.add_row("all together", "", "", "", " / ".join(map(_percent, together)) + " %", style="bold")
    legend = Text(
        f"\nThree figures: if {rates} % of the answers flip between base and candidate. A smaller drop than the one "
        f"shown is missed more than {round((1 - float(policy.power)) * 100)} times in 100; a suite that no change "
        "hardly passes will end INCONCLUSIVE. For the first candidate: every further one on the same questions spends "
        "less of alpha.",
        style="dim",
    )
    return Group(table, legend, *_too_small(plans, suites))


def _too_small(plans: Mapping[str, SuitePlan], suites: Sequence[Suite]) -> list[Text]:
    """What a suite that lacks items will do, at the lowest flip rate at which it lacks any."""
    lines = []
    for suite in suites:
        plan = plans[suite.name]
        lacking = [outlook for outlook in plan.outlooks if outlook.needed_n > plan.n]
        if not lacking or suite.margin is None:
            continue
        first = lacking[0]
        lines.append(
            Text(
                f"{suite.name} ({plan.n:,} items): at {float(first.flip_rate) * 100:g} % flips a true drop of "
                f"{float(suite.margin) * 200:g} points is missed {_tenths(first.missed)}, no change stays undecided "
                f"{_tenths(1 - first.pass_chance)}; {first.needed_n:,} items would settle it.",
                style="dim",
            )
        )
    return lines


def _tenths(chance: float) -> str:
    """'7 times in 10'; never 0 or 10 times."""
    times = min(9, max(1, round(chance * 10)))
    return f"{times} time{'' if times == 1 else 's'} in 10"


def _points(outlook: Outlook) -> str:
    return "–" if outlook.detectable is None else f"{math.ceil(outlook.detectable * 1000 - 1e-9) / 10:.1f}"


def _percent(chance: float) -> str:
    """Never 0 or 100: a plan is not a certainty."""
    return f"{min(99, max(1, round(chance * 100)))}"
