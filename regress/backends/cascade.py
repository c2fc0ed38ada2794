"""Attention to a shared prefix and to one's own tokens apart, merged exactly: no row holds a copy of the prefix.

A softmax over two sets of keys is the average of the softmaxes over each, weighted by their sums of exponentials, which
the kernels return as log-sum-exp (Juravsky et al. 2024, "Hydragen", arXiv 2402.05099). All rows' queries meet the
prefix in one unmasked call; only what rows add needs a mask. For CUDA, where these kernels are.

Shapes: B rows, T queries a row, W own keys a row, P prefix keys, H query heads, h key heads, G = H / h, d head size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface

KeysAndValues = tuple[torch.Tensor, torch.Tensor]

NAME = "regress_cascade"
ALIGNED = 64
"""Widths of rows are multiples of this: the masked kernel wants aligned masks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a forward pass attends to besides what it brings along."""

    prefix: Sequence[KeysAndValues] = ()  # (1, h, P, d) for each layer; nothing where there is none
    used: torch.Tensor | None = None  # (B,) of a decoding step: how many of each slot's positions are written


_scenes: list[Scene] = []


@contextmanager
def attending(config: Any, scene: Scene) -> Iterator[None]:
    """Within the block the model of `config` attends in this way."""
    before = config._attn_implementation
    config._attn_implementation = NAME
    _scenes.append(scene)
    try:
        yield
    finally:
        _scenes.pop()
        config._attn_implementation = before


def folded(sees: torch.Tensor, groups: int, dtype: torch.dtype) -> torch.Tensor:
    """A mask (B, 1, T, W) as the number that is added, for queries whose G groups stand one behind the other."""
    added = torch.zeros(sees.shape, dtype=dtype, device=sees.device).masked_fill_(~sees, torch.finfo(dtype).min)
    rows, _, queries, keys = added.shape
    return added.unsqueeze(2).expand(rows, 1, groups, queries, keys).reshape(rows, 1, groups * queries, keys)


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_others: Any,
) -> tuple[torch.Tensor, None]:
    """(B, T, H, d): see transformers' AttentionInterface. `attention_mask` is `folded`; a decoding step needs none."""
    rows, heads, queries, size = query.shape
    kinds, scene = key.shape[1], _scenes[-1]
    asked = query.reshape(rows, kinds, heads // kinds * queries, size)  # heads of one kind stand side by side
    if scene.used is None:
        found, weight = _masked(asked, key, value, attention_mask, scaling)
    else:
        found, weight = _of_slots(asked, key, value, scene.used, scaling)
    if scene.prefix:
        shared, sums = _to_prefix(asked, scene.prefix[module.layer_idx], scaling, together=scene.used is not None)
        found = torch.lerp(found, shared, torch.sigmoid(sums - weight).unsqueeze(-1).to(found.dtype))
    return found.reshape(rows, heads, queries, size).transpose(1, 2).contiguous(), None


def _masked(
    asked: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor, scaling: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and their own keys: what was found (B, h, G·T, d), and the log of the sum of exponentials (B, h, G·T)."""
    rows, kinds, queries, _ = asked.shape
    found, weight = torch.ops.aten._scaled_dot_product_efficient_attention(
        asked, key, value, mask.expand(rows, kinds, queries, mask.shape[-1]), compute_log_sumexp=True, scale=scaling
    )[:2]
    return found, weight[..., :queries].float()


def _of_slots(
    asked: torch.Tensor, key: torch.Tensor, value: torch.Tensor, used: torch.Tensor, scaling: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same for slots of which only the first `used` positions are read; keys lie in memory as (B, W, h, d)."""
    rows, kinds, queries, size = asked.shape
    width = key.shape[2]
    starts = torch.arange(rows + 1, dtype=torch.int32, device=used.device)
    found, weight = torch.ops.aten._flash_attention_forward(
        asked.transpose(1, 2).reshape(rows * queries, kinds, size),
        key.transpose(1, 2).reshape(rows * width, kinds, size),
        value.transpose(1, 2).reshape(rows * width, kinds, size),
        starts * queries,
        starts * width,
        queries,
        width,
        0.0,
        False,
        False,
        scale=scaling,
        seqused_k=used,
    )[:2]
    found = found.view(rows, queries, kinds, size).transpose(1, 2)
    return found, weight.view(kinds, rows, queries).transpose(0, 1).float()


def _to_prefix(
    asked: torch.Tensor, prefix: KeysAndValues, scaling: float | None, *, together: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same for the shared prefix, which all rows meet in one call: as one long row, where each is short."""
    rows, kinds, queries, size = asked.shape
    if not together:
        keys, values = (part.expand(rows, -1, -1, -1) for part in prefix)
        found, weight = torch.ops.aten._scaled_dot_product_flash_attention(asked, keys, values, scale=scaling)[:2]
        return found, weight.float()
    long = asked.transpose(0, 1).reshape(1, kinds, rows * queries, size)
    found, weight = torch.ops.aten._scaled_dot_product_flash_attention(long, *prefix, scale=scaling)[:2]
    found = found.view(kinds, rows, queries, size).transpose(0, 1)
    return found, weight.view(kinds, rows, queries).transpose(0, 1).float()


AttentionInterface.register(NAME, _attend)
