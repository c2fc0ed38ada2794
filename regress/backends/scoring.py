"""Log-likelihoods: sequences grouped by shared prefix, packed into tries, scored in float32 at the tokens asked for.

Shapes: C scored tokens of a batch, N distinct nodes that predict them, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import torch

from regress.backends import plain
from regress.backends.packing import Asked, Row, common_prefix, nodes, pack, shared_prefixes, trie
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

    def at_once(self, width: int, prefix: int) -> int:
        """Rows of `width` nodes behind a prefix that go into one forward pass."""
        return max(1, min(self.nodes // width, self.tokens // (width + prefix)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The plan of a batch: its prefix and rows; `owner` counts the sequences of the batch's requests in order.

    A row holds whole requests, or one sequence of a request that is too wide for a row.
    """

    prefix: Tokens
    rows: tuple[Row, ...]
    at_once: int  # rows of a forward pass: all, except where one request takes more than a pass holds


def plan(requests: Sequence[Request], shape: Shape) -> list[Batch]:
    """Batches of requests that continue one prefix; widest rows first, so that memory runs out at once or never."""
    keys = [_shared_context(request) for request in requests]
    batches = []
    for group in shared_prefixes(keys, overhead=shape.overhead):
        prefix = keys[group.places[0]][: group.shared]
        tails = [[(c + t)[group.shared :] for c, t in requests[place].sequences] for place in group.places]
        width, rows = pack(tails, widths=shape.widths)
        while rows:
            widest = max(width, nodes(tails[rows[0][0]]))  # what is wider than `width` is a row by itself
            at_once = -(-len(rows) // -(-len(rows) // shape.at_once(widest, group.shared)))  # batches of equal size
            members = [[group.places[index] for index in row] for row in rows[:at_once]]
            del rows[:at_once]
            places = tuple(place for row in members for place in row)
            packed = packed_behind(prefix, [[requests[place] for place in row] for row in members], shape)
            batches.append(Batch(places=places, requests=tuple(requests[place] for place in places), plan=packed))
    return batches


def _shared_context(request: Request) -> Tokens:
    """What may be computed before any of the request's sequences: all of them begin with it and go on after it."""
    contexts = [context for context, _ in request.sequences]
    shared = common_prefix(min(contexts), max(contexts))
    return contexts[0][: min(shared, min(map(len, contexts)) - 1)]


def packed_behind(prefix: Tokens, rows: Sequence[Sequence[Request]], shape: Shape | None = None) -> Packed:
    """One trie a row of requests, all of which continue `prefix`; all rows in one pass where no `shape` says less."""
    tries: list[Row] = []
    owner = 0
    for row in rows:
        asked = []
        for context, choice in (pair for request in row for pair in request.sequences):
            behind = (context + choice)[len(prefix) :]
            asked.append(Asked(owner=owner, tokens=behind, start=len(context) - len(prefix)))
            owner += 1
        apart = shape is not None and len(row) == 1 and _apart(asked, max(shape.widths))
        tries += [trie([one]) for one in asked] if apart else [trie(asked)]
    at_once = shape.at_once(max(len(one.tokens) for one in tries), len(prefix)) if shape else len(tries)
    return Packed(prefix=prefix, rows=tuple(tries), at_once=at_once)


def _apart(asked: Sequence[Asked], width: int) -> bool:
    """Whether each sequence needs a row of its own: too much for one, and hardly shared, as the windows of a text are.

    Attention within a row grows with its square, whoever attends to whom.
    """
    together = nodes([one.tokens for one in asked])
    return together > width and sum(len(one.tokens) for one in asked) < 1.25 * together


def halves(batch: Batch) -> tuple[Batch, ...]:
    """The batch in parts, for a device that has no room for it; nothing where it is one request in its smallest passes.

    Rows come apart first, then the requests of a row, then the passes of a request.
    """
    packed: Packed = batch.plan
    ends = _ends(batch)
    if len(ends) > 1:
        return _cut(batch, *ends[len(ends) // 2 - 1])
    if len(batch.requests) > 1:
        middle = len(batch.requests) // 2
        return tuple(
            Batch(
                places=batch.places[own],
                requests=batch.requests[own],
                plan=packed_behind(packed.prefix, [[request] for request in batch.requests[own]]),
            )
            for own in (slice(None, middle), slice(middle, None))
        )
    fewer = min(packed.at_once, len(packed.rows)) // 2
    return (replace(batch, plan=replace(packed, at_once=fewer)),) if fewer else ()


def _ends(batch: Batch) -> list[tuple[int, int]]:
    """(rows, requests) up to each place where the batch can be cut between two rows."""
    sequences = np.cumsum([len(request.choices) for request in batch.requests]).tolist()
    last = [int(row.owner.max()) + 1 for row in batch.plan.rows]  # rows hold sequences in order
    return [(row, sequences.index(end) + 1) for row, end in enumerate(last, start=1) if end in sequences]


def _cut(batch: Batch, row: int, request: int) -> tuple[Batch, Batch]:
    packed: Packed = batch.plan
    before = sum(len(one.choices) for one in batch.requests[:request])
    behind = tuple(replace(one, owner=one.owner - before) for one in packed.rows[row:])
    return (
        Batch(
            places=batch.places[:request],
            requests=batch.requests[:request],
            plan=replace(packed, rows=packed.rows[:row]),
        ),
        Batch(places=batch.places[request:], requests=batch.requests[request:], plan=replace(packed, rows=behind)),
    )


def launch(
    model: Any, forward: SharedForward, batch: Batch, prefix: Prefix, device: torch.device
) -> Callable[[], list[Reply]]:
    """Begin to answer a batch by its plan; what is returned waits for the log-likelihoods of all its sequences.

    On CUDA the next batch can be launched meanwhile, so that the device does not wait for Python.
    """
    packed: Packed = batch.plan
    parts = [packed.rows[start : start + packed.at_once] for start in range(0, len(packed.rows), packed.at_once)]
    passes = [_pass(model, forward, rows, prefix, device) for rows in parts]
    owner = np.concatenate([row.owner for row in packed.rows])  # (C,)
    arrived = torch.cuda.current_stream(device).record_event() if device.type == "cuda" else None

    def collect() -> list[Reply]:
        if arrived is not None:
            arrived.synchronize()
        count = sum(len(request.choices) for request in batch.requests)
        found, best = (np.concatenate([part.numpy() for part in column]) for column in zip(*passes, strict=True))
        sums = np.bincount(owner, weights=found.astype(np.float64), minlength=count)
        missed = np.bincount(owner, weights=~best, minlength=count)
        if not np.isfinite(sums).all():
            _refuse_sick(model, batch, device)
        return _replies(batch, sums, missed == 0)

    return collect


def _pass(
    model: Any, forward: SharedForward, tries: Sequence[Row], prefix: Prefix, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """One forward pass; (C,) log-probabilities and whether each is the largest, on their way to the CPU."""
    rows = forward.rows(tries, device)
    width = rows.ids.shape[1]
    flat = np.concatenate([row.nodes + place * width for place, row in enumerate(tries)])  # (C,)
    targets = on_device(torch.from_numpy(np.concatenate([row.targets for row in tries])), device)
    kept, index = np.unique(flat, return_inverse=True)  # (N,), (C,)
    logits, _ = forward.run(model, rows, prefix, on_device(torch.from_numpy(kept), device))
    found, best = _log_probs(logits, on_device(torch.from_numpy(index), device), targets)
    return _coming_back(found), _coming_back(best)


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
        replies.append(
            Reply(
                logprobs=tuple(sums[own].tolist()),
                greedy=tuple(map(bool, greedy[own])),
                prompt_tokens=len(request.prompt),
                reply_tokens=sum(map(len, request.choices)),
            )
        )
    return replies


@torch.inference_mode()
def _refuse_sick(model: Any, batch: Batch, device: torch.device) -> NoReturn:
    """Name the item whose NaN or infinity it is: masked or not, it spoils whatever shares its row."""
    plain.score(model, batch, device)
    raise BackendError(
        f"the model's logits hold NaN or infinity where item {batch.requests[0].item!r} is asked with others, and not "
        "where each is asked alone; nothing can be said of it."
    )
