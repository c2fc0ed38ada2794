"""One sequence, one forward pass, no padding, no cache: the slow way that every family of models answers rightly.

It is what the engine is tested against at start, and what families fall back to that cannot answer any other way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from regress.backends.choosing import Draws, choose
from regress.backends.protocol import Batch, Request, Tokens
from regress.backends.stopping import Ending, ReplyInProgress, together
from regress.errors import BackendError
from regress.schema import Reply, Suite

ROWS = 8


def plan(requests: Sequence[Request]) -> list[Batch]:
    """A few requests each, longest first."""
    order = sorted(range(len(requests)), key=lambda i: (-_length(requests[i]), requests[i].digest, i))
    parts = [order[start : start + ROWS] for start in range(0, len(order), ROWS)]
    return [Batch(places=tuple(part), requests=tuple(requests[i] for i in part)) for part in parts]


def _length(request: Request) -> int:
    return max((len(context) + len(choice) for context, choice in request.sequences), default=len(request.prompt))


def score(model: Any, batch: Batch, device: torch.device) -> list[Reply]:
    """Log-likelihoods of every sequence, each by itself."""
    return [_scored(model, request, device) for request in batch.requests]


def _scored(model: Any, request: Request, device: torch.device) -> Reply:
    found = [log_likelihood(model, context, choice, device) for context, choice in request.sequences]
    if not all(abs(value) < float("inf") for value, _ in found):
        raise BackendError(
            f"the model's logits hold NaN or infinity on item {request.item!r}; nothing can be said of it."
        )
    return Reply(
        logprobs=tuple(value for value, _ in found),
        greedy=tuple(greedy for _, greedy in found),
        prompt_tokens=len(request.prompt),
        reply_tokens=sum(map(len, request.choices)),
    )


def generate(
    model: Any,
    suite: Suite,
    batch: Batch,
    ending: Ending,
    decode: Callable[[list[int]], str],
    device: torch.device,
) -> Iterator[list[tuple[int, Reply]]]:
    """Replies one after the other, every token from a whole forward pass."""
    settings = suite.generation
    for index, request in enumerate(batch.requests):
        samples = []
        for repeat in range(settings.repeats):
            written = ReplyInProgress(ending, decode)
            draws = Draws(settings.seed, request.digest, repeat)
            while written.finish is None:
                logits = next_log_probs(model, (*request.prompt, *written.ids), device)
                if not torch.isfinite(logits.amax()):
                    raise BackendError(f"the model's logits hold NaN or infinity on item {request.item!r}.")
                written.add(int(choose(logits[None], settings, [draws])))
            samples.append(written.reply(len(request.prompt)))
        yield [(index, together(samples))]


def log_likelihood(model: Any, context: Tokens, choice: Tokens, device: torch.device) -> tuple[float, bool]:
    """Summed log-probability of `choice` after `context`, and whether greedy decoding would write it."""
    ids = torch.tensor([(*context, *choice)[:-1]], device=device)  # (1, T)
    logits = model(input_ids=ids, use_cache=False).logits[0, -len(choice) :].float()  # (len(choice), V)
    targets = torch.tensor(choice, device=device)
    found = torch.log_softmax(logits, dim=-1)[torch.arange(len(choice), device=device), targets]
    return float(found.double().sum()), bool((logits.argmax(dim=-1) == targets).all())


def next_log_probs(model: Any, prompt: Tokens, device: torch.device) -> torch.Tensor:
    """float32 log-probabilities after a prompt, (V,)."""
    logits = model(input_ids=torch.tensor([prompt], device=device), use_cache=False).logits[0, -1]
    return torch.log_softmax(logits.float(), dim=-1)
