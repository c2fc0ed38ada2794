"""Where it broke: failure kinds before and after, slices from the worst on, lengths. Rows of words and shares."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from regress.report.words import FLAGGED, movement, noteworthy, p_value, points
from regress.schema import Decision, LengthShift, Role, Spread, SuiteComparison

KINDS = {
    "complied": "answered what it should refuse",
    "duplicate_keys": "a JSON key twice",
    "empty": "an empty reply",
    "extra_keys": "JSON with keys too many",
    "fenced": "JSON inside a code fence",
    "leading_text": "text before the JSON",
    "missing_keys": "JSON without a required key",
    "nesting": "JSON nested too deep",
    "no_json": "no JSON at all",
    "no_number": "no number in the reply",
    "not_finite": "NaN or infinity in the JSON",
    "number_range": "a number too large for JSON readers",
    "refused": "refused what it should answer (over-refusal)",
    "schema_violation": "JSON that breaks the schema",
    "surrogate": "broken characters in the JSON",
    "syntax": "JSON that does not parse",
    "tie": "undecided between two choices",
    "too_long": "JSON too long to read",
    "trailing_text": "text behind the JSON",
    "truncated": "cut off before the end",
    "wrong": "a wrong answer",
    "wrong_value": "JSON with a wrong value",
}
"""Failure kinds in words; others are shown as they are."""

MOST_KINDS = 8
_LEAST_SCALE = 20  # a bar's whole length stands for a twentieth of the items at least
MOST_SLICES = 12  # at once; as many as `ALL_SLICES` behind a fold
ALL_SLICES = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRow:
    """How often one failure kind occurred; shares are percent of the longest bar."""

    kind: str
    words: str
    base: int
    candidate: int
    base_share: float
    candidate_share: float

    @property
    def grew(self) -> bool:
        return self.candidate > self.base


@dataclass(frozen=True, slots=True, kw_only=True)
class KindBlock:
    """One suite's failures in variants that came out alike."""

    suite: str
    variants: str
    n: int
    rows: tuple[KindRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRow:
    """One slice; `certain` where something was lost for certain."""

    suite: str
    variants: str
    slice: str
    moved: str
    amount: str
    delta: float
    p: str
    certain: bool
    lost_share: float  # percent of its items
    gained_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthRow:
    """Reply lengths of one suite; places in percent of the longest."""

    suite: str
    variants: str
    base: Spread
    candidate: Spread
    base_at: tuple[float, float, float]
    candidate_at: tuple[float, float, float]


def kind_words(kind: str) -> str:
    """'no JSON at all' for no_json."""
    return KINDS.get(kind, kind)


def kind_blocks(decision: Decision, comparisons: Sequence[SuiteComparison]) -> list[KindBlock]:
    """Suites that fail in another way or more often than the base, the worst first."""
    changed = [c for c in _worst_first(decision, comparisons) if any(k.base != k.candidate for k in c.kinds)]
    return [
        _kind_block(c, variants)
        for c, variants in _alike(changed, lambda c: (c.suite, c.counts, c.kinds), lambda c: c.variant)
    ]


def _kind_block(comparison: SuiteComparison, variants: str) -> KindBlock:
    most = max([comparison.counts.n // _LEAST_SCALE, 1, *(max(k.base, k.candidate) for k in comparison.kinds)])
    rows = tuple(
        KindRow(
            kind=k.kind,
            words=kind_words(k.kind),
            base=k.base,
            candidate=k.candidate,
            base_share=100.0 * k.base / most,
            candidate_share=100.0 * k.candidate / most,
        )
        for k in comparison.kinds[:MOST_KINDS]
    )
    return KindBlock(suite=comparison.suite, variants=variants, n=comparison.counts.n, rows=rows)


def slice_rows(comparisons: Sequence[SuiteComparison]) -> list[SliceRow]:
    """Slices of every suite that has several, by how much they lost; ALL_SLICES at most."""
    parts = [(c, part) for c in comparisons if len(c.slices) > 1 for part in c.slices if part.counts.n]
    rows = [
        SliceRow(
            suite=c.suite,
            variants=variants,
            slice=part.slice,
            moved=movement(part.counts),
            amount=points(delta := (part.counts.gained - part.counts.lost) / part.counts.n),
            delta=delta,
            p=p_value(part.p_lost),
            certain=part.p_lost <= FLAGGED,
            lost_share=100.0 * part.counts.lost / part.counts.n,
            gained_share=100.0 * part.counts.gained / part.counts.n,
        )
        for (c, part), variants in _alike(parts, lambda pair: (pair[0].suite, pair[1]), lambda pair: pair[0].variant)
    ]
    return sorted(rows, key=lambda row: (row.delta, row.suite, row.slice))[:ALL_SLICES]


def length_rows(lengths: Sequence[LengthShift]) -> list[LengthRow]:
    """Suites that write replies, on one scale."""
    longest = max((max(shift.base.high, shift.candidate.high) for shift in lengths), default=0) or 1

    def at(spread: Spread) -> tuple[float, float, float]:
        return (100.0 * spread.low / longest, 100.0 * spread.middle / longest, 100.0 * spread.high / longest)

    return [
        LengthRow(
            suite=shift.suite,
            variants=variants,
            base=shift.base,
            candidate=shift.candidate,
            base_at=at(shift.base),
            candidate_at=at(shift.candidate),
        )
        for shift, variants in _alike(lengths, lambda s: (s.suite, s.base, s.candidate), lambda s: s.variant)
    ]


def _worst_first(decision: Decision, comparisons: Sequence[SuiteComparison]) -> list[SuiteComparison]:
    """By the order of the verdicts worth a note; then protected suites before others."""
    order = {(v.suite, v.variant): rank for rank, v in enumerate(noteworthy(decision))}
    roles = list(Role)
    return sorted(
        (c for c in comparisons if c.figure is None),
        key=lambda c: (roles.index(c.role), order.get((c.suite, c.variant), len(order)), c.suite),
    )


def _alike(rows: Iterable[T], key: Callable[[T], Hashable], name: Callable[[T], str]) -> list[tuple[T, str]]:
    """The first of rows with the same key, with the names of all of them: adapter and merged."""
    found: dict[Hashable, tuple[T, list[str]]] = {}
    for row in rows:
        found.setdefault(key(row), (row, []))[1].append(name(row))
    return [(row, " and ".join(names)) for row, names in found.values()]
