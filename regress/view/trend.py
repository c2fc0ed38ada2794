"""How every suite moved from candidate to candidate: one small drawing a suite, on a scale of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regress.report.words import interval, points
from regress.schema import Decision, Role, Ruling, SuiteVerdict, Verdict

WIDTH, HEIGHT, SIDE, TOP, BOTTOM = 420, 120, 14, 12, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One candidate on the drawing, with its interval as a line."""

    x: float
    y: float
    low: float
    high: float
    verdict: str
    label: str
    candidate: str  # short digest, for the link


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One suite's candidates in the order of the ledger; `zero` is the base, `margin` the largest acceptable drop."""

    suite: str
    role: str
    zero: float
    margin: float | None
    last: str  # the newest candidate's points
    marks: tuple[Mark, ...]
    width: int = WIDTH
    height: int = HEIGHT


def trends(decided: Mapping[str, tuple[str, Decision]]) -> list[Trend]:
    """`decided` has the candidates' names and decisions by short digest, oldest first; the worse variant is shown."""
    suites: dict[str, list[tuple[str, str, SuiteVerdict]]] = {}
    for short, (name, decision) in decided.items():
        if decision.ruling is not Ruling.REFUSED:
            for suite, verdict in _worst(decision.suites).items():
                suites.setdefault(suite, []).append((short, name, verdict))
    order = list(decided)
    return [_trend(suite, order, entries) for suite, entries in sorted(suites.items())]


def _worst(verdicts: Sequence[SuiteVerdict]) -> dict[str, SuiteVerdict]:
    worst: dict[str, SuiteVerdict] = {}
    for verdict in verdicts:
        if verdict.delta is not None and not verdict.is_relative:
            known = worst.get(verdict.suite)
            if known is None or known.delta is None or verdict.delta < known.delta:
                worst[verdict.suite] = verdict
    return worst


def _trend(suite: str, order: Sequence[str], entries: Sequence[tuple[str, str, SuiteVerdict]]) -> Trend:
    margin = next((-float(v.margin) for _, _, v in entries if v.margin is not None and v.role is Role.PROTECT), None)
    values = [0.0, *([margin] if margin is not None else [])]
    for _, _, verdict in entries:
        values += [verdict.delta or 0.0, *(verdict.ci90 or ())]
    low, high = min(values) - 0.01, max(values) + 0.01

    def y(value: float) -> float:
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def x(short: str) -> float:
        return round(SIDE + (order.index(short) + 0.5) / len(order) * (WIDTH - 2 * SIDE), 1)

    def mark(short: str, name: str, verdict: SuiteVerdict) -> Mark:
        delta = verdict.delta or 0.0
        ends = verdict.ci90 or (delta, delta)
        return Mark(
            x=x(short),
            y=y(delta),
            low=y(ends[0]),
            high=y(ends[1]),
            verdict=Verdict(verdict.verdict).value,
            label=f"{name}: {points(verdict.delta)} points {interval(verdict.ci90)}, {verdict.verdict.value}",
            candidate=short,
        )

    return Trend(
        suite=suite,
        role=entries[0][2].role.value,
        zero=y(0.0),
        margin=None if margin is None else y(margin),
        last=points(entries[-1][2].delta),
        marks=tuple(mark(*entry) for entry in entries),
    )
