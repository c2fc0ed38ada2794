"""Attention to a shared prefix and to one's own tokens apart, merged exactly: no row holds a copy of the prefix.

A softmax over two sets of keys is the average of the softmaxes over each, weighted by their sums of exponentials, which
the kernels return as log-sum-exp (Juravsky et al. 2024, "Hydragen", arXiv 2402.05099). All rows' queries meet the
prefix in one unmasked call; only what rows add needs a mask. For CUDA, where these kernels are.

Shapes: B rows, T queries a row, W own keys a row, P prefix keys, H query heads, h key heads, G = H / h, d head size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface

KeysAndValues = tuple[torch.Tensor, torch.Tensor]

NAME = "regress_cascade"
ALIGNED = 64
"""Widths are multiples of this: the masked kernel wants aligned rows."""

_prefix: list[Sequence[KeysAndValues]] = [()]


@contextmanager
def behind(config: Any, prefix: Sequence[KeysAndValues]) -> Iterator[None]:
    """Within the block the model of `config` attends in this way, to `prefix` (a pair for each layer, or nothing)."""
    before = config._attn_implementation
    config._attn_implementation = NAME
    _prefix.append(prefix)
    try:
        yield
    finally:
        _prefix.pop()
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
    """(B, T, H, d): see transformers' AttentionInterface. `attention_mask` is `folded`."""
    rows, heads, queries, size = query.shape
    kinds = key.shape[1]
    groups = heads // kinds
    asked = query.reshape(rows, kinds, groups * queries, size)  # heads of one kind stand side by side
    mask = attention_mask.expand(rows, kinds, groups * queries, attention_mask.shape[-1])
    found, weight = torch.ops.aten._scaled_dot_product_efficient_attention(
        asked, key, value, mask, compute_log_sumexp=True, scale=scaling
    )[:2]
    if layers := _prefix[-1]:
        found = _with_prefix(asked, layers[module.layer_idx], found, weight[..., : groups * queries], scaling)
    return found.reshape(rows, heads, queries, size).transpose(1, 2).contiguous(), None


def _with_prefix(
    asked: torch.Tensor, prefix: KeysAndValues, own: torch.Tensor, weight: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    """What the rows' own keys gave, (B, h, G·T, d), joined with the prefix; `weight` is its log-sum-exp."""
    rows, kinds, queries, size = asked.shape
    together = asked.transpose(0, 1).reshape(1, kinds, rows * queries, size)
    shared, sums = torch.ops.aten._scaled_dot_product_flash_attention(together, *prefix, scale=scaling)[:2]
    shared = shared.view(kinds, rows, queries, size).transpose(0, 1)
    sums = sums.view(kinds, rows, queries).transpose(0, 1)
    share = torch.sigmoid(sums.float() - weight.float()).unsqueeze(-1)
    return torch.lerp(own.float(), shared.float(), share).to(own.dtype)


AttentionInterface.register(NAME, _attend)
