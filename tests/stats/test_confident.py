"""Confident learning against the paper's definitions, written out in loops, and on noise that is known."""

import numpy as np
import pytest

from regress.stats.confident import confident_joint


def by_loops(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Northcutt et al. (2021), equations 1 and 2."""
    classes = probabilities.shape[1]
    thresholds = [
        np.mean([row[j] for row, y in zip(probabilities, labels, strict=True) if y == j]) for j in range(classes)
    ]
    counts = np.zeros((classes, classes), int)
    for row, given in zip(probabilities, labels, strict=True):
        reached = [j for j in range(classes) if row[j] >= thresholds[j]]
        if reached:
            counts[given, max(reached, key=lambda j: row[j])] += 1
    return counts


def sample(
    rng: np.random.Generator, rows: int, classes: int, noise: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of a good classifier, labels as given, and which of them are wrong."""
    truth = np.arange(rows) % classes
    logits = rng.normal(size=(rows, classes))
    logits[np.arange(rows), truth] += 5.0
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = rng.random(rows) < noise
    labels = np.where(wrong, (truth + rng.integers(1, classes, rows)) % classes, truth)
    return probabilities, labels, wrong


def test_counts_are_the_papers() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        probabilities, labels, _ = sample(rng, 60, 4, 0.2)
        found = confident_joint(probabilities, labels)
        assert (found.counts == by_loops(probabilities, labels)).all()
        assert found.confident == found.counts.sum()


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05, 0.1, 0.2])
def test_noise_is_estimated(noise: float) -> None:
    probabilities, labels, wrong = sample(np.random.default_rng(2), 6000, 6, noise)
    found = confident_joint(probabilities, labels)
    low, high = found.interval(0.95)
    assert low <= found.noise <= high
    assert found.noise == pytest.approx(wrong.mean(), abs=0.01)
    suspects = found.suggested != labels
    if noise:
        assert (suspects & wrong).sum() >= 0.6 * wrong.sum()


def test_a_row_that_reaches_no_threshold_keeps_its_label() -> None:
    probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9], [0.1, 0.9]])
    found = confident_joint(probabilities, np.array([0, 0, 1, 1]))
    assert found.suggested.tolist() == [0, 0, 1, 1]
    assert found.counts.tolist() == [[1, 0], [0, 2]]
    assert found.noise == 0.0


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        ([[0.5, 0.5], [0.5, 0.5]], [0, 0], "1 of 2 classes"),
        ([[0.5, 0.5]], [0, 1], "1 rows, 2 labels"),
        ([[0.5, np.nan], [0.5, 0.5]], [0, 1], "not finite"),
    ],
)
def test_what_cannot_be_counted(probabilities: list[list[float]], labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        confident_joint(np.array(probabilities), np.array(labels))
