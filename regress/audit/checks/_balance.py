"""How often each label is given, and whether the labels that will be judged are those that are taught."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from regress.audit.answers import MIN_LABEL_ROWS, Answers, kind_and_key
from regress.audit.protocol import Again
from regress.schema import Evidence, Finding, Item, Role, Severity, Suite

MIN_ROWS = 100
LOPSIDED = 20.0
"""So many times as many rows of the commonest label as of the median one are worth a word."""

REPEATED = 2.0  # items a label, on average, above which a suite's targets are labels
SHARED = 0.5  # of a suite's labels that training must know for the suite to be held against it
SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Rows of each label, the commonest first; `firsts` are the indices of the rows that give it first."""

    counts: tuple[int, ...]
    firsts: tuple[int, ...]
    keys: tuple[int, ...]

    @property
    def rows(self) -> int:
        return sum(self.counts)

    @property
    def lopsided(self) -> float:
        """The commonest label's rows over the median label's."""
        return self.counts[0] / float(np.median(self.counts))


def balance(answers: Answers) -> Balance | None:
    """None where less than MIN_ROWS rows or all of them alike bear labels."""
    given = np.unique(answers.groups[answers.labels])
    if np.count_nonzero(answers.labels) < MIN_ROWS or len(given) < 2:
        return None
    order = given[np.lexsort((answers.firsts[given], -answers.counts[given]))]
    firsts = answers.firsts[order]
    return Balance(
        counts=tuple(answers.counts[order].tolist()),
        firsts=tuple(firsts.tolist()),
        keys=tuple(answers.keys[firsts].tolist()),
    )


def findings(found: Balance, answers: Answers, suites: Sequence[Suite], again: Again) -> list[Finding]:
    """Labels that are learned too rarely, or not at all."""
    return [*_lopsided(found, again), *(one for suite in suites for one in _against(suite, found, answers, again))]


def _lopsided(found: Balance, again: Again) -> list[Finding]:
    if found.lopsided < LOPSIDED:
        return []
    most, half = found.counts[0], int(np.median(found.counts))
    return [
        Finding(
            rule="distribution/label-balance",
            severity=Severity.NOTE,
            title=f"the commonest of {len(found.counts):,} labels has {most:,} rows, the median one {half:,}",
            detail="A model drifts towards the labels it saw most; rare ones are lost first, and an average over items "
            "hides it.",
            advice="Add rows for rare labels, or give the suite a slice for each label to watch.",
            count=most,
            of=found.rows,
            harm=most / found.rows / 10.0,
            evidence=tuple(
                Evidence(row=int(again.numbers[first]), text="", detail=f"one of {count:,} rows with its label")
                for first, count in zip(found.firsts[::-1][:SHOWN], found.counts[::-1][:SHOWN], strict=True)
            ),
            figures={"lopsided": round(found.lopsided, 2)},
        )
    ]


def _against(suite: Suite, found: Balance, answers: Answers, again: Again) -> list[Finding]:
    """What a suite of labels asks for and training does not teach, or hardly."""
    judged = _labels_of(suite)
    if suite.role is Role.INFORM or not judged:
        return []
    rows = dict(zip(answers.keys[answers.firsts].tolist(), answers.counts.tolist(), strict=True))
    taught = set(found.keys)
    if sum(key in taught for key in judged) < SHARED * len(judged):
        return []
    rare = {key: items for key, items in judged.items() if rows.get(key, 0) < MIN_LABEL_ROWS}
    if not rare:
        return []
    items = [item for listed in rare.values() for item in listed]
    absent = sum(key not in rows for key in rare)
    return [
        Finding(
            rule="distribution/missing-label",
            severity=Severity.WARN,
            title=f"{len(rare):,} of the {len(judged):,} labels that {suite.name} asks for are taught by fewer than "
            f"{MIN_LABEL_ROWS} rows, {absent:,} by none",
            detail=f"{len(items):,} of its {len(suite.items):,} items ask for them, and the model will not know them.",
            advice="Add rows with these labels, or find out whether they are spelt differently.",
            count=len(items),
            of=len(suite.items),
            harm=len(items) / len(suite.items),
            suite=suite.name,
            evidence=tuple(
                Evidence(
                    row=0,
                    text=_target(listed[0]),
                    source=suite.items_path,
                    item=f"{suite.name}:{listed[0].id}",
                    detail=f"{rows.get(key, 0)} rows, {len(listed)} items",
                )
                for key, listed in list(rare.items())[:SHOWN]
            ),
            items=tuple(item.id for item in items),
        )
    ]


def _labels_of(suite: Suite) -> Mapping[int, list[Item]]:
    """Items by the key of their target, where few targets are asked for again and again; else nothing."""
    listed: dict[int, list[Item]] = {}
    for item in suite.items:
        if target := _target(item):
            listed.setdefault(kind_and_key(target)[1], []).append(item)
    count = Counter({key: len(items) for key, items in listed.items()}).total()
    return listed if count == len(suite.items) and count >= REPEATED * len(listed) and len(listed) > 1 else {}


def _target(item: Item) -> str:
    if item.targets:
        return item.targets[0]
    return item.choices[item.answer] if item.answer is not None and item.choices else ""
