"""How much goes into one forward pass: settled once, when the weights are loaded, and recorded with every run.

The same machine settles the same numbers: they are rounded down to powers of two, so that a little more or less free
memory does not make other batches, and with them other runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from regress.backends.scoring import Shape

ROW_WIDTHS = {"cpu": (512,), "cuda": (192, 256, 320, 384, 448, 512)}
"""Nodes of a row: the width is taken that wastes least on padding and on attention among strangers."""

MOST_NODES = {"cpu": 512, "cuda": 16_384}
"""Nodes of a forward pass, padding included: more are not faster."""

MOST_TOKENS = {"cpu": 16_384, "cuda": 524_288}
"""Positions whose keys and values are held at a time."""

MOST_SLOTS = {"cpu": 64, "cuda": 512}

GROUP_OVERHEAD = {"cpu": 64, "cuda": 2_048}
"""Tokens whose computing costs as much as one more forward pass."""

SHARE = 0.4
"""Of the free memory, for the nodes of a pass, and again for keys and values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """See the module's docstring."""

    nodes: int
    tokens: int
    slots: int
    widths: tuple[int, ...]
    overhead: int

    def __str__(self) -> str:
        return f"nodes={self.nodes} slots={self.slots} tokens={self.tokens}"

    @property
    def shape(self) -> Shape:
        """For log-likelihoods."""
        return Shape(widths=self.widths, nodes=self.nodes, tokens=self.tokens, overhead=self.overhead)


def settle(config: Any, device: torch.device, dtype: torch.dtype, wanted: int | None) -> Budget:
    """A budget for a model whose weights are already on the device; `wanted` is the user's engine.batch_tokens."""
    kind = device.type
    nodes, tokens = MOST_NODES[kind], wanted or MOST_TOKENS[kind]
    if kind == "cuda":
        room = SHARE * torch.cuda.mem_get_info(device)[0]
        nodes = min(nodes, _power_of_two(room / bytes_of_a_node(config, dtype)))
        tokens = wanted or min(tokens, _power_of_two(room / bytes_of_a_position(config, dtype)))
    widths = tuple(sorted({min(width, nodes, tokens) for width in ROW_WIDTHS[kind]}))
    return Budget(nodes=nodes, tokens=tokens, slots=MOST_SLOTS[kind], widths=widths, overhead=GROUP_OVERHEAD[kind])


def bytes_of_a_position(config: Any, dtype: torch.dtype) -> int:
    """Keys and values of one token in all layers."""
    text = config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return int(2 * text.num_hidden_layers * heads * size * dtype.itemsize)


def bytes_of_a_node(config: Any, dtype: torch.dtype) -> int:
    """What one token takes while it goes through a layer, and its logits; generous, for any family."""
    text = config.get_text_config()
    hidden = text.hidden_size
    inner = getattr(text, "intermediate_size", None) or 4 * hidden
    return int((16 * hidden + 4 * inner + text.vocab_size) * dtype.itemsize)


def _power_of_two(value: float) -> int:
    return 1 << max(6, int(value).bit_length() - 1)
