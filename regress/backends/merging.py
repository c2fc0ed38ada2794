"""What an attached adapter makes of its base's weights, computed in float32 from the base's own tensors.

LoRA and AdaLoRA add, DoRA renormalises as well, IA3 multiplies, the bias included where it scales what comes out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from peft import PeftModel
from peft.tuners.adalora import AdaLoraLayer
from peft.tuners.ia3 import IA3Layer
from peft.tuners.lora import LoraLayer

ADAPTER = "candidate"
"""What the attached adapter is called inside PEFT."""


def adapted_layers(peft: PeftModel) -> Iterator[tuple[str, Any]]:
    """(name in the base model, PEFT layer); none where the adapter is virtual tokens."""
    inner = cast("Any", peft).base_model
    for name, module in (inner.model if hasattr(inner, "model") else inner).named_modules():
        if isinstance(module, (LoraLayer, IA3Layer)):  # AdaLoRA's layers are LoRA's
            yield name, module


def merged_parts(layer: Any) -> tuple[str, ...]:
    """Which tensors of the base layer merging changes."""
    scales_output = isinstance(layer, IA3Layer) and not layer.is_feedforward
    return ("weight", "bias") if scales_output and layer.get_base_layer().bias is not None else ("weight",)


def merged(layer: Any, part: str, tensor: torch.Tensor) -> torch.Tensor:
    """`tensor` is the base's, float32, in the layer's own orientation; so is what comes back."""
    if not isinstance(layer, IA3Layer):
        return _added(layer, tensor)
    scale: torch.Tensor = layer.ia3_l[ADAPTER].detach().float()
    if part == "bias":
        return tensor * scale.reshape(tensor.shape)
    return tensor * (scale.T if _transposed(layer) else scale)


def _added(layer: Any, weight: torch.Tensor) -> torch.Tensor:
    """W + ΔW, for DoRA renormalised: m·(W + ΔW) / ‖W + ΔW‖ (Liu et al. 2024, arXiv 2402.09353).

    Rows are outputs except where the base is a Conv1D.
    """
    change: torch.Tensor = (
        _singular(layer) if isinstance(layer, AdaLoraLayer) else layer.get_delta_weight(ADAPTER).detach().float()
    )
    summed = weight + change
    if layer.use_dora.get(ADAPTER, False):
        rows = summed.T if _transposed(layer) else summed
        magnitude = layer.lora_magnitude_vector[ADAPTER].weight.float()
        rows = rows * (magnitude / rows.norm(p=2, dim=1)).unsqueeze(1)
        summed = rows.T if _transposed(layer) else rows
    return summed


def _singular(layer: Any) -> torch.Tensor:
    """AdaLoRA's ΔW = B diag(E) A · scaling / rank (Zhang et al. 2023, arXiv 2303.10512), rank as PEFT divides by it.

    Written out because PEFT has it for none but unquantised layers.
    """
    a, b, e, rank = (
        part[ADAPTER].detach().float() for part in (layer.lora_A, layer.lora_B, layer.lora_E, layer.ranknum)
    )
    change = b @ (a * e) * (layer.scaling[ADAPTER] / (rank + 1e-5))
    return cast("torch.Tensor", change.T if _transposed(layer) else change)


def _transposed(layer: Any) -> bool:
    """Whether weights are stored as (in, out), as Conv1D does; PEFT's quantised layers don't say."""
    return bool(getattr(layer, "fan_in_fan_out", False))
