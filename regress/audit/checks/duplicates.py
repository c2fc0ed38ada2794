"""Rows that stand there more than once: learned twice as hard, and worth one row's evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from regress.audit.again import Second
from regress.audit.checks._near import (
    SAMPLE,
    Compared,
    Keys,
    common_shingles,
    compare,
    near_keys,
    pairs_between,
    pairs_within,
)
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.audit.table import Table
from regress.audit.words import Hashes, Places, folded, key
from regress.errors import DataError
from regress.schema import Evidence, Finding, Measure, Severity

MAX_EVIDENCE = 20
MANY = 0.05
"""Share of near-duplicates from which they are more than worth knowing."""

Seen = tuple[Places, Hashes, Keys]
"""Numbers, keys of whole rows, keys by which near-duplicates meet."""


class Duplicates:
    """Repetitions of whole rows, and rows that are nearly the same, in the data and in the validation split."""

    name: ClassVar[str] = "duplicates"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seen: list[Seen] = []

    def look(self, chunk: Chunk) -> Seen:
        return chunk.numbers, _row_keys(chunk), near_keys(chunk.whole)

    def add(self, seen: Seen) -> None:
        self._seen.append(seen)

    def finish(self, again: Again) -> Found:
        numbers, whole, near = _joined(self._seen)
        _, firsts, group = np.unique(whole, return_index=True, return_inverse=True)
        earlier = firsts[group]
        repeated = np.flatnonzero(earlier != np.arange(len(whole)))
        alone = np.flatnonzero(earlier == np.arange(len(whole)))
        common = common_shingles(again.sample(SAMPLE))
        reader = (again.rows, numbers[alone])
        alike = compare(pairs_within(near[alone]), (reader, reader), common, self._context.seed)
        findings = [
            *_exact(numbers, repeated, earlier),
            *_nearly(numbers, alone, alike, len(whole)),
            *self._validation(again, (numbers, whole, near), common),
        ]
        figures: dict[str, Measure] = {"duplicates": len(repeated), "near-duplicates": alike.estimate}
        return Found(figures=figures, findings=tuple(findings))

    def _validation(self, again: Again, train: Seen, common: Table) -> list[Finding]:
        """What stands in both splits, so that the loss that training is watched by is too good."""
        source = self._context.validation
        if source is None:
            return []
        second = Second(source=source, mapped=self._context.mapped, numbers=np.empty(0, np.int64), workers=1)
        parts = list(second.scan(self.look))
        if not any(len(part[0]) for part in parts):
            raise DataError(f"{source.name} holds no row that can be read, so nothing can be held against it.")
        numbers, whole, near = _joined(parts)
        table = Table(train[1])
        places, entries = table.find(whole)
        same = dict(zip(places.tolist(), table.owners[entries].tolist(), strict=True))
        rest = np.array([place for place in range(len(numbers)) if place not in same], dtype=np.int64)
        readers = ((again.rows, train[0]), (second.rows, numbers[rest]))
        alike = compare(pairs_between(train[2], near[rest]), readers, common, self._context.seed)
        close = {int(rest[other]): int(one) for one, other in alike.pairs}
        return [
            _shared(kind, {int(numbers[at]): int(train[0][one]) for at, one in found.items()}, len(numbers))
            for kind, found in (("validation", same), ("validation-near", close))
            if found
        ]


def _joined(parts: Sequence[Seen]) -> Seen:
    numbers, whole, near = zip(*parts, strict=True)
    return np.concatenate(numbers), np.concatenate(whole), np.concatenate(near)


def _row_keys(chunk: Chunk) -> Hashes:
    """A key for all that a row says: its prompt, its reply, and the system's words or the rejected reply if any."""
    keys = chunk.prompts.folded_keys * np.uint64(3) + chunk.replies.folded_keys
    for place, row in enumerate(chunk.rows):
        more = [turn.content for turn in row.turns if turn.role == "system"]
        if row.rejected is not None:
            more.append(row.rejected)
        if more:
            keys[place] ^= np.uint64(key(folded("\n".join(more))))
    return keys


def _exact(numbers: Places, repeated: Places, earlier: Places) -> list[Finding]:
    if not len(repeated):
        return []
    return [
        Finding(
            rule="duplicates/exact",
            severity=Severity.WARN,
            title=f"{len(repeated):,} rows repeat an earlier one word for word",
            detail="They weigh as two rows in training and teach as much as one. Case and white space are folded.",
            advice="Take the repetitions out: --fix keeps the first of each.",
            count=len(repeated),
            of=len(numbers),
            harm=len(repeated) / len(numbers),
            evidence=tuple(
                Evidence(row=int(numbers[place]), text="", item=f"row {numbers[earlier[place]]}")
                for place in repeated[:MAX_EVIDENCE]
            ),
            removable=tuple(numbers[repeated].tolist()),
        )
    ]


def _nearly(numbers: Places, alone: Places, alike: Compared, rows: int) -> list[Finding]:
    count = len(np.unique(alike.pairs[:, 0]))
    if not count:
        return []
    shown = sorted(zip(alike.alike, alike.pairs.tolist(), strict=True), key=lambda pair: (-pair[0], pair[1]))
    sampled = alike.looked < alike.likely
    about = f"About {alike.estimate:,}" if sampled else f"{count:,}"
    looked = f" Of {alike.likely:,} likely pairs {alike.looked:,} were compared." if sampled else ""
    share = (alike.estimate if sampled else count) / rows
    return [
        Finding(
            rule="duplicates/near",
            severity=Severity.WARN if share > MANY else Severity.NOTE,
            title=f"{about} rows are nearly the same as an earlier one",
            detail=f"At least 80 % of all pairs of neighbouring words are the same, in prompt and in reply.{looked}",
            advice="Look at some: variants that somebody made on purpose teach, copies with a typo mended do not.",
            count=min(rows, alike.estimate) if sampled else count,
            of=rows,
            harm=share / 2,
            evidence=tuple(
                Evidence(
                    row=int(numbers[alone[one]]),
                    text="",
                    item=f"row {numbers[alone[other]]}",
                    detail=f"{similarity:.0%} alike",
                )
                for similarity, (one, other) in shown[:MAX_EVIDENCE]
            ),
            figures={"likely pairs": alike.likely, "compared pairs": alike.looked},
        )
    ]


def _shared(kind: str, found: dict[int, int], rows: int) -> Finding:
    """`found` leads from rows of the validation split to rows of the data."""
    how = "word for word" if kind == "validation" else "nearly"
    return Finding(
        rule=f"duplicates/{kind}",
        severity=Severity.WARN,
        title=f"{len(found):,} of {rows:,} validation rows stand in the training data {how}",
        detail=f"Its loss is too good by what is known by heart: {len(found) / rows:.1%} of its rows.",
        advice="Take them out of one of the two before training is stopped, or a checkpoint chosen, by that loss.",
        count=len(found),
        of=rows,
        harm=len(found) / rows / 2,
        evidence=tuple(
            Evidence(row=train, text="", item=f"validation row {row}")
            for row, train in list(found.items())[:MAX_EVIDENCE]
        ),
    )
