"""Which strengths to try, in which order, and which one to propose. Pure: whoever measures is an argument.

The whole adapter first: quarters from above until one will do, then two halvings of the gap above it, so that the
answer is within a sixteenth. Only where no strength of the whole adapter will do, and the adapter as it was trained
reached its targets, each group of its modules is left out in turn, and what is left of the best one is weakened in
quarters. Fourteen strengths at most. Losses need not grow with
the strength; where they do not, the answer may be weaker than it had to be, and is no less true: it is confirmed on
items that had no part in this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from regress.schema import Group, Probe, Role, Ruling, Standing, Strength, SuiteVerdict

QUARTERS = (0.75, 0.5, 0.25)
HALVINGS = 2
AS_TRAINED = Strength(scale=1.0)

Measure = Callable[[Strength], Probe]


def search(measure: Measure, groups: Sequence[Group], *, confirmable: bool) -> list[Probe]:
    """Probes in the order in which they were made, the adapter as it was trained first.

    Where not even an unchanged model could be confirmed (`confirmable`), nothing is certain on the selection half
    either, and estimates have to do.
    """
    probes = [measure(AS_TRAINED)]
    for scale in QUARTERS:
        probes.append(measure(Strength(scale=scale)))
        if _will_do(probes[-1], confirmable):
            break
    _refine(measure, probes)
    if proposal(probes) is None and probes[0].reached:
        _leave_out(measure, probes, groups, confirmable)
    return probes


def proposal(probes: Sequence[Probe]) -> Probe | None:
    """The strongest that the gate would promote on this half, else the strongest whose estimates would all do."""
    weakened = [probe for probe in probes if probe.strength != AS_TRAINED]
    for worth in (2, 1):
        fitting = [probe for probe in weakened if _worth(probe) == worth]
        if fitting:
            return max(fitting, key=lambda probe: probe.share)
    return None


def _worth(probe: Probe) -> int:
    if probe.ruling is Ruling.PROMOTE:
        return 2
    return int(probe.standing is not Standing.BROKEN and probe.reached)


def _will_do(probe: Probe, confirmable: bool) -> bool:
    return _worth(probe) >= (2 if confirmable else 1)


def _refine(measure: Measure, probes: list[Probe]) -> None:
    """Halve the gap between the strongest scale that is good enough and the next one that is not."""
    accepted = _standard(probes[1:])
    low = max((probe.strength.scale for probe in probes if accepted(probe)), default=0.0)
    above = [probe.strength.scale for probe in probes if probe.strength.scale > low]
    if not above:
        return
    high = min(above)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        probes.append(measure(Strength(scale=middle)))
        low, high = (middle, high) if accepted(probes[-1]) else (low, middle)


def _standard(weakened: Sequence[Probe]) -> Callable[[Probe], bool]:
    """The highest demand that one of them met: a promotion, all protected suites for certain, or by estimate."""
    if any(probe.ruling is Ruling.PROMOTE for probe in weakened):
        return lambda probe: probe.ruling is Ruling.PROMOTE
    if any(probe.standing is Standing.HELD for probe in weakened):
        return lambda probe: probe.standing is Standing.HELD
    return lambda probe: probe.standing is not Standing.BROKEN


def _leave_out(measure: Measure, probes: list[Probe], groups: Sequence[Group], confirmable: bool) -> None:
    """Each group in turn, the rest at full strength; then less and less of the rest that came nearest."""
    without = [measure(Strength(scale=1.0, without=group)) for group in groups]
    probes += without
    if not without or any(_will_do(probe, confirmable) for probe in without):
        return
    nearest = max(without, key=lambda probe: (_worth(probe), _slack(probe)))
    for scale in QUARTERS:
        probes.append(measure(Strength(scale=scale, without=nearest.strength.without)))
        if _will_do(probes[-1], confirmable):
            break


def _slack(probe: Probe) -> float:
    return min((slack(verdict) for verdict in probe.suites if verdict.role is Role.PROTECT), default=-1.0)


def slack(verdict: SuiteVerdict) -> float:
    """How far a protected suite's estimate is from its margin, in rates; negative beyond it."""
    return float(verdict.margin or 0) + (-1.0 if verdict.delta is None else verdict.delta)
