"""Labels that contradict each other, and labels that a classifier contradicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from regress.audit.answers import MIN_LABEL_ROWS, Answers, together
from regress.audit.checks._mislabelled import MIN_SKILL, Suspicion, most_rows, suspicion
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.audit.words import Hashes, Places, folded, key
from regress.rows.row import Row
from regress.schema import Evidence, Finding, Severity, Skipped

SHOWN = 20
MIN_ROWS = 200
"""Fewer labelled rows teach a classifier nothing that it could hold against them."""

LEVEL = 0.95
LEAST_NOISE = 0.005
"""Lower limit of the estimated noise below which nothing is said."""

USUAL_NOISE = 0.02
"""Lower limit above which it is a warning; carefully labelled sets, whose classes overlap a little, reach 1 %."""

SEVERAL = 0.05
IGNORED = "!?;\"'`’“”…"

Seen = tuple[Hashes, Answers, int]


class Labels:
    """The same question with different answers, where it can have one only; and labels that are likely wrong."""

    name: ClassVar[str] = "labels"

    def __init__(self, context: Context) -> None:
        self._seed = context.seed
        self._prompts: list[Hashes] = []
        self._answers: list[Answers] = []
        self._characters = 0

    def look(self, chunk: Chunk) -> Seen:
        keys = np.array([asked_key(row) for row in chunk.rows], dtype=np.uint64)
        return keys, chunk.answers, sum(len(turn.content) for row in chunk.rows for turn in row.turns[:-1])

    def add(self, seen: Seen) -> None:
        self._prompts.append(seen[0])
        self._answers.append(seen[1])
        self._characters += seen[2]

    def finish(self, again: Again) -> Found:
        prompts, answers = np.concatenate(self._prompts), together(self._answers)
        asked = prompts != 0
        conflicts = disagreements(prompts, answers, asked)
        findings = [*_conflicts(conflicts, answers, again), *_wordings(conflicts, again)]
        figures: dict[str, int | float | str | None] = {
            "labels.rows": int(np.count_nonzero(answers.labels & asked)),
            "labels.conflicting_prompts": len(conflicts.groups),
            "labels.several_answers": conflicts.worded,
        }
        chosen, classes = _sample(prompts, answers, asked, self._characters / len(prompts), self._seed)
        if not len(chosen):
            return Found(findings=tuple(findings), figures=figures)
        rows = again.rows(set(again.numbers[chosen].tolist()))
        ordered = [rows[int(number)] for number in again.numbers[chosen]]
        found = suspicion([_context(row) for row in ordered], classes, self._seed)
        low, high = found.joint.interval(LEVEL)
        figures |= {"labels.sampled": len(chosen), "labels.classes": len(found.joint.given)}
        figures |= {"labels.predictable": round(found.accuracy, 4)}
        if found.skill < MIN_SKILL:
            reason = f"mislabelled rows: a classifier predicts {found.accuracy:.0%} of the labels, too few to doubt any"
            return Found(findings=tuple(findings), figures=figures, skipped=(Skipped(check=self.name, reason=reason),))
        figures |= {"labels.noise": round(found.joint.noise, 4)}
        figures |= {"labels.noise_low": round(low, 4), "labels.noise_high": round(high, 4)}
        return Found(findings=(*findings, *_mislabelled(found, ordered, classes)), figures=figures)


def asked_key(row: Row) -> int:
    """A key for all that was said before the last reply; case, spaces, quotes and closing marks count for nothing.

    Signs within a text do: 12 + 5 and 12 - 5 are two questions. 0 where nothing was asked.
    """
    before = folded(_context(row))
    for mark in IGNORED:
        before = before.replace(mark, "")
    return (key(before.rstrip(".,: ")) or 1) if before else 0


def _context(row: Row) -> str:
    return "\n".join(turn.content for turn in row.turns[:-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreements:
    """Prompts with one right answer that are answered in several ways."""

    groups: list[npt.NDArray[np.int64]]  # rows of each, the most first
    outvoted: int  # rows that give another answer than most of their group
    worded: int  # prompts with several answers in free text, where each may be right
    worded_rows: npt.NDArray[np.int64]
    of: int


def disagreements(prompts: Hashes, answers: Answers, asked: npt.NDArray[np.bool_]) -> Disagreements:
    """All prompts that are answered in several ways; everything is (rows,)."""
    rows = np.flatnonzero(asked)
    _, group, sizes = np.unique(prompts[rows], return_inverse=True, return_counts=True)
    pairs, pair_sizes = np.unique(group * answers.distinct + answers.groups[rows], return_counts=True)
    asked_by = pairs // max(1, answers.distinct)
    several = np.bincount(asked_by, minlength=len(sizes)) > 1
    settled = np.bincount(group, weights=answers.settled[rows], minlength=len(sizes)) == sizes
    most = np.zeros(len(sizes), np.int64)
    np.maximum.at(most, asked_by, pair_sizes)
    wrong = several & settled
    order = np.argsort(group, kind="stable")
    bounds = np.concatenate(([0], np.cumsum(sizes)))
    found = [rows[order[bounds[one] : bounds[one + 1]]] for one in np.flatnonzero(wrong)]
    return Disagreements(
        groups=sorted(found, key=lambda one: (-len(one), int(one[0]))),
        outvoted=int((sizes - most)[wrong].sum()),
        worded=int(np.count_nonzero(several & ~settled)),
        worded_rows=rows[(several & ~settled)[group]],
        of=len(rows),
    )


def _conflicts(found: Disagreements, answers: Answers, again: Again) -> list[Finding]:
    if not found.groups:
        return []
    pairs = [(one[0], one[np.flatnonzero(answers.groups[one] != answers.groups[one[0]])[0]]) for one in found.groups]
    shown = [(int(again.numbers[first]), int(again.numbers[other])) for first, other in pairs[:SHOWN]]
    rows = again.rows({number for pair in shown for number in pair})
    count = sum(len(one) for one in found.groups)
    return [
        Finding(
            rule="labels/conflict",
            severity=Severity.WARN if found.outvoted >= 0.001 * found.of else Severity.NOTE,
            title=f"{_prompts_are(len(found.groups))} answered in contradictory ways, in {count:,} rows",
            detail=f"At least {found.outvoted:,} of these answers are wrong, or the prompt lacks what decides: the "
            "model learns to guess there, and to be less sure elsewhere.",
            advice="Read both rows; correct or remove one, or add what decides to the prompt.",
            count=count,
            of=found.of,
            harm=found.outvoted / found.of,
            evidence=tuple(
                Evidence(row=other, text="", item=f"row {first}", detail=_against(rows[other], rows[first]))
                for first, other in shown
            ),
            figures={"prompts": len(found.groups), "outvoted": found.outvoted},
        )
    ]


def _against(row: Row, other: Row) -> str:
    return f"{_short(row.reply)} against {_short(other.reply)}"


def _prompts_are(count: int) -> str:
    return "1 prompt is" if count == 1 else f"{count:,} prompts are"


def _rows_are(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 50 else text[:49] + "…"


def _wordings(found: Disagreements, again: Again) -> list[Finding]:
    """Several replies in free text are normal; a note where they are many, since exact scorers accept one."""
    if not found.worded or len(found.worded_rows) < SEVERAL * found.of:
        return []
    return [
        Finding(
            rule="labels/several-wordings",
            severity=Severity.NOTE,
            title=f"{found.worded:,} prompts have several answers in free text, in {len(found.worded_rows):,} rows",
            detail="That teaches variety where the wording is free, and contradiction where one answer is right.",
            advice="Nothing, if each answer is right by itself.",
            count=len(found.worded_rows),
            of=found.of,
            harm=0.0,
            evidence=tuple(Evidence(row=int(again.numbers[row]), text="") for row in found.worded_rows[:SHOWN]),
        )
    ]


def _sample(
    prompts: Hashes, answers: Answers, asked: npt.NDArray[np.bool_], length: float, seed: int
) -> tuple[Places, Places]:
    """Rows to cross-validate, one for each prompt, and their classes; none where there are too few.

    `length` is how many characters a prompt has on average. A row that stood there twice would vouch for itself across
    folds.
    """
    nothing = np.empty(0, np.int64)
    candidates = np.flatnonzero(answers.labels & asked)
    if len(candidates) < MIN_ROWS:
        return nothing, nothing
    candidates = candidates[np.sort(np.unique(prompts[candidates], return_index=True)[1])]
    classes = len(np.unique(answers.groups[candidates]))
    rng = np.random.default_rng(seed)
    if len(candidates) > (most := most_rows(classes, length)):
        candidates = np.sort(rng.choice(candidates, most, replace=False))
    known, group, counts = np.unique(answers.groups[candidates], return_inverse=True, return_counts=True)
    kept = counts[group] >= MIN_LABEL_ROWS
    if np.count_nonzero(counts >= MIN_LABEL_ROWS) < 2 or np.count_nonzero(kept) < MIN_ROWS:
        return nothing, nothing
    return candidates[kept], np.unique(known[group[kept]], return_inverse=True)[1].astype(np.int64)


def _mislabelled(found: Suspicion, rows: Sequence[Row], classes: Places) -> list[Finding]:
    suggested, noise, (low, high) = found.joint.suggested, found.joint.noise, found.joint.interval(LEVEL)
    if low < LEAST_NOISE:
        return []
    names = {int(label): row.reply for row, label in zip(rows, classes, strict=True)}
    return [
        Finding(
            rule="labels/mislabelled",
            severity=Severity.WARN if low > USUAL_NOISE else Severity.NOTE,
            title=f"{_rows_are(len(found.suspects))} likely mislabelled",
            detail=f"Confident learning puts {noise:.1%} of the labels wrong, or as right as another ({low:.1%} to "
            f"{high:.1%}): a classifier that never saw them, and is right on {found.accuracy:.1%} of {len(rows):,} "
            "rows, clearly says otherwise. A suite labelled in the same way will not show what is learned from them.",
            advice="Read the rows below, the clearest first, and correct labels; where two labels fit, merge or "
            "sharpen them.",
            count=len(found.suspects),
            of=len(rows),
            harm=noise,
            evidence=tuple(
                Evidence(
                    row=rows[one].number,
                    text="",
                    detail=f"{_short(rows[one].reply)} → {_short(names[int(suggested[one])])}, "
                    f"{min(99, int(100 * found.confidence[one]))} %",
                )
                for one in found.suspects[:SHOWN]
            ),
            figures={"noise": round(noise, 4), "low": round(low, 4), "high": round(high, 4)},
        )
    ]
