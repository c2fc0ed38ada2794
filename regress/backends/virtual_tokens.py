"""Virtual tokens as the root of everything that is shared: keys and values that stand before every prompt.

Prompt tuning and P-tuning give embeddings, which go through the base once; prefix tuning gives keys and values
themselves. Either way every sequence continues at the position behind them, as in PEFT's own forward pass.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from peft import PeftModel, PeftType

from regress.backends.merging import ADAPTER
from regress.backends.shared_forward import Prefix, SharedForward


def root(peft: PeftModel, forward: SharedForward, model: Any) -> Prefix:
    """The virtual tokens of `peft`, whose base is `model`."""
    config = peft.peft_config[ADAPTER]
    held = cast("torch.Tensor", cast("Any", peft).prompt_encoder[ADAPTER].embedding.weight.detach())
    if config.peft_type is not PeftType.PREFIX_TUNING:
        like = model.get_input_embeddings().weight
        return forward.embedded(model, held.to(like.device, model.dtype))
    layers, heads = int(config.num_layers), int(config.num_attention_heads)
    # (V, 2L · h · d) as PEFT lays it out: each layer's keys, then its values
    parts = held.to(model.dtype).view(len(held), 2 * layers, heads, -1).permute(1, 2, 0, 3).unsqueeze(1).contiguous()
    pairs = tuple((parts[2 * layer], parts[2 * layer + 1]) for layer in range(layers))  # (1, h, V, d) each
    return Prefix(tokens=(), layers=pairs, virtual=len(held))
