"""The next token: the most probable one, or one drawn in a way that no company can change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from regress.schema import GenerationSettings


class Draws:
    """Uniform numbers of one reply: a function of seed, request and repeat alone."""

    def __init__(self, seed: int, request_digest: str, repeat: int) -> None:
        key = hashlib.sha256(f"{seed}:{request_digest}:{repeat}".encode()).digest()
        self._rng = np.random.Generator(np.random.Philox(key=int.from_bytes(key[:16], "big")))

    def next(self) -> float:
        return float(self._rng.random())


def choose(logits: torch.Tensor, settings: GenerationSettings, draws: Sequence[Draws]) -> torch.Tensor:
    """One token a row of float32 logits (R, V), (R,).

    Greedy at temperature 0. Else by inversion from the nucleus: tokens in order of probability until `top_p` is
    reached (Holtzman et al. 2020, arXiv 1904.09751), one uniform number a row.
    """
    if not settings.temperature:
        return logits.argmax(dim=-1)
    probabilities, order = torch.softmax(logits.double() / float(settings.temperature), dim=-1).sort(
        dim=-1, descending=True, stable=True
    )
    summed = probabilities.cumsum(dim=-1)
    inside = (summed - probabilities < float(settings.top_p)).sum(dim=-1)  # (R,) at least 1
    mass = summed.gather(-1, (inside - 1).unsqueeze(-1)).squeeze(-1)
    wanted = torch.tensor([one.next() for one in draws], dtype=summed.dtype, device=logits.device) * mass
    picked = torch.searchsorted(summed, wanted.unsqueeze(-1), right=True).squeeze(-1)
    return order.gather(-1, torch.minimum(picked, inside - 1).unsqueeze(-1)).squeeze(-1)
