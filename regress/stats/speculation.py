"""What a draft model is worth: tokens a pass of the target and speed-up, from the share of tokens that it proposes.

Leviathan, Kalman & Matias (2023), "Fast Inference from Transformers via Speculative Decoding", arXiv 2211.17192. With
greedy decoding a proposed token is accepted when it is the target's own; alpha is the share that is, taken as the same
and independent at every position, k the tokens proposed at a time, c what a pass of the draft costs in passes of the
target.
"""

from __future__ import annotations


def expected_tokens(alpha: float, k: int) -> float:
    """Tokens that one pass of the target yields, its own included: (1 - alpha^(k+1)) / (1 - alpha), equation 1."""
    _check(alpha, k)
    return float(k + 1) if alpha == 1.0 else (1.0 - alpha ** (k + 1)) / (1.0 - alpha)


def speed_up(alpha: float, k: int, cost: float) -> float:
    """How many times faster than the target alone: expected tokens over k c + 1, theorem 3.8; below 1 it is slower."""
    if cost < 0.0:
        raise ValueError(f"cost={cost} is below 0")
    return expected_tokens(alpha, k) / (k * cost + 1.0)


def _check(alpha: float, k: int) -> None:
    if not 0.0 <= alpha <= 1.0 or k < 1:
        raise ValueError(f"alpha={alpha}, k={k}: a share and at least one proposed token are needed")
