"""What a reply is, seen from a suite: right, wrong but of the right form, or no answer of the kind at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from regress.audit.checks._near_rows import Near
from regress.audit.recommending import Count
from regress.audit.words import words
from regress.schema import Ask, Finish, Item, ItemOutcome, Outcome, Reply, Suite
from regress.scorers import BoundScorer, Kind

NOT_THE_FORM = frozenset(Kind) - {
    Kind.WRONG,
    Kind.WRONG_VALUE,
    Kind.TIE,
    Kind.REFUSED,
    Kind.COMPLIED,
    Kind.SCORER_ERROR,
    Kind.NO_REPLY,
    Kind.OVER_BUDGET,
}
"""Failures of form: what is left of the scorers' words without those for an answer that is wrong."""

MAX_LABEL = 200  # characters

Labels = frozenset[str]


def plain(text: str) -> str:
    """A label without case, punctuation and white space."""
    return " ".join(words(text))


def labels_of(near: Near | None) -> Labels | None:
    """The labels that rows near the suite answer with; None where replies are no labels, being different each time."""
    if near is None:
        return None
    replies = [plain(row.reply) for row in near.pool]
    different = frozenset(replies)
    return different if 2 * len(different) <= len(replies) else None


def covered(suite: Suite, items: Sequence[Item], labels: Labels | None, near: Near | None) -> Count | None:
    """Items of which a right answer is the reply of some row; None where answers are no labels, or items name none."""
    if near is None or labels is None or suite.ask is not Ask.GENERATE or not all(item.targets for item in items):
        return None
    taught = {plain(row.reply) for row in near.rows if len(row.reply) <= MAX_LABEL}
    known = sum(any(plain(target) in taught for target in item.targets) for item in items)
    return Count(right=known, n=len(items))


def rows_about(near: Near | None, items: Sequence[Item], labels: Labels | None) -> int:
    """Rows that answer with a label of the suite; where answers are no labels, rows that are near some item."""
    if near is None:
        return 0
    wanted = {plain(target) for item in items for target in item.targets}
    if labels is None or not wanted:
        return len(near.pool)
    return sum(len(row.reply) <= MAX_LABEL and plain(row.reply) in wanted for row in near.rows)


def chance(suite: Suite, items: Sequence[Item], scorer: BoundScorer, near: Near | None) -> Count:
    """What the commonest reply of the near rows gets as the answer to everything; of choices, the blind share."""
    if suite.ask is Ask.CHOOSE:
        blind = sum(1.0 / len(item.choices) for item in items)
        return Count(right=round(blind), n=len(items))
    if near is None:
        return Count(right=0, n=len(items))
    ((commonest, _),) = Counter(row.reply for row in near.pool).most_common(1)
    return _scored(suite, items, scorer, [commonest] * len(items))


def lookup(suite: Suite, items: Sequence[Item], scorer: BoundScorer, near: Near | None) -> Count | None:
    """What the reply of the row nearest to each item gets: what the data teaches to somebody who only looks it up."""
    if near is None:
        return None
    return _scored(suite, items, scorer, [near.rows[places[0]].reply for places in near.nearest])


def wrong_form(suite: Suite, outcomes: Iterable[ItemOutcome], items: Sequence[Item], labels: Labels | None) -> int:
    """Failures that are no answer of the kind that is asked for.

    The scorer's word for the failure says so, or, where answers are labels, a reply that is none of them.
    """
    known = None if labels is None else labels | {plain(target) for item in items for target in item.targets}
    return sum(_is_wrong_form(suite, outcome, known) for outcome in outcomes if outcome.outcome is not Outcome.PASS)


def _is_wrong_form(suite: Suite, outcome: ItemOutcome, known: Labels | None) -> bool:
    if outcome.kind in NOT_THE_FORM:
        return True
    if suite.ask is not Ask.GENERATE or known is None or outcome.reply.text is None:
        return False
    return plain(outcome.reply.text) not in known


def _scored(suite: Suite, items: Sequence[Item], scorer: BoundScorer, replies: Sequence[str]) -> Count:
    right = sum(_is_right(suite, item, scorer, reply) for item, reply in zip(items, replies, strict=True))
    return Count(right=right, n=len(items))


def _is_right(suite: Suite, item: Item, scorer: BoundScorer, reply: str) -> bool:
    if suite.ask is Ask.CHOOSE:
        return item.answer is not None and plain(reply) == plain(item.choices[item.answer])
    return scorer.score(Reply(text=reply, finish=Finish.EOS), item).outcome is Outcome.PASS
