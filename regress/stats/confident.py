"""Confident learning: how many labels are wrong, counted from out-of-sample probabilities of a classifier.

Northcutt, Jiang & Chuang (2021, JAIR 70:1373-1411). A row speaks confidently for a class where the class's probability
reaches the class's threshold, the mean of that probability over the rows that bear the label (self-confidence). Rows
that bear label i and speak confidently for j make up the confident joint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from regress.stats.intervals import wilson

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidentJoint:
    """Counts of given by suggested label, and what each row speaks for."""

    counts: Ints  # (classes, classes): given i, confidently j
    given: Ints  # (classes,): rows that bear the label
    suggested: Ints  # (rows,): the class that a row speaks for; its own label where it speaks for none

    @property
    def confident(self) -> int:
        """Rows that speak for any class."""
        return int(self.counts.sum())

    @property
    def noise(self) -> float:
        """Estimated share of wrong labels: the joint, scaled to the rows that bear each label (their eq. 3)."""
        speaking = self.counts.sum(axis=1)
        wrong = 1.0 - np.diagonal(self.counts) / np.maximum(1, speaking)
        return float((np.where(speaking > 0, wrong, 0.0) * self.given).sum() / self.given.sum())

    def interval(self, level: float) -> tuple[float, float]:
        """Wilson limits of `noise` over the confident rows: for sampling alone, not for the classifier's own errors."""
        return wilson(round(self.noise * self.confident), max(1, self.confident), level)


def confident_joint(probabilities: Floats, labels: Ints) -> ConfidentJoint:
    """Count what rows speak for; `probabilities` is (rows, classes), `labels` (rows,), each class borne by some row.

    Raises ValueError where a class has no row or a probability is not finite.
    """
    rows, classes = probabilities.shape
    given = np.bincount(labels, minlength=classes)
    if len(labels) != rows or len(given) != classes or not given.all():
        raise ValueError(f"{rows} rows, {len(labels)} labels, and {np.count_nonzero(given)} of {classes} classes borne")
    if not np.isfinite(probabilities).all():
        raise ValueError("a probability is not finite")
    own = probabilities[np.arange(rows), labels]
    thresholds = np.bincount(labels, weights=own, minlength=classes) / given
    reaching = np.where(probabilities >= thresholds, probabilities, -1.0)
    speaks = reaching.max(axis=1) >= 0.0
    suggested = np.where(speaks, reaching.argmax(axis=1), labels)
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels[speaks], suggested[speaks]), 1)
    return ConfidentJoint(counts=counts, given=given, suggested=suggested)
