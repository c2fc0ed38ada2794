"""Which strengths to try, in which order, and which one to propose. Pure: whoever measures is an argument.

The whole adapter first: quarters from above until one will do or loses its target, then two halvings of the gap where
the answer changes, so that it is known to a sixteenth. Only where no strength of the whole adapter will do, and the
adapter as it was trained reached its targets, each group of its modules is left out in turn, and what is left of the
best one is weakened in quarters. Fourteen strengths at most. Losses need not grow with the strength; where they do not,
the answer may be weaker than it had to be, and is no less true: it is confirmed on items that had no part in this.
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
        if _will_do(probes[-1], confirmable) or _is_too_weak(probes[-1]):
            break
    _refine(measure, probes)
    if proposal(probes) is None and probes[0].reached:
        _leave_out(measure, probes, groups, confirmable)
    return probes


def proposal(probes: Sequence[Probe]) -> Probe | None:
    """The strongest that the gate would promote on this half; else the surest of those whose estimates would all do."""
    weakened = [probe for probe in probes if probe.strength != AS_TRAINED]
    if certain := [probe for probe in weakened if _worth(probe) == 2]:
        return max(certain, key=lambda probe: probe.share)
    return max((p for p in weakened if _worth(p) == 1), key=lambda p: (-_doubt(p), p.share), default=None)


def _doubt(probe: Probe) -> float:
    """The largest p-value of a protected suite being within its margin, or of a target having its gain."""
    return max((p for v in probe.suites for p in (v.p_pass, v.p_gain) if p is not None), default=1.0)


def _worth(probe: Probe) -> int:
    if probe.ruling is Ruling.PROMOTE:
        return 2
    return int(probe.standing is not Standing.BROKEN and probe.reached)


def _will_do(probe: Probe, confirmable: bool) -> bool:
    return _worth(probe) >= (2 if confirmable else 1)


def _is_too_weak(probe: Probe) -> bool:
    """Breaks nothing, and what it gains is not enough: weaker ones gain less."""
    return probe.standing is not Standing.BROKEN and not probe.reached


def _refine(measure: Measure, probes: list[Probe]) -> None:
    """Halve the gap between the strongest scale of which that is true and the next one of which it is not."""
    accepted = _divide(probes[1:])
    low = max((probe.strength.scale for probe in probes if accepted(probe)), default=0.0)
    above = [probe.strength.scale for probe in probes if probe.strength.scale > low]
    if not above:
        return
    high = min(above)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        probes.append(measure(Strength(scale=middle)))
        low, high = (middle, high) if accepted(probes[-1]) else (low, middle)


def _divide(weakened: Sequence[Probe]) -> Callable[[Probe], bool]:
    """What is true of weaker scales and not of stronger ones, where the answer lies between the two.

    The strongest that would be promoted; or, where nothing is certain, the weakest that still gains enough; or the
    strongest that breaks nothing.
    """
    if any(probe.ruling is Ruling.PROMOTE for probe in weakened):
        return lambda probe: probe.ruling is Ruling.PROMOTE
    if any(_worth(probe) for probe in weakened):
        return lambda probe: not probe.reached
    return lambda probe: probe.standing is not Standing.BROKEN


def _leave_out(measure: Measure, probes: list[Probe], groups: Sequence[Group], confirmable: bool) -> None:
    """Each group in turn, the rest at full strength; then less and less of the rest that came nearest."""
    without = [measure(Strength(scale=1.0, without=group)) for group in groups]
    probes += without
    reaching = [probe for probe in without if probe.reached]
    if not reaching or any(_will_do(probe, confirmable) for probe in without):
        return
    nearest = max(reaching, key=lambda probe: (_worth(probe), _slack(probe)))
    for scale in QUARTERS:
        probes.append(measure(Strength(scale=scale, without=nearest.strength.without)))
        if _will_do(probes[-1], confirmable) or not probes[-1].reached:
            break


def _slack(probe: Probe) -> float:
    return min((slack(verdict) for verdict in probe.suites if verdict.role is Role.PROTECT), default=-1.0)


def slack(verdict: SuiteVerdict) -> float:
    """How far a protected suite's estimate is from its margin, in rates; negative beyond it."""
    return float(verdict.margin or 0) + (-1.0 if verdict.delta is None else verdict.delta)
