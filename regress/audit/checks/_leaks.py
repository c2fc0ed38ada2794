"""What leaked items do to the verdict, suite by suite, in words and figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from regress.audit.checks._locked import Asked
from regress.audit.words import NORMALISATION, Places
from regress.schema import Evidence, Finding, Severity, Suite

MAX_EVIDENCE = 20


class Level(IntEnum):
    """How much of a locked item a row holds, the worst first."""

    EXACT = 0
    NORMALISED = 1
    ANSWERED = 2  # contained, and an answer that is right with it
    CONTAINED = 3
    INSIDE = 4  # a short item, as one run
    NEAR = 5
    REWORDED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A row that holds what an item asks."""

    row: int
    asked: int  # index
    level: Level
    share: float  # of the 8-grams, or Jaccard
    answered: bool | None  # whether the row teaches a right answer; None where the item names none
    grams: Places  # entries that the row holds, where that is what makes it a hit
    long_runs: float | None = None  # share of the item's 13-grams in the row, where 8-grams made it a hit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """How a level is reported."""

    rule: str
    severity: Severity
    title: str  # behind "12 of 300 items of NAME"
    believed: float  # what share of such items is taken for leaked in the ranking
    removable: bool
    means: str = ""  # what is compared, where the title leaves room for doubt


SHARES = {
    Level.ANSWERED: "8-grams",
    Level.CONTAINED: "8-grams",
    Level.NEAR: "pairs of words",
    Level.REWORDED: "rare words",
}
"""Of what rows hold a share, at the levels at which they hold more or less of an item."""

KINDS = {
    Level.EXACT: _Kind(
        rule="leakage/exact",
        severity=Severity.BLOCK,
        title="stand in the training data word for word",
        believed=1.0,
        removable=True,
    ),
    Level.NORMALISED: _Kind(
        rule="leakage/normalised",
        severity=Severity.BLOCK,
        title="stand in the training data but for case and punctuation",
        believed=1.0,
        removable=True,
        means=f" Compared after: {NORMALISATION}.",
    ),
    Level.ANSWERED: _Kind(
        rule="leakage/answered",
        severity=Severity.BLOCK,
        title="stand in longer training rows together with their answer",
        believed=1.0,
        removable=True,
    ),
    Level.CONTAINED: _Kind(
        rule="leakage/contained",
        severity=Severity.WARN,
        title="stand in training rows, or training rows in them",
        believed=0.7,
        removable=False,
        means=" At least 80 % of the one's runs of eight words stand in the other.",
    ),
    Level.INSIDE: _Kind(
        rule="leakage/contained-short",
        severity=Severity.NOTE,
        title="are short, and stand whole in training prompts that are little longer",
        believed=0.3,
        removable=False,
        means=" Four to seven words that make up a quarter of the prompt: people may just talk like that.",
    ),
    Level.NEAR: _Kind(
        rule="leakage/near",
        severity=Severity.WARN,
        title="have a near-duplicate in the training data",
        believed=0.5,
        removable=False,
        means=" At least 65 % of all pairs of neighbouring words are the same, 50 % in texts of 20 words and more; "
        "other words for the same are not seen.",
    ),
    Level.REWORDED: _Kind(
        rule="leakage/reworded",
        severity=Severity.NOTE,
        title="share most of their rare words with a training prompt",
        believed=0.3,
        removable=False,
        means=" Half of its rare words by weight and most of all its words, in any order: the same question in other "
        "words, or only the same subject.",
    ),
}


def leak_findings(
    hits: Sequence[Hit], asked: Sequence[Asked], suites: Mapping[str, Suite], rows: int
) -> tuple[Finding, ...]:
    """One finding for each suite and level; an item counts once, at its worst level."""
    worst: dict[str, Level] = {}
    for hit in hits:
        name = asked[hit.asked].name
        worst[name] = min(hit.level, worst.get(name, hit.level))
    grouped: dict[tuple[str, Level], list[Hit]] = defaultdict(list)
    for hit in hits:
        one = asked[hit.asked]
        if hit.level == worst[one.name]:
            grouped[one.suite, hit.level].append(hit)
    return tuple(_finding(suites[suite], level, some, asked, rows) for (suite, level), some in grouped.items())


def _finding(suite: Suite, level: Level, hits: Sequence[Hit], asked: Sequence[Asked], rows: int) -> Finding:
    kind = KINDS[level]
    items = list(dict.fromkeys(asked[hit.asked].id for hit in hits))
    leaky = sorted({hit.row for hit in hits})
    bound = len(items) / len(suite.items)
    answered = len({asked[hit.asked].id for hit in hits if hit.answered})
    return Finding(
        rule=kind.rule,
        severity=kind.severity,
        title=f"{len(items):,} of {len(suite.items):,} items of {suite.name} {kind.title}",
        detail=_detail(suite, kind, len(items), answered),
        advice=(
            "Take these rows out before training (--fix does), or lock other items."
            if kind.removable
            else "Look at the rows; take out those that ask what the item asks, or lock other items."
        ),
        count=len(leaky),
        of=rows,
        harm=bound * kind.believed,
        suite=suite.name,
        evidence=tuple(_evidence(hit, asked[hit.asked]) for hit in _telling(hits, asked)),
        removable=tuple(leaky) if kind.removable else (),
        items=tuple(items),
        figures={
            "leaked": len(items),
            "items": len(suite.items),
            "answered": answered,
            "bound": bound,
            "margin": None if suite.margin is None else float(suite.margin),
        },
    )


def _detail(suite: Suite, kind: _Kind, leaked: int, answered: int) -> str:
    """The bound on the score, beside what the gate has to see."""
    points = 100 * leaked / len(suite.items)
    carry = "They carry" if kind.severity is Severity.BLOCK else "If they are known by heart, they carry"
    bound = f"{carry} up to {points:.3g} points of this suite's score"
    if suite.margin is not None:
        margin = 100 * float(suite.margin)
        hides = points > margin
        bound += (
            f", more than its margin of {margin:g} and enough to hide a loss"
            if hides
            else f"; its margin is {margin:g}"
        )
    elif suite.min_gain is not None:
        bound += f"; the gain asked for is {100 * float(suite.min_gain):g}, and memory can be part of it"
    with_answer = f" {answered:,} with a right answer beside them." if answered else ""
    return f"{bound}.{with_answer}{kind.means}"


def _telling(hits: Sequence[Hit], asked: Sequence[Asked]) -> list[Hit]:
    """The surest hit of each item, those with the answer first."""
    best: dict[str, Hit] = {}
    for hit in sorted(hits, key=lambda hit: (not hit.answered, -hit.share, hit.row)):
        best.setdefault(asked[hit.asked].id, hit)
    return list(best.values())[:MAX_EVIDENCE]


def _evidence(hit: Hit, asked: Asked) -> Evidence:
    answer = {True: "with its answer", False: "with another answer", None: None}[hit.answered]
    share = f"{hit.share:.0%} of the {SHARES[hit.level]}" if hit.level in SHARES else None
    longer = None if hit.long_runs is None else f"{hit.long_runs:.0%} of the item's 13-grams"
    detail = "; ".join(part for part in (share, longer, answer) if part)
    return Evidence(row=hit.row, text="", item=asked.name, detail=detail or None)
