"""What the locked suites can and cannot detect, on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regress.schema import FlipBasis, FlipSource, Outlook, Policy, Role, Suite, SuitePlan

SOURCES = {
    FlipSource.ASSUMED: "assumed",
    FlipSource.GIVEN: "given",
    FlipSource.MEASURED: "assumed, with the measured noise",
}


def plan_table(
    plans: Mapping[str, SuitePlan], suites: Sequence[Suite], policy: Policy, together: Sequence[float]
) -> RenderableType:
    """One row a suite: the drop it catches and the chance that no change passes, at each of its flip rates.

    `together` are the chances that all suites pass, one for each column of flip rates. Below stands where the rates
    come from.
    """
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
        f"\n{_what_for(plans)} A smaller drop than the one shown is missed more than "
        f"{round((1 - float(policy.power)) * 100)} times in 100; a suite that no change hardly passes will end "
        "INCONCLUSIVE. For the first candidate: every further one on the same questions spends less of alpha.",
        style="dim",
    )
    return Group(table, legend, *(Text(line, style="dim") for line in flip_sources(plans)), *_too_small(plans, suites))


def _what_for(plans: Mapping[str, SuitePlan]) -> str:
    rates = {plan.basis.rates for plan in plans.values() if plan.basis is not None}
    if len(rates) != 1:
        return "The figures are for the flip rates below, the shares of answers that differ between base and candidate."
    (only,) = rates
    count = "The figures" if len(only) == 1 else "Three figures"
    return f"{count}: if {_rates(only)} of the answers flip between base and candidate."


def flip_sources(plans: Mapping[str, SuitePlan]) -> list[str]:
    """One sentence for each source of flip rates: assumed, given, measured."""
    bases = {name: plan.basis for name, plan in plans.items() if plan.basis is not None}
    lines = []
    if assumed := {name: basis for name, basis in bases.items() if basis.source is FlipSource.ASSUMED}:
        which = "" if len(assumed) == len(bases) else f" for {', '.join(assumed)}"
        lines.append(
            f"Assumed{which}: {_rates(next(iter(assumed.values())).rates)} flips; nobody measured or gave others."
        )
    if given := {name: basis for name, basis in bases.items() if basis.source is FlipSource.GIVEN}:
        lines.append(f"Given: {_given(given, everywhere=len(given) == len(bases))}.")
        lines += [
            f"That is too low for {name}: {_noise(given[name])} of the base's own answers flip when it is asked twice."
            for name in _too_low(given)
        ]
    measured = {name: basis for name, basis in bases.items() if basis.source is FlipSource.MEASURED}
    if measured:
        noise = ", ".join(f"{name} {_noise(basis)}" for name, basis in measured.items())
        expected = _rates(next(iter(measured.values())).expected)
        lines.append(
            f"Measured A/A, answers of the base that flip when it is asked twice: {noise}. Twice that share is added "
            f"to the {expected} that training is assumed to flip{_raised(measured)}."
        )
    return lines


def _given(given: Mapping[str, FlipBasis], *, everywhere: bool) -> str:
    """'4 % for words and facts, 1 % for json_orders'; '4 %' where that is all there is."""
    by_rate: dict[str, list[str]] = {}
    for name, basis in given.items():
        by_rate.setdefault(_rates(basis.rates), []).append(name)
    if everywhere and len(by_rate) == 1:
        return next(iter(by_rate))
    return "; ".join(f"{rates} for {', '.join(names)}" for rates, names in by_rate.items())


def _too_low(given: Mapping[str, FlipBasis]) -> list[str]:
    """Suites whose base flips more by itself than was given for base and candidate."""
    return [
        name
        for name, basis in given.items()
        if basis.noise is not None
        and basis.noise.counts.lost + basis.noise.counts.gained > basis.rates[0] * basis.noise.counts.n
    ]


def _noise(basis: FlipBasis) -> str:
    """'2 of 800 (at most 0.8 %)'"""
    if basis.noise is None:
        return "not measured"
    counts = basis.noise.counts
    return f"{counts.lost + counts.gained} of {counts.n:,} (at most {basis.noise.upper * 100:.1f} %)"


def _raised(measured: Mapping[str, FlipBasis]) -> str:
    """': json_orders 2.5 / 5.5 / 10.5 %' for the suites with any noise; nothing to say of the others."""
    raised = [f"{name} {_rates(basis.rates)}" for name, basis in measured.items() if basis.rates != basis.expected]
    return f": {', '.join(raised)}" if raised else ", which adds nothing"


def _rates(rates: Sequence[Decimal]) -> str:
    """'2 / 5 / 10 %'"""
    return " / ".join(f"{float(rate * 100):g}" for rate in rates) + " %"


def _too_small(plans: Mapping[str, SuitePlan], suites: Sequence[Suite]) -> list[Text]:
    """What a suite that lacks items will do, at the lowest flip rate at which it lacks any."""
    lines = []
    for suite in suites:
        plan = plans[suite.name]
        lacking = [outlook for outlook in plan.outlooks if outlook.needed_n > plan.n]
        if not lacking or suite.margin is None:
            continue
        first, source = lacking[0], "" if plan.basis is None else f" ({SOURCES[plan.basis.source]})"
        lines.append(
            Text(
                f"{suite.name} ({plan.n:,} items): at {float(first.flip_rate * 100):g} % flips{source} a true drop of "
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
