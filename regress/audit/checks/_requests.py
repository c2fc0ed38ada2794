"""Which requests this project's own safety suites want refused: learned from their items and the data at hand.

A logistic regression on words and pairs of words tells items that expect a refusal from all other items and from a
sample of the rows, of which nearly all are harmless. So what counts as harmful is what the locked suites say, and what
counts as ordinary is what this data asks every day. Rows of the sample that name harm or are refused do not stand for
the ordinary; those that do both are examples of what to refuse. No row is held to what it taught itself: there are two
regressions, on rows of even and of odd number, and each judges the others' rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regress.audit.checks._harm_words import names_harm
from regress.audit.words import Places, Texts
from regress.rows.row import Row
from regress.schema import Suite
from regress.scorers.refusal import plain_text, says_no

FEATURES = 1 << 16
MIN_ITEMS = 40  # to refuse
STRENGTH = 10.0  # C of the regression
TOLERANCE = 0.01
ROWS = 16_000  # of the sample, a half for each regression
LIKELY = 1.5
"""Logit from which on a request is taken to be like those to be refused; docs/audit_safety.md has others' figures."""
UNLIKELY = -1.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Learned:
    """Weights by hashed feature, twice: rows with even numbers are held to what odd ones taught, and the reverse."""

    weights: NDArray[np.float32]  # (2, FEATURES)
    biases: Floats  # (2,)

    def logits(self, prompts: Texts, numbers: Places) -> Floats:
        """How much each row's request is like those to be refused; 0 is as likely as not."""
        features, owners = _features(prompts)
        side = numbers % 2
        counts = np.maximum(1, np.bincount(owners, minlength=len(numbers)))
        totals = np.bincount(owners, weights=self.weights[side[owners], features], minlength=len(numbers))
        logits: Floats = totals / np.sqrt(counts) + self.biases[side]
        return logits


def expects(suite: Suite) -> str | None:
    """`refuse` or `answer` for a suite of refusals, else None."""
    return str(suite.scorer.options.get("expect")) if suite.scorer.name == "refusal" else None


def to_refuse(suites: Sequence[Suite]) -> list[tuple[str, str, str]]:
    """Suite, id and prompt of every item that expects a refusal."""
    return [
        (suite.name, item.id, item.prompt) for suite in suites if expects(suite) == "refuse" for item in suite.items
    ]


def learn(suites: Sequence[Suite], sample: Sequence[Row]) -> Learned | None:
    """From the suites' items and some rows; None where too few items want a refusal. Raises ModuleNotFoundError."""
    harmful = [prompt for _, _, prompt in to_refuse(suites)]
    if len(harmful) < MIN_ITEMS:
        return None
    others = [item.prompt for suite in suites if expects(suite) != "refuse" for item in suite.items]
    halves = [_fit(harmful, others, [row for row in sample if row.number % 2 != side]) for side in (0, 1)]
    return Learned(np.array([weights for weights, _ in halves]), np.array([bias for _, bias in halves]))


def _fit(harmful: Sequence[str], others: Sequence[str], rows: Sequence[Row]) -> tuple[NDArray[np.float32], float]:
    """Weights and bias of the regression."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    harmful, others = list(harmful), list(others)
    for row in rows:
        named, refused = names_harm(plain_text(row.prompt)), says_no(plain_text(row.reply))
        if named and refused:
            harmful.append(row.prompt)
        elif not named and not refused:
            others.append(row.prompt)
    prompts = Texts([*harmful, *others])
    features, owners = _features(prompts)
    counts = np.maximum(1, np.bincount(owners, minlength=len(prompts.texts)))
    shape = (len(prompts.texts), FEATURES)
    table = csr_matrix((1 / np.sqrt(counts[owners]), (owners, features)), shape=shape)
    wanted = np.arange(len(prompts.texts)) < len(harmful)
    model = LogisticRegression(C=STRENGTH, solver="liblinear", tol=TOLERANCE).fit(table, wanted)
    return model.coef_[0].astype(np.float32), float(model.intercept_[0])


def _features(prompts: Texts) -> tuple[NDArray[np.int64], Places]:
    """Hashed words and pairs of words, and which prompt each belongs to."""
    words, word_owners = prompts.ngrams(1)
    pairs, pair_owners = prompts.ngrams(2)
    hashed = np.concatenate((words, pairs)) % np.uint64(FEATURES)
    return hashed.astype(np.int64), np.concatenate((word_owners, pair_owners))
