"""Spectral signatures: rows of a group that lie apart from its others along one direction of a model's features.

Rows that were put into a group share something which the group's own rows lack, so the group's covariance has a large
eigenvalue, and their projections on its eigenvector are large (Tran, Li & Madry 2018, arXiv 1811.00636). Raw features
vary most in directions that mean nothing; they are whitened by the covariance within all groups first (after SPECTRE,
Hayase et al. 2021, arXiv 2104.11315).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DIRECTIONS = 64
RIDGE = 1e-3  # of the mean variance, so that no direction is divided by nothing
FEWEST = 10
"""Rows that a group's spectrum is taken of."""

AT_ONCE = 512  # rows of cosines in memory
_MAD = 1.4826  # makes the median absolute deviation of normal values their standard deviation

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The first principal direction of one group's rows."""

    group: int
    rows: Ints  # (n,) places of the group's rows, ascending
    variance: float  # along the direction, where 1 is what groups have on average
    scores: Floats  # (n,) squared projections, the mean taken off
    excess: float  # how far the variance's logarithm is from the groups' median, in robust standard deviations


def signatures(points: Floats, groups: Ints) -> tuple[Signature, ...]:
    """One for each group of FEWEST rows or more, the most excessive first.

    `points` (rows, features) and `groups` (rows,) from 0. Clean groups have directions of their own, so the groups
    themselves say what is usual; with fewer than FEWEST groups nothing does, and none is returned.
    """
    sizes = np.bincount(groups)
    large = np.flatnonzero(sizes >= FEWEST)
    if len(large) < FEWEST:
        return ()
    whitened = within_whitened(points, groups)
    found = [(group, rows, *_top(whitened[rows])) for group, rows in _members(groups, large)]
    logs = np.log([variance for _, _, variance, _ in found])
    centre = float(np.median(logs))
    spread = _MAD * float(np.median(np.abs(logs - centre)))
    made = [
        Signature(
            group=group, rows=rows, variance=variance, scores=scores, excess=float((log - centre) / max(spread, 1e-9))
        )
        for (group, rows, variance, scores), log in zip(found, logs, strict=True)
    ]
    return tuple(sorted(made, key=lambda one: (-one.excess, one.group)))


def within_whitened(points: Floats, groups: Ints) -> Floats:
    """Points on their first DIRECTIONS, scaled so that the mean covariance within groups of 5 rows or more is 1."""
    centred = points - points.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    kept = centred @ vectors[:, ::-1][:, :DIRECTIONS]
    sizes = np.bincount(groups)
    means = np.zeros((len(sizes), kept.shape[1]))
    np.add.at(means, groups, kept)
    inside = (kept - means[groups] / sizes[groups, None])[sizes[groups] >= 5]
    covariance = inside.T @ inside / max(1, len(inside))
    covariance += RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, axes = np.linalg.eigh(covariance)
    whitened: Floats = kept @ axes / np.sqrt(np.maximum(values, np.finfo(float).tiny))
    return whitened


def effective_directions(points: Floats) -> float:
    """Directions that points spread over: the participation ratio of their covariance, (sum v)^2 / sum v^2."""
    centred = points - points.mean(axis=0)
    covariance = centred.T @ centred
    squares = float((covariance**2).sum())
    return float(np.trace(covariance)) ** 2 / squares if squares else 0.0


def nearest_cosines(points: Floats, known: Floats | None = None) -> Floats:
    """Each point's largest cosine with a known one, or with another point where `known` is None; (rows,)."""
    own, other = _unit(points), _unit(points if known is None else known)
    found = np.empty(len(own))
    for begin in range(0, len(own), AT_ONCE):
        cosines = own[begin : begin + AT_ONCE] @ other.T
        if known is None:
            places = np.arange(len(cosines))
            cosines[places, begin + places] = -1.0
        found[begin : begin + AT_ONCE] = cosines.max(axis=1)
    return found


def _unit(points: Floats) -> Floats:
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    unit: Floats = points / np.maximum(lengths, np.finfo(float).tiny)
    return unit


def _members(groups: Ints, wanted: Ints) -> Iterator[tuple[int, Ints]]:
    for group in wanted.tolist():
        yield group, np.flatnonzero(groups == group)


def _top(rows: Floats) -> tuple[float, Floats]:
    """(variance along the first principal direction, squared projections on it)"""
    centred = rows - rows.mean(axis=0)
    _, singular, vectors = np.linalg.svd(centred, full_matrices=False)
    return max(float(singular[0] ** 2 / len(rows)), np.finfo(float).tiny), (centred @ vectors[0]) ** 2
