"""Replies: a fixed number of slots, each refilled as soon as its reply has ended.

Shapes: S slots, A active ones (always the first A), W positions of a slot, h heads, d head size, V vocabulary. A slot
holds the keys and values of everything its reply continues, the shared prefix included, without gaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

from regress.backends.choosing import Draws, choose
from regress.backends.packing import Asked, shared_prefixes, trie
from regress.backends.protocol import Batch, Request, Tokens
from regress.backends.shared_forward import KeysAndValues, Prefix, Rows, SharedForward
from regress.backends.stopping import Ending, ReplyInProgress, together
from regress.errors import BackendError
from regress.schema import Reply, Suite

CHUNK = 4
"""Requests of a batch for each slot: enough for slots to be refilled, few enough to lose little when interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The plan of a batch: what all its prompts begin with, and how many are answered at a time."""

    prefix: Tokens
    slots: int


def plan(suite: Suite, requests: Sequence[Request], *, tokens: int, most: int, overhead: int) -> list[Batch]:
    """Batches behind the same prefix, longest prompts first; as many slots as `tokens` positions allow.

    A prefix of its own costs `overhead` and, at the end of its batch, slots that stand empty while the last replies
    are written.
    """
    room = suite.generation.max_new_tokens
    keys = [request.prompt[:-1] for request in requests]
    batches = []
    for group in shared_prefixes(keys, overhead=overhead + most * room // 2):
        order = sorted(group.places, key=lambda i: (-len(requests[i].prompt), requests[i].digest, i))
        while order:
            slots = max(1, min(most, tokens // (len(requests[order[0]].prompt) + room)))
            places, order = order[: slots * CHUNK], order[slots * CHUNK :]
            queue = Queue(prefix=keys[group.places[0]][: group.shared], slots=slots)
            batches.append(Batch(places=tuple(places), requests=tuple(requests[i] for i in places), plan=queue))
    return batches


@dataclass(slots=True, kw_only=True)
class _Job:
    """One reply to one request."""

    index: int  # of the request in its batch
    repeat: int
    request: Request
    reply: ReplyInProgress
    draws: Draws


class _SlotLayer(DynamicLayer):  # type: ignore[misc]  # transformers has no types
    """Keys and values of all slots in one layer; a decoding step writes one position a slot and reads up to `width`."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.buffers = (keys, values)  # (S, h, W, d)
        self.at = torch.empty(0)  # (A,) where each active slot writes
        self.width = 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> KeysAndValues:
        rows = torch.arange(len(self.at), device=self.at.device)
        keys, values = self.buffers
        keys[rows, :, self.at] = key_states[:, :, 0]
        values[rows, :, self.at] = value_states[:, :, 0]
        return keys[: len(rows), :, : self.width], values[: len(rows), :, : self.width]

    def get_seq_length(self) -> int:
        return self.width - 1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.width, 0


class Slots:
    """Keys and values of replies in progress."""

    def __init__(self, count: int, width: int, prefix: Prefix, device: torch.device) -> None:
        self._count = count
        self._width = width
        self._prefix = prefix
        self._device = device
        self._layers: list[_SlotLayer] = []
        self.lengths: list[int] = []  # of the active slots

    def fill(self, added: Sequence[KeysAndValues], lengths: Sequence[int]) -> None:
        """Put new rows behind the active slots: `added` for each layer (R, h, T, d), of which `lengths` are real."""
        if not self._layers:
            self._layers = [_SlotLayer(*(self._buffer(part) for part in pair)) for pair in added]
            for layer, pair in zip(self._layers, self._prefix.layers, strict=False):
                for buffer, part in zip(layer.buffers, pair, strict=True):
                    buffer[:, :, : part.shape[-2]] = part
        start, behind = len(self.lengths), len(self._prefix.tokens)
        for layer, pair in zip(self._layers, added, strict=True):
            for buffer, part in zip(layer.buffers, pair, strict=True):
                buffer[start : start + len(lengths), :, behind : behind + part.shape[-2]] = part
        self.lengths += [behind + length for length in lengths]

    def _buffer(self, like: torch.Tensor) -> torch.Tensor:
        _, heads, _, size = like.shape
        return torch.zeros((self._count, heads, self._width, size), dtype=like.dtype, device=self._device)

    def drop(self, slot: int) -> None:
        """End a slot; the last active one takes its place."""
        last = len(self.lengths) - 1
        if slot != last:
            length = self.lengths[last]
            for layer in self._layers:
                for buffer in layer.buffers:
                    buffer[slot, :, :length] = buffer[last, :, :length]
            self.lengths[slot] = length
        del self.lengths[last]

    def step(self, model: Any, forward: SharedForward, tokens: torch.Tensor) -> torch.Tensor:
        """Write one token a slot, (A,), and return the next one's float32 logits, (A, V)."""
        at = torch.tensor(self.lengths, device=self._device)
        width = max(self.lengths) + 1
        for layer in self._layers:
            layer.at, layer.width = at, width
        logits = forward.decode(model, tokens, at, width, Cache(layers=list(self._layers)))
        self.lengths = [length + 1 for length in self.lengths]
        return logits.float()


def generate(
    model: Any,
    forward: SharedForward,
    suite: Suite,
    batch: Batch,
    prefix: Prefix,
    ending: Ending,
    decode: Callable[[list[int]], str],
    device: torch.device,
) -> Iterator[list[tuple[int, Reply]]]:
    """Replies with their index in the batch, a quarter of the slots' worth at a time."""
    settings = suite.generation
    jobs = [
        _Job(
            index=index,
            repeat=repeat,
            request=request,
            reply=ReplyInProgress(ending, decode),
            draws=Draws(settings.seed, request.digest, repeat),
        )
        for index, request in enumerate(batch.requests)
        for repeat in range(settings.repeats)
    ]
    count = min(batch.plan.slots, len(jobs))
    width = max(len(request.prompt) for request in batch.requests) + settings.max_new_tokens
    slots = Slots(count, width, prefix, device)
    collected = _Collected(settings.repeats)
    waiting, active = list(reversed(jobs)), list[_Job]()
    tokens = torch.empty(0, dtype=torch.long, device=device)
    while waiting or active:
        free = count - len(active)
        if waiting and (not active or free * 8 >= count):
            entering = [waiting.pop() for _ in range(min(free, len(waiting)))]
            logits = _enter(model, forward, slots, entering, prefix, device)
            active += entering
            tokens = torch.cat([tokens, _chosen(logits, suite, entering)])
            tokens = _settle(active, slots, tokens, collected, new=len(entering))
        if active:
            chosen = _chosen(slots.step(model, forward, tokens), suite, active)
            tokens = _settle(active, slots, chosen, collected, new=len(active))
        if len(collected.ready) * 4 >= count or not (waiting or active):
            yield collected.take()


class _Collected:
    """Replies that are finished, and items that wait for the rest of their repeats."""

    def __init__(self, repeats: int) -> None:
        self.ready: list[tuple[int, Reply]] = []
        self._repeats = repeats
        self._samples: dict[int, list[_Job]] = {}

    def add(self, job: _Job) -> None:
        samples = self._samples.setdefault(job.index, [])
        samples.append(job)
        if len(samples) == self._repeats:
            samples.sort(key=lambda one: one.repeat)
            self.ready.append((job.index, together([one.reply.reply(len(one.request.prompt)) for one in samples])))
            del self._samples[job.index]

    def take(self) -> list[tuple[int, Reply]]:
        ready, self.ready = self.ready, []
        return ready


def _enter(
    model: Any, forward: SharedForward, slots: Slots, jobs: list[_Job], prefix: Prefix, device: torch.device
) -> torch.Tensor:
    """Read the prompts of new jobs into slots; float32 logits of their first tokens, (R, V)."""
    behind = len(prefix.tokens)
    tails = [job.request.prompt[behind:] for job in jobs]
    rows = Rows.of([trie([Asked(owner=0, tokens=(*tail, 0), start=len(tail))]) for tail in tails], device)
    last = [place * rows.ids.shape[1] + len(tail) - 1 for place, tail in enumerate(tails)]
    logits, added = forward.run(model, rows, prefix, torch.tensor(last, device=device))
    slots.fill(added, [len(tail) for tail in tails])
    return logits.float()


def _chosen(logits: torch.Tensor, suite: Suite, jobs: Sequence[_Job]) -> torch.Tensor:
    """The next token of each job; NaN and infinity stop the run, naming the item."""
    finite = torch.isfinite(logits.amax(dim=-1))  # NaN is the largest of all, and so is infinity
    if not finite.all():
        bad = jobs[int((~finite).nonzero()[0])].request.item
        raise BackendError(f"the model's logits hold NaN or infinity on item {bad!r}; nothing can be said of it.")
    return choose(logits, suite.generation, [job.draws for job in jobs])


def _settle(active: list[_Job], slots: Slots, tokens: torch.Tensor, collected: _Collected, *, new: int) -> torch.Tensor:
    """Give the last `new` jobs their token and collect those that are done; the tokens of those that go on, (A,)."""
    first = len(active) - new
    ids = tokens.tolist()
    for place in range(first, len(active)):
        active[place].reply.add(ids[place])
    for place in reversed(range(first, len(active))):
        if active[place].reply.finish is not None:
            collected.add(active[place])
            slots.drop(place)
            last, last_id = active.pop(), ids.pop()
            if place < len(active):
                active[place], ids[place] = last, last_id
    return torch.tensor(ids, dtype=torch.long, device=tokens.device)
