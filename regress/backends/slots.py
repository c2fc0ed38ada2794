"""Keys and values of replies in progress, a fixed number of slots; on CUDA their steps are replayed as graphs.

Shapes: S slots, A active ones (always the first A), W positions of a slot, P prefix tokens, h key heads, d head size,
V vocabulary. A slot holds what its reply continues without gaps: from the prefix on, or, where attention meets the
prefix apart (`SharedForward.separate`), from behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

from regress.backends.cascade import KeysAndValues
from regress.backends.shared_forward import Prefix, SharedForward

STEPS = 8
"""Greedy tokens that a graph writes before anybody looks whether a reply has ended."""


class _SlotLayer(DynamicLayer):  # type: ignore[misc]  # transformers has no types
    """Keys and values of all slots in one layer; a decoding step writes one position a slot and reads up to `width`."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.buffers = (keys, values)  # (S, W, h, d)
        self.at = torch.empty(0)  # (A,) where each active slot writes
        self.width = 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> KeysAndValues:
        rows = torch.arange(len(self.at), device=self.at.device)
        keys, values = self.buffers
        keys[rows, self.at] = key_states[:, :, 0]
        values[rows, self.at] = value_states[:, :, 0]
        read = (slice(None, len(rows)), slice(None, self.width))
        return keys[read].transpose(1, 2), values[read].transpose(1, 2)

    def get_seq_length(self) -> int:
        return self.width - 1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.width, 0


class Slots:
    """`count` slots of `width` positions behind `prefix`."""

    def __init__(self, model: Any, forward: SharedForward, count: int, width: int, prefix: Prefix) -> None:
        self._model = model
        self._forward = forward
        self._prefix = prefix
        self._count = count
        self._first = 0 if forward.separate else prefix.length  # where a slot's own positions begin
        self._width = self._first + width + STEPS
        self._layers: list[_SlotLayer] = []
        self._graph: _Graph | None = None
        self.lengths: list[int] = []  # of the active slots, their own tokens alone

    def fill(self, added: Sequence[KeysAndValues], lengths: Sequence[int]) -> None:
        """Put new rows behind the active slots: `added` for each layer (R, h, T, d), of which `lengths` are real."""
        if not self._layers:
            self._layers = [self._layer(pair) for pair in added]
            for layer, pair in zip(self._layers, self._prefix.layers if self._first else (), strict=False):
                for buffer, part in zip(layer.buffers, pair, strict=True):
                    buffer[:, : self._first] = part.transpose(1, 2)
        start, longest = len(self.lengths), max(lengths)
        for layer, pair in zip(self._layers, added, strict=True):
            for buffer, part in zip(layer.buffers, pair, strict=True):
                own = slice(self._first, self._first + longest)
                buffer[start : start + len(lengths), own] = part[:, :, :longest].transpose(1, 2)
        self.lengths += lengths

    def _layer(self, like: KeysAndValues) -> _SlotLayer:
        keys, values = (part.new_zeros((self._count, self._width, part.shape[1], part.shape[3])) for part in like)
        return _SlotLayer(keys, values)

    def drop(self, slot: int) -> None:
        """End a slot; the last active one takes its place."""
        last = len(self.lengths) - 1
        if slot != last:
            written = self._first + self.lengths[last]
            for layer in self._layers:
                for buffer in layer.buffers:
                    buffer[slot, :written] = buffer[last, :written]
            self.lengths[slot] = self.lengths[last]
        del self.lengths[last]

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Write one token a slot, (A,), and return the next one's float32 logits, (A, V)."""
        at = torch.tensor(self.lengths, device=tokens.device) + self._first
        # Apart from the prefix, what is read is given slot by slot; else everything up to the longest, masked.
        width = None if self._forward.separate else self._first + max(self.lengths) + 1
        logits = self.decode(tokens, at, width)
        self.lengths = [length + 1 for length in self.lengths]
        return logits.float()

    def decode(self, tokens: torch.Tensor, at: torch.Tensor, width: int | None = None) -> torch.Tensor:
        """One step of the first slots, written at positions `at` and read up to `width`; logits (len(at), V)."""
        width = width or self._width
        for layer in self._layers:
            layer.at, layer.width = at, width
        return self._forward.decode(self._model, tokens, at, width, self._prefix, Cache(layers=list(self._layers)))

    def greedy(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """STEPS greedy tokens a slot behind `tokens`, (A, STEPS), and which slots met NaN or infinity, (A,); CUDA."""
        if self._graph is None:
            self._graph = _Graph(self, self._count, tokens.device)
        found = self._graph.run(tokens, self.lengths)
        self.lengths = [length + STEPS for length in self.lengths]
        return found


class _Graph:
    """One greedy step of all slots, captured once and replayed; idle slots write where nobody reads."""

    def __init__(self, slots: Slots, count: int, device: torch.device) -> None:
        self._slots = slots
        self._tokens = torch.zeros(count, dtype=torch.long, device=device)
        self._at = torch.zeros(count, dtype=torch.long, device=device)
        self._sick = torch.zeros(count, dtype=torch.bool, device=device)
        self._written = torch.zeros((STEPS, count), dtype=torch.long, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None

    def run(self, tokens: torch.Tensor, at: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        active = len(at)
        if self._graph is None:
            self._begin(tokens, at)
            self._graph = self._captured()
        self._begin(tokens, at)
        for step in range(STEPS):
            self._graph.replay()
            self._written[step].copy_(self._tokens)
        return self._written[:, :active].T.clone(), self._sick[:active].clone()

    def _begin(self, tokens: torch.Tensor, at: list[int]) -> None:
        idle = len(self._at) - len(at)
        self._tokens.zero_()
        self._tokens[: len(at)].copy_(tokens)
        self._at.copy_(torch.tensor(at + [0] * idle))
        self._sick.zero_()

    def _captured(self) -> torch.cuda.CUDAGraph:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries settle their work spaces in a first call
            self._one_step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._one_step()
        return graph

    def _one_step(self) -> None:
        largest, chosen = self._slots.decode(self._tokens, self._at).max(dim=-1)
        self._sick.logical_or_(~torch.isfinite(largest))
        self._tokens.copy_(chosen)
        self._at.add_(1)
