"""Replies: a fixed number of slots, each refilled as soon as its reply has ended.

Shapes: A active slots (always the first ones), R entering requests, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from regress.backends.budget import Budget
from regress.backends.choosing import Draws, choose
from regress.backends.packing import Asked, shared_prefixes, trie
from regress.backends.protocol import Batch, Request, Tokens
from regress.backends.shared_forward import Prefix, SharedForward
from regress.backends.slots import Slots
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


def plan(suite: Suite, requests: Sequence[Request], budget: Budget, *, separate: bool) -> list[Batch]:
    """Batches behind the same prefix, longest prompts first; as many slots as the budget allows.

    A prefix of its own costs its overhead and, at the end of its batch, slots that stand empty while the last replies
    are written.
    """
    room = suite.generation.max_new_tokens
    keys = [request.prompt[:-1] for request in requests]
    batches = []
    for group in shared_prefixes(keys, overhead=budget.overhead + budget.slots * room // 2):
        order = sorted(group.places, key=lambda i: (-len(requests[i].prompt), requests[i].digest, i))
        while order:
            held = len(requests[order[0]].prompt) - (group.shared if separate else 0)
            slots = max(1, min(budget.slots, budget.tokens // (held + room)))
            slots = -(-len(order) // -(-len(order) // slots)) if separate else slots  # rounds of equal size
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
    slots = Slots(model, forward, count, width - len(prefix.tokens), prefix)
    replayed = device.type == "cuda" and forward.separate and not settings.temperature
    collected = _Collected(settings.repeats)
    waiting, active = list(reversed(jobs)), list[_Job]()
    tokens = torch.empty(0, dtype=torch.long, device=device)
    while waiting or active:
        free = count - len(active)
        if waiting and (not active or free * 8 >= count):
            entering = [waiting.pop() for _ in range(min(free, len(waiting)))]
            logits = _enter(model, forward, slots, entering, prefix, device)
            active += entering
            first = _chosen(logits, suite, entering)
            going_on = _settle(active, slots, first.unsqueeze(1), collected, new=len(entering))
            tokens = torch.cat([tokens, going_on])
        if active:
            chosen = _replayed(slots, tokens, active) if replayed else _stepped(slots, tokens, suite, active)
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
    rows = forward.rows([trie([Asked(owner=0, tokens=(*tail, 0), start=len(tail))]) for tail in tails], device)
    last = [place * rows.ids.shape[1] + len(tail) - 1 for place, tail in enumerate(tails)]
    logits, added = forward.run(model, rows, prefix, torch.tensor(last, device=device))
    slots.fill(added, [len(tail) for tail in tails])
    return logits.float()


def _chosen(logits: torch.Tensor, suite: Suite, jobs: Sequence[_Job]) -> torch.Tensor:
    """The next token of each job; NaN and infinity stop the run, naming the item."""
    _refuse_sick(~torch.isfinite(logits.amax(dim=-1)), jobs)  # NaN is the largest of all, and so is infinity
    return choose(logits, suite.generation, [job.draws for job in jobs])


def _refuse_sick(sick: torch.Tensor, jobs: Sequence[_Job]) -> None:
    if sick.any():
        bad = jobs[int(sick.nonzero()[0])].request.item
        raise BackendError(f"the model's logits hold NaN or infinity on item {bad!r}; nothing can be said of it.")


def _stepped(slots: Slots, tokens: torch.Tensor, suite: Suite, jobs: Sequence[_Job]) -> torch.Tensor:
    """The next token of each job, (A, 1)."""
    return _chosen(slots.step(tokens), suite, jobs).unsqueeze(1)


def _replayed(slots: Slots, tokens: torch.Tensor, jobs: Sequence[_Job]) -> torch.Tensor:
    """The next few tokens of each job, (A, STEPS)."""
    chosen, sick = slots.greedy(tokens)
    _refuse_sick(sick, jobs)
    return chosen


def _settle(active: list[_Job], slots: Slots, tokens: torch.Tensor, collected: _Collected, *, new: int) -> torch.Tensor:
    """Give the last `new` jobs their tokens, (new, steps), and collect those that are done.

    Returns the last token of those among them that go on; the order of `active` is that of the slots.
    """
    first = len(active) - new
    ids = tokens.tolist()
    for job, written in zip(active[first:], ids, strict=True):
        job.reply.extend(written)
    last = [written[-1] for written in ids]
    for place in reversed(range(first, len(active))):
        if active[place].reply.finish is not None:
            collected.add(active[place])
            slots.drop(place)
            moved, token = active.pop(), last.pop()
            if place < len(active):
                active[place], last[place - first] = moved, token
    return torch.tensor(last, dtype=torch.long, device=tokens.device)
