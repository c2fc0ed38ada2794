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

    Greedy at temperature 0. Else by inversion from the nucleus, the most probable tokens up to `top_p` (Holtzman et al.
    2020, arXiv 1904.09751), with one uniform number a row. Tokens stand in the order of their ids: in that of their
    probability two that are almost alike would change places by rounding, and with them what other company writes.
    """
    if not settings.temperature:
        return logits.argmax(dim=-1)
    probabilities = torch.softmax(logits.double() / float(settings.temperature), dim=-1)
    if settings.top_p < 1:
        falling, order = probabilities.sort(dim=-1, descending=True, stable=True)
        outside = falling.cumsum(dim=-1) - falling >= float(settings.top_p)  # never the first
        probabilities = probabilities.scatter(-1, order, falling.masked_fill(outside, 0.0))
    summed = probabilities.cumsum(dim=-1)
    mass = summed[:, -1]
    wanted = torch.tensor([one.next() for one in draws], dtype=summed.dtype, device=logits.device) * mass
    below = torch.minimum(wanted, torch.nextafter(mass, torch.zeros_like(mass)))  # rounding may reach the end
    return torch.searchsorted(summed, below.unsqueeze(-1), right=True).squeeze(-1)
