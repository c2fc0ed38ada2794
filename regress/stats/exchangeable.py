"""Is one arm of matched sets special? The exact test where each set's arms are exchangeable if it is not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def p_exchangeable(special: Sequence[bool], hits: Sequence[int], arms: int) -> float:
    """Probability of at least as many hits in the special arm if it were any one of the arms, set by set.

    `hits` counts those of all `arms` in a set, the special one included. Given these counts, the special arm's hits are
    independent Bernoulli draws with chances hits / arms, so their sum is Poisson-binomial, summed up exactly
    (the stratified permutation test of Cochran 1954 and Mantel & Haenszel 1959, one special case in each stratum,
    without their normal approximation). Raises ValueError for lengths that differ and for impossible counts.
    """
    if len(special) != len(hits) or arms < 2:
        raise ValueError(f"{len(special)} sets with {len(hits)} counts of {arms} arms")
    if any(not int(own) <= count <= arms - 1 + int(own) for own, count in zip(special, hits, strict=True)):
        raise ValueError("a set has more hits than arms, or fewer than its special arm")
    chances = np.zeros(len(hits) + 1)  # of so many hits in the special arm
    chances[0] = 1.0
    for count in hits:
        chance = count / arms
        chances[1:] = chances[1:] * (1.0 - chance) + chances[:-1] * chance
        chances[0] *= 1.0 - chance
    return min(1.0, float(chances[sum(map(bool, special)) :].sum()))
