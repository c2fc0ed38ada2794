"""Which checkpoint broke what: one sentence a suite, the verdicts that it rests on, and the same as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from regress.report.words import interval, points, visible
from regress.schema import Bisection, Breakage, Step, Verdict

BISECT_FORMAT = 1


def sentence(found: Bisection, breakage: Breakage) -> str:
    """checkpoint-300 is the first that breaks json_orders; checkpoint-200 is within its margin."""
    suite = visible(breakage.suite)
    last = _name(found, len(found.checkpoints))
    if breakage.broken is None:
        if breakage.within is None:
            return f"{suite}: not decidable with these items whether {last} breaks it."
        return f"{suite} is within its margin at {last}, the last one."
    broken, within = _name(found, breakage.broken), _name(found, breakage.within or 0)
    if breakage.is_settled:
        return f"{broken} is the first that breaks {suite}; {within} is within its margin."
    between = ", ".join(_name(found, place) for place in range((breakage.within or 0) + 1, breakage.broken))
    return (
        f"{suite} broke between {within}, which is within its margin, and {broken}, which is beyond it; not decidable "
        f"with these items: {between}."
    )


def caveat(found: Bisection) -> str:
    """What all of it rests on, and what it does not say."""
    asked = len(found.digests)
    text = (
        f"Asked: {asked} of {len(found.checkpoints)} checkpoints, as {found.variant}. All verdicts together hold with "
        f"{(1 - found.alpha) * 100:g} % confidence. 'First' supposes that what broke stays broken: losses need not "
        "grow from one checkpoint to the next, and those that were not asked may differ."
    )
    odd = [visible(b.suite) for b in found.suites if not b.is_monotone]
    return text if not odd else f"{text} {', '.join(odd)} recovered after a break among those that were asked."


def terminal(found: Bisection) -> RenderableType:
    """The sentences, each with its verdicts in the order of the checkpoints."""
    parts: list[RenderableType] = []
    for breakage in found.suites:
        parts.append(Text(sentence(found, breakage), style="bold" if breakage.broken is not None else ""))
        for step in sorted(breakage.steps, key=lambda s: s.checkpoint):
            parts.append(Padding(Text(_step(found, step)), (0, 0, 0, 2)))
    return Group(*parts, Text(""), Text(caveat(found), style="dim"))


def _step(found: Bisection, step: Step) -> str:
    words = {Verdict.PASS: "within", Verdict.FAIL: "beyond", Verdict.UNDECIDED: "open"}
    counts = f"{points(step.delta)} {interval(step.ci90)} of {step.counts.n}"
    return f"{_name(found, step.checkpoint)}  {words[step.verdict]}  {counts}"


def _name(found: Bisection, place: int) -> str:
    return "the base" if place == 0 else visible(found.checkpoints[place - 1], 60)


def as_json(found: Bisection) -> dict[str, Any]:
    """Version 1: keys are only ever added. Places count from 1; 0 is the base."""
    return {
        "schema_version": BISECT_FORMAT,
        "lock": found.lock,
        "variant": found.variant,
        "checkpoints": [name.encode("utf-8", "backslashreplace").decode("utf-8") for name in found.checkpoints],
        "digests": {str(place): digest for place, digest in found.digests.items()},
        "alpha": found.alpha,
        "alpha_each": found.alpha_each,
        "suites": [
            {
                "suite": breakage.suite,
                "settled": breakage.is_settled,
                "within": breakage.within,
                "broken": breakage.broken,
                "monotone": breakage.is_monotone,
                "steps": [_step_object(step) for step in breakage.steps],
                "sentence": sentence(found, breakage),
            }
            for breakage in found.suites
        ],
        "caveat": caveat(found),
    }


def _step_object(step: Step) -> dict[str, Any]:
    return {
        "checkpoint": step.checkpoint,
        "verdict": step.verdict.value,
        "lost": step.counts.lost,
        "gained": step.counts.gained,
        "n": step.counts.n,
        "delta": step.delta,
        "ci90": None if step.ci90 is None else list(step.ci90),
    }
