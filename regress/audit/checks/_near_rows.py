"""Which training rows are about the same task as a suite: the nearest ones by the words of their prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regress.audit.words import Places, key, words
from regress.rows.row import Form, Row
from regress.schema import Item, Suite

NEAR = 8
"""Rows that are kept for an item: as many as the base is shown at most."""

SAME = 0.95
"""From this cosine on, a row is taken to ask what the item asks: it would give the answer away."""

FEATURES = 2**18
MAX_CHARS = 2_000  # of a prompt that are looked at
MAX_EXAMPLE = 4_000  # characters of prompt and reply together that may stand before an item


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """The rows nearest to each item of a suite, without those that give its answer away."""

    rows: tuple[Row, ...]  # that may be shown
    nearest: Places  # (items, at most NEAR): places in `rows`, the nearest first

    @property
    def pool(self) -> tuple[Row, ...]:
        """Every row that is near some item, once."""
        return tuple(self.rows[place] for place in np.unique(self.nearest))


class Neighbours:
    """A sample of the training rows, as weighted words and word pairs (TF-IDF), to be searched."""

    def __init__(self, rows: Sequence[Row], suites: Sequence[Suite]) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

        locked = {key(" ".join(words(item.prompt))) for suite in suites for item in suite.items}
        self.rows = tuple(row for row in rows if _may_be_shown(row) and _key(row) not in locked)
        self._count = HashingVectorizer(
            analyzer="word",
            tokenizer=words,
            token_pattern=None,
            lowercase=False,
            ngram_range=(1, 2),
            n_features=FEATURES,
            alternate_sign=False,
            norm=None,
            dtype=np.float32,
        )
        self._weigh = TfidfTransformer(sublinear_tf=True)
        if self.rows:
            counts = self._count.transform([row.prompt[:MAX_CHARS] for row in self.rows])
            self._weights = self._weigh.fit_transform(counts)

    def near(self, items: Sequence[Item]) -> Near | None:
        """None where no row may be shown."""
        if not self.rows:
            return None
        like = self._likeness(items)
        shown = np.flatnonzero(like.max(axis=0) < SAME)
        if not len(shown):
            return None
        order = np.argsort(-like[:, shown], axis=1, kind="stable")[:, :NEAR]
        return Near(rows=tuple(self.rows[place] for place in shown), nearest=order.astype(np.int64))

    def _likeness(self, items: Sequence[Item]) -> NDArray[np.float32]:
        """Cosines, (items, rows)."""
        asked = self._weigh.transform(self._count.transform([item.prompt[:MAX_CHARS] for item in items]))
        found: NDArray[np.float32] = (asked @ self._weights.T).toarray()
        return found


def _may_be_shown(row: Row) -> bool:
    """One question and one answer, of a length that fits before an item."""
    if row.form is Form.TEXT or len(row.asked) != 1 or len(row.replies) != 1:
        return False
    return bool(row.reply.strip()) and len(row.prompt) + len(row.reply) <= MAX_EXAMPLE


def _key(row: Row) -> int:
    return key(" ".join(words(row.prompt)))
