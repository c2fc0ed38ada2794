"""Log-likelihoods: sequences grouped by shared prefix, packed into tries, scored in float32 at the tokens asked for.

Shapes: C scored tokens of a batch, N distinct nodes that predict them, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from regress.backends.packing import Asked, Row, common_prefix, pack, shared_prefixes, trie
from regress.backends.protocol import Batch, Request, Tokens
from regress.backends.shared_forward import Prefix, SharedForward, on_device
from regress.errors import BackendError
from regress.schema import Reply

LOGITS_AT_ONCE = 2**26
"""Numbers of the (N, V) logits that are held in float32 at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How much goes into one forward pass."""

    widths: tuple[int, ...]  # nodes of a row; the cheapest is taken
    nodes: int  # rows times width, about
    tokens: int  # rows times (width and prefix), at most
    overhead: int  # what a prefix of its own costs, in tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The plan of a batch: its prefix and rows; `owner` counts the sequences of the batch's requests in order."""

    prefix: Tokens
    rows: tuple[Row, ...]


def plan(requests: Sequence[Request], shape: Shape) -> list[Batch]:
    """Batches of requests that continue one prefix; widest rows first, so that memory runs out at once or never."""
    keys = [_shared_context(request) for request in requests]
    batches = []
    for group in shared_prefixes(keys, overhead=shape.overhead):
        prefix = keys[group.places[0]][: group.shared]
        tails = [[(c + t)[group.shared :] for c, t in requests[place].sequences] for place in group.places]
        width, rows = pack(tails, widths=shape.widths)
        at_once = max(1, min(shape.nodes // width, shape.tokens // (width + group.shared)))
        at_once = -(-len(rows) // -(-len(rows) // at_once))  # batches of equal size
        for start in range(0, len(rows), at_once):
            members = [[group.places[index] for index in row] for row in rows[start : start + at_once]]
            places = tuple(place for row in members for place in row)
            packed = packed_behind(prefix, [[requests[place] for place in row] for row in members])
            batches.append(Batch(places=places, requests=tuple(requests[place] for place in places), plan=packed))
    return batches


def _shared_context(request: Request) -> Tokens:
    """What may be computed before any of the request's sequences: all of them begin with it and go on after it."""
    contexts = [context for context, _ in request.sequences]
    shared = common_prefix(min(contexts), max(contexts))
    return contexts[0][: min(shared, min(map(len, contexts)) - 1)]


def packed_behind(prefix: Tokens, rows: Sequence[Sequence[Request]]) -> Packed:
    """One trie a row of requests, all of which continue `prefix`."""
    tries, owner = [], 0
    for row in rows:
        asked = []
        for context, choice in (pair for request in row for pair in request.sequences):
            behind = (context + choice)[len(prefix) :]
            asked.append(Asked(owner=owner, tokens=behind, start=len(context) - len(prefix)))
            owner += 1
        tries.append(trie(asked))
    return Packed(prefix=prefix, rows=tuple(tries))


def halves(batch: Batch) -> tuple[Batch, ...]:
    """The batch in two, for a device that has no room for it; nothing where it is one row."""
    middle = len(batch.plan.rows) // 2
    if not middle:
        return ()
    sequences = 1 + max(int(row.owner.max()) for row in batch.plan.rows[:middle])
    counts = np.cumsum([len(request.choices) for request in batch.requests])
    cut = int(np.searchsorted(counts, sequences)) + 1
    parts = ((slice(None, cut), slice(None, middle), 0), (slice(cut, None), slice(middle, None), sequences))
    first, second = (
        Batch(
            places=batch.places[own],
            requests=batch.requests[own],
            plan=Packed(
                prefix=batch.plan.prefix,
                rows=tuple(replace(row, owner=row.owner - before) for row in batch.plan.rows[rows]),
            ),
        )
        for own, rows, before in parts
    )
    return first, second


def launch(
    model: Any, forward: SharedForward, batch: Batch, prefix: Prefix, device: torch.device
) -> Callable[[], list[Reply]]:
    """Begin to answer a batch by its plan; what is returned waits for the log-likelihoods of all its sequences.

    On CUDA the next batch can be launched meanwhile, so that the device does not wait for Python.
    """
    packed: Packed = batch.plan
    rows = forward.rows(packed.rows, device)
    width = rows.ids.shape[1]
    flat = np.concatenate([row.nodes + place * width for place, row in enumerate(packed.rows)])  # (C,)
    owner = np.concatenate([row.owner for row in packed.rows])
    targets = on_device(torch.from_numpy(np.concatenate([row.targets for row in packed.rows])), device)
    kept, index = np.unique(flat, return_inverse=True)  # (N,), (C,)
    logits, _ = forward.run(model, rows, prefix, on_device(torch.from_numpy(kept), device))
    found, best = map(_coming_back, _log_probs(logits, on_device(torch.from_numpy(index), device), targets))
    arrived = torch.cuda.current_stream(device).record_event() if device.type == "cuda" else None

    def collect() -> list[Reply]:
        if arrived is not None:
            arrived.synchronize()
        count = sum(len(request.choices) for request in batch.requests)
        sums = np.bincount(owner, weights=found.numpy().astype(np.float64), minlength=count)
        missed = np.bincount(owner, weights=~best.numpy(), minlength=count)
        return _replies(batch, sums, missed == 0)

    return collect


def _coming_back(values: torch.Tensor) -> torch.Tensor:
    """A copy on the CPU, complete once the device has come so far."""
    if not values.is_cuda:
        return values
    return torch.empty(values.shape, dtype=values.dtype, pin_memory=True).copy_(values, non_blocking=True)


def _log_probs(logits: torch.Tensor, index: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(C,) float32 log-probability of each target, and whether it is the most probable token."""
    at_once = max(1, LOGITS_AT_ONCE // logits.shape[-1])
    normaliser = torch.empty(len(logits), dtype=torch.float32, device=logits.device)  # (N,)
    best = torch.empty(len(logits), dtype=torch.long, device=logits.device)
    for part in (slice(start, start + at_once) for start in range(0, len(logits), at_once)):
        largest, best[part] = logits[part].max(dim=-1)
        # The largest has log-probability largest - normaliser; this softmax reads half precision and sums in float32.
        log_probs = torch.log_softmax(logits[part], dim=-1, dtype=torch.float32)
        normaliser[part] = largest.float() - log_probs.gather(-1, best[part].unsqueeze(-1)).squeeze(-1)
    return logits[index, targets].float() - normaliser[index], best[index] == targets


def _replies(batch: Batch, sums: np.ndarray[Any, Any], greedy: np.ndarray[Any, Any]) -> list[Reply]:
    replies, first = [], 0
    for request in batch.requests:
        own = slice(first, first + len(request.choices))
        first = own.stop
        if not np.isfinite(sums[own]).all():
            raise BackendError(
                f"the model's logits hold NaN or infinity on item {request.item!r}; nothing can be said of it."
            )
        replies.append(
            Reply(
                logprobs=tuple(sums[own].tolist()),
                greedy=tuple(map(bool, greedy[own])),
                prompt_tokens=len(request.prompt),
                reply_tokens=sum(map(len, request.choices)),
            )
        )
    return replies
