"""What serving the candidate costs against its base, as rows of words: the same for a terminal and a page."""

from __future__ import annotations

from dataclasses import dataclass, replace

from regress.report.figures import NAMES, shown
from regress.report.words import signed
from regress.schema import Decision, Figure, FigureChange, ServingComparison
from regress.schema.serving import BETTER_WHEN_MORE, RELATIVE

TITLE = "serving, 90 % intervals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure; `worse` and `better` only where the interval says so."""

    what: str
    base: str
    candidate: str
    change: str
    worse: bool = False
    better: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One variant."""

    variant: str
    against: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def blocks(decision: Decision) -> list[Block]:
    """One for each variant, over all of its suites that write replies; variants that came out alike share one."""
    alike: dict[ServingComparison, list[str]] = {}
    for found in decision.serving:
        if found.suite is None:
            alike.setdefault(replace(found, variant=""), []).append(found.variant)
    return [_block(replace(found, variant=" and ".join(variants))) for found, variants in alike.items()]


def _block(found: ServingComparison) -> Block:
    rows = tuple(_row(change) for change in found.figures)
    notes = [f"{found.prompt_tokens:,} prompt tokens, {found.reply_tokens:,} written over {found.items:,} items"]
    if found.machine is not None:
        timed = next(change.n for change in found.figures if change.figure is Figure.LATENCY_P50)
        notes.append(f"times: {timed} prompts, one at a time, base and candidate in turn, on {found.machine}")
    if found.speed_ups:
        base, own = (" ".join(f"{number:.2f}" for number in side) for side in zip(*_gains(found), strict=True))
        first, last = found.speed_ups[0].k, found.speed_ups[-1].k
        notes.append(f"times as fast with the draft, {first} to {last} tokens at a time: {base} → {own}")
    return Block(variant=found.variant, against=found.against, rows=rows, notes=tuple(notes))


def _gains(found: ServingComparison) -> list[tuple[float, float]]:
    return [(speed_up.base, speed_up.candidate) for speed_up in found.speed_ups]


def _row(change: FigureChange) -> Row:
    low, high = change.ci90 or (0.0, 0.0)
    more, less = low > 0.0, high < 0.0
    good, bad = (more, less) if change.figure in BETTER_WHEN_MORE else (less, more)
    return Row(
        what=NAMES[change.figure],
        base=shown(change.figure, change.base),
        candidate=shown(change.figure, change.candidate),
        change=_change(change),
        worse=bad,
        better=good,
    )


def _change(change: FigureChange) -> str:
    """'+33.5 % [28.1, 38.9]': a part of the base's figure, or points where the figure is a share."""
    unit = " %" if change.figure in RELATIVE else " points"
    amount = f"{signed(change.change * 100)}{unit}"
    if change.ci90 is None:
        return amount
    low, high = change.ci90
    return f"{amount} [{signed(low * 100)}, {signed(high * 100)}]"
