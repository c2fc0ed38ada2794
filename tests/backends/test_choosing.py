"""Tokens that are drawn: from the distribution that was asked for, by seed, item and repeat and nothing else."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
import torch
from scipy import stats

from regress.backends.choosing import Draws, choose
from regress.schema import GenerationSettings

LOGITS = torch.tensor([0.3, -1.0, 2.0, 0.0, 1.5, -30.0, 2.0])
COUNT = 20_000


def drawn(logits: torch.Tensor, *, seed: int = 0, **settings: str) -> torch.Tensor:
    """How often each token came first in COUNT replies, (V,)."""
    how = GenerationSettings(**{name: Decimal(value) for name, value in settings.items()})  # type: ignore[arg-type]
    draws = [Draws(seed, f"sha256:{number:064x}", 0) for number in range(COUNT)]
    tokens = choose(logits.expand(COUNT, -1), how, draws)
    return torch.bincount(tokens, minlength=len(logits))


@pytest.mark.parametrize("temperature", ["0.5", "1", "2"])
def test_first_tokens_come_as_often_as_the_softmax_says(temperature: str) -> None:
    expected = torch.softmax(LOGITS.double() / float(temperature), dim=-1).numpy()
    counts = drawn(LOGITS, temperature=temperature).numpy()
    likely = expected * COUNT > 5
    assert counts[~likely].sum() <= 5
    expected = expected[likely] / expected[likely].sum()
    assert stats.chisquare(counts[likely], expected * counts[likely].sum()).pvalue > 1e-3
    assert stats.chisquare(counts[likely], np.roll(expected, 1) * counts[likely].sum()).pvalue < 1e-12


@pytest.mark.parametrize(
    ("top_p", "inside"),
    [("0.01", {0}), ("0.5", {0}), ("0.500001", {0, 1}), ("0.75", {0, 1}), ("0.76", {0, 1, 2}), ("1", {0, 1, 2, 3})],
)
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]], ids=["falling", "mixed"])
def test_the_nucleus_leaves_the_tail_out(top_p: str, inside: set[int], order: list[int]) -> None:
    """Probabilities 1/2, 1/4, 1/8 and 1/8, which sum exactly; of two that are alike the lower id comes first."""
    probabilities = torch.tensor([0.5, 0.25, 0.125, 0.125])[order]
    counts = drawn(probabilities.log(), temperature="1", top_p=top_p).numpy()
    expected = np.array(
        [p if rank in inside else 0.0 for p, rank in zip(probabilities.tolist(), ranks(order), strict=True)]
    )
    assert set(np.flatnonzero(counts)) == set(np.flatnonzero(expected))
    if len(inside) > 1:
        kept = expected > 0
        assert stats.chisquare(counts[kept], expected[kept] / expected.sum() * COUNT).pvalue > 1e-3


def ranks(order: list[int]) -> list[int]:
    """Rank by probability of each token, where the last two of four are alike."""
    alike = [token for token, rank in enumerate(order) if rank > 1]
    return [rank if rank < 2 else 2 + alike.index(token) for token, rank in enumerate(order)]


def test_temperature_zero_is_the_most_probable_token() -> None:
    assert choose(LOGITS[None], GenerationSettings(), []).tolist() == [2]  # and the first of two
    cold = drawn(LOGITS + torch.tensor([0, 0, 0, 0, 0, 0, 0.1]), temperature="0.001")
    assert cold.tolist() == [0, 0, 0, 0, 0, 0, COUNT]


def test_numbers_are_those_of_seed_request_and_repeat() -> None:
    def numbers(seed: int, request: str, repeat: int) -> list[float]:
        draws = Draws(seed, request, repeat)
        return [draws.next() for _ in range(3)]

    assert numbers(1, "a", 2) == numbers(1, "a", 2)
    others = [numbers(seed, request, repeat) for seed in (1, 11) for request in ("a", "1a") for repeat in (1, 2, 12)]
    flat = [value for found in others for value in found]
    assert len(set(flat)) == len(flat)
    assert all(0 <= value < 1 for value in flat)


def test_numbers_are_uniform_over_requests_and_within_a_reply() -> None:
    first = [Draws(0, f"sha256:{n:064x}", 0).next() for n in range(4000)]
    reply = Draws(0, "sha256:0", 0)
    assert stats.kstest(first, "uniform").pvalue > 1e-3
    assert stats.kstest([reply.next() for _ in range(4000)], "uniform").pvalue > 1e-3


def test_a_nucleus_that_is_full_takes_no_more() -> None:
    counts = drawn(torch.zeros(4), temperature="1", top_p="0.5")
    assert counts[:2].min() > 0
    assert counts[2:].sum() == 0


class Always(Draws):
    """One number; 1 is what a number below it may become by rounding."""

    def __init__(self, number: float) -> None:
        super().__init__(0, "", 0)
        self._number = number

    def next(self) -> float:
        return self._number


@pytest.mark.parametrize("top_p", ["0.4", "0.9", "1"])
def test_the_least_and_the_largest_number_are_tokens_of_the_nucleus(top_p: str) -> None:
    how = GenerationSettings(temperature=Decimal(1), top_p=Decimal(top_p))
    for seed in range(200):
        logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(seed))
        falling, order = torch.softmax(logits[0].double(), dim=-1).sort(descending=True)
        nucleus = order[: int((falling.cumsum(0) - falling < float(top_p)).sum())].tolist()
        ends = [int(choose(logits, how, [Always(number)])) for number in (0.0, 1.0)]
        assert ends == [min(nucleus), max(nucleus)]


@pytest.mark.parametrize("top_p", ["0.9", "1"])
def test_rounding_moves_few_tokens(top_p: str) -> None:
    """Logits of other company differ in their last bits; in order of probability a dozen would differ here."""
    how = GenerationSettings(temperature=Decimal("1.5"), top_p=Decimal(top_p))
    made = torch.Generator().manual_seed(1)
    logits = torch.randn(4000, 1024, generator=made)
    noisy = logits + 1e-5 * torch.randn(4000, 1024, generator=made)
    draws = [[Draws(0, str(n), 0) for n in range(4000)] for _ in range(2)]
    moved = (choose(logits, how, draws[0]) != choose(noisy, how, draws[1])).sum()
    assert moved <= 4
