"""Which of the prompts that will be asked have no counterpart in training, in groups with the words that name them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from regress.audit.checks._language import FREQUENT
from regress.audit.features import tfidf
from regress.audit.words import words
from regress.stats.intervals import wilson

USUAL = 0.05
"""Share of training prompts that are farther from all other training prompts than the threshold."""

LEVEL = 0.95
MAX_GROUPS = 8
MAX_TEXT = 1_000  # characters
HELD_OUT = 1_000  # training prompts that the threshold is found with
_EVERYWHERE = frozenset().union(*FREQUENT.values())
_AT_ONCE = 256  # rows of similarities in memory

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Prompts without a counterpart that are alike."""

    members: tuple[int, ...]  # places in what was asked, the most typical first
    terms: tuple[str, ...]  # words that they share and training lacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of what is asked has no counterpart in what is taught."""

    uncovered: int
    of: int
    threshold: float  # cosine
    groups: tuple[Group, ...]  # the largest first

    @property
    def share(self) -> float:
        return self.uncovered / self.of

    @property
    def at_least(self) -> float:
        """Lower limit of the share."""
        return wilson(self.uncovered, self.of, LEVEL)[0]


def coverage(taught: Sequence[str], asked: Sequence[str], seed: int) -> Coverage:
    """Hold each asked prompt against its nearest taught one, by cosine of TF-IDF over words and pairs of words.

    Too far is what is farther than all but USUAL of the training prompts are from their own nearest neighbour, so that
    a sample from the training prompts themselves comes out at USUAL.
    """
    texts = [text[:MAX_TEXT] for text in (*taught, *asked)]
    everything, names = tfidf(texts, tokenizer=words, token_pattern=None, ngram_range=(1, 2), max_df=0.3)
    known, new = everything[: len(taught)], everything[len(taught) :]
    rng = np.random.default_rng(seed)
    held_out = np.sort(rng.choice(len(taught), min(HELD_OUT, len(taught)), replace=False))
    threshold = float(np.quantile(_nearest(known[held_out], known, own=held_out), USUAL))
    far = np.flatnonzero(_nearest(new, known) < threshold)
    return Coverage(
        uncovered=len(far),
        of=len(asked),
        threshold=threshold,
        groups=_groups(new[far], far, known, names, seed) if len(far) else (),
    )


def _nearest(rows: Any, known: Any, own: Ints | None = None) -> Floats:
    """Each row's largest cosine with a known one other than its own, (rows,)."""
    found = []
    for begin in range(0, rows.shape[0], _AT_ONCE):
        similar = (rows[begin : begin + _AT_ONCE] @ known.T).toarray()
        if own is not None:
            similar[np.arange(len(similar)), own[begin : begin + _AT_ONCE]] = -1.0
        found.append(similar.max(axis=1))
    return np.concatenate(found)


def _groups(rows: Any, places: Ints, known: Any, names: npt.NDArray[Any], seed: int) -> tuple[Group, ...]:
    from sklearn.cluster import KMeans

    count = int(min(MAX_GROUPS, max(1, np.sqrt(len(places) / 2))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fewer distinct prompts than groups
        model = KMeans(count, n_init=4, random_state=seed).fit(rows)
    usual = np.asarray(known.mean(axis=0)).ravel()
    groups = []
    for one in np.unique(model.labels_):
        members = np.flatnonzero(model.labels_ == one)
        centre = np.asarray(rows[members].mean(axis=0)).ravel()
        typical = np.argsort(-(rows[members] @ centre), kind="stable")
        groups.append(Group(members=tuple(places[members[typical]].tolist()), terms=_terms(centre - usual, names)))
    return tuple(sorted(groups, key=lambda group: (-len(group.members), group.members)))


def _terms(weights: Floats, names: npt.NDArray[Any]) -> tuple[str, ...]:
    """The four heaviest words that mean something; pairs of words only repeat them."""
    ordered = (str(names[one]) for one in np.argsort(-weights, kind="stable")[:100])
    return tuple(name for name in ordered if " " not in name and len(name) > 2 and name not in _EVERYWHERE)[:4]
