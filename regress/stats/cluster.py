"""Items that share a passage, a subject or a template are not independent: the design effect and its test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

MIN_CLUSTERS = 20


def design_effect(differences: Sequence[int], clusters: Sequence[Hashable]) -> float:
    """How much wider clustering makes the standard error squared: max(1, SE_clustered² / SE_iid²).

    `differences` are -1, 0 or 1 for each pair and `clusters` the label of each, equally long. The cluster-robust
    variance of a mean is the sum over clusters of the squared sum of residuals, over n² (Miller 2024, arXiv 2411.00640,
    eq. 4). Without any spread the effect is 1.
    """
    n = len(differences)
    if n == 0 or n != len(clusters):
        raise ValueError(f"{n} differences and {len(clusters)} cluster labels")
    mean = sum(differences) / n
    independent = sum((d - mean) ** 2 for d in differences)
    return max(1.0, squared_residuals(differences, clusters) / independent) if independent else 1.0


def squared_residuals(differences: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Sum over clusters of the squared sum of residuals: n² times the cluster-robust variance of the mean."""
    mean = sum(differences) / len(differences)
    by_cluster: dict[Hashable, float] = defaultdict(float)
    for difference, label in zip(differences, clusters, strict=True):
        by_cluster[label] += difference - mean
    return sum(total**2 for total in by_cluster.values())
