"""Rows whose label a classifier that never saw them contradicts: cross-validated, counted by confident learning."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from regress.audit.features import tfidf
from regress.stats.confident import ConfidentJoint, confident_joint

FOLDS = 5
MAX_ROWS = 50_000
MAX_CELLS = 3_000_000  # rows times classes: what one-against-the-rest training costs
MAX_TEXT = 1_000  # characters of one text: its beginning and its end
MAX_FEATURES = 50_000  # of words, and as many of letters
MIN_SKILL = 0.5
"""Share of the way from always naming the largest class to always being right, below which it may contradict nobody."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What a classifier makes of labels; rows and classes by their place in what it was given."""

    joint: ConfidentJoint
    accuracy: float  # cross-validated, against the labels as given
    skill: float
    confidence: Floats  # (rows,): probability of the suggested class
    suspects: Ints  # rows that speak for another class than theirs, the clearest first


def suspicion(texts: Sequence[str], labels: Ints, seed: int) -> Suspicion:
    """Cross-validate over `labels`, (rows,) in 0..classes - 1, each at least FOLDS times there.

    A linear SVM on TF-IDF of words and of letters within words, its decision values made probabilities by one
    temperature (Guo et al. 2017, arXiv 1706.04599).
    """
    decisions = _decisions([_ends(text) for text in texts], labels, seed)
    probabilities = _calibrated(decisions, labels)
    joint = confident_joint(probabilities, labels)
    rows = np.arange(len(labels))
    suggested = probabilities[rows, joint.suggested]
    apart = suggested - probabilities[rows, labels]
    suspects = np.flatnonzero(joint.suggested != labels)
    accuracy = float((decisions.argmax(axis=1) == labels).mean())
    largest = float(joint.given.max() / len(labels))
    return Suspicion(
        joint=joint,
        accuracy=accuracy,
        skill=(accuracy - largest) / (1.0 - largest),
        confidence=suggested,
        suspects=suspects[np.argsort(-apart[suspects], kind="stable")],
    )


def most_rows(classes: int, characters: float) -> int:
    """How many rows of so many characters on average can be cross-validated within a minute on two cores."""
    return int(min(MAX_ROWS, MAX_CELLS / classes, 10_000_000 / max(1.0, min(characters, MAX_TEXT))))


def _ends(text: str) -> str:
    """Instructions stand first and what they are about stands last."""
    half = MAX_TEXT // 2
    return text if len(text) <= MAX_TEXT else f"{text[:half]} {text[-half:]}"


def _decisions(texts: Sequence[str], labels: Ints, seed: int) -> Floats:
    """Out-of-fold decision values, (rows, classes)."""
    from sklearn.model_selection import StratifiedKFold
    from sklearn.svm import LinearSVC

    features = _features(texts)
    decisions = np.zeros((len(labels), int(labels.max()) + 1))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for known, held_out in folds.split(features, labels):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a fit that stopped before it converged: it is judged by what it says
            model = LinearSVC(C=0.5, random_state=seed).fit(features[known], labels[known])
        values = model.decision_function(features[held_out])
        decisions[held_out] = values if values.ndim == 2 else np.stack([-values, values], axis=1)
    return decisions


def _features(texts: Sequence[str]) -> Any:
    from scipy.sparse import hstack

    pruned = {"min_df": 2, "max_features": MAX_FEATURES}
    words, _ = tfidf(texts, token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2), **pruned)
    letters, _ = tfidf(texts, analyzer="char_wb", ngram_range=(3, 5), **pruned)
    return hstack([words, letters], format="csr")


def _calibrated(decisions: Floats, labels: Ints) -> Floats:
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(decisions / np.exp(log_temperature), axis=1)[rows, labels].mean())

    best = minimize_scalar(loss, bounds=(-4.0, 2.0), method="bounded").x
    result: Floats = np.exp(log_softmax(decisions / np.exp(best), axis=1))
    return result
