"""Speculative decoding: the paper's own numbers."""

from __future__ import annotations

import pytest

from regress.stats.speculation import expected_tokens, speed_up

# Leviathan et al. 2023, table 1: speed for alpha and gamma where the draft costs next to nothing.
TABLE = [(0.6, 2, 1.96), (0.7, 3, 2.53), (0.8, 2, 2.44), (0.8, 5, 3.69), (0.9, 2, 2.71), (0.9, 10, 6.86)]


@pytest.mark.parametrize(("alpha", "k", "speed"), TABLE)
def test_the_papers_table(alpha: float, k: int, speed: float) -> None:
    assert expected_tokens(alpha, k) == pytest.approx(speed, abs=0.005)
    assert speed_up(alpha, k, 0.0) == expected_tokens(alpha, k)


@pytest.mark.parametrize("k", range(2, 9))
def test_the_ends_of_the_range(k: int) -> None:
    assert expected_tokens(0.0, k) == 1.0
    assert expected_tokens(1.0, k) == k + 1
    assert expected_tokens(1.0 - 1e-9, k) == pytest.approx(k + 1, abs=1e-5)
    assert speed_up(0.0, k, 0.1) == pytest.approx(1.0 / (0.1 * k + 1.0))


def test_it_is_the_expectation_of_the_process() -> None:
    """Up to k proposals are taken until one is refused, and the target adds one token of its own."""
    alpha, k = 0.7, 4
    chances = [alpha**taken * (1.0 - alpha) for taken in range(k)] + [alpha**k]
    assert expected_tokens(alpha, k) == pytest.approx(sum(p * (taken + 1) for taken, p in enumerate(chances)))


@pytest.mark.parametrize(("alpha", "k", "cost"), [(-0.1, 2, 0.0), (1.1, 2, 0.0), (float("nan"), 2, 0.0), (0.5, 0, 0.0)])
def test_what_makes_no_sense(alpha: float, k: int, cost: float) -> None:
    with pytest.raises(ValueError, match="share"):
        speed_up(alpha, k, cost)
    with pytest.raises(ValueError, match="below 0"):
        speed_up(0.5, 2, -1.0)
