"""The tensors of an adapter, checked against its configuration and its base before any of them is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from regress.backends.adapter_config import PROMPTS
from regress.errors import AdapterError
from regress.schema import Check

DTYPES = {torch.float32, torch.float16, torch.bfloat16}

Tensors = dict[str, torch.Tensor]
Shapes = Mapping[str, tuple[int, ...]]

_UNTRAINED: dict[str, tuple[tuple[str, ...], float, str]] = {
    "LORA": (("lora_B", "lora_embedding_B"), 0.0, "B matrices are zero"),
    "ADALORA": (("lora_E",), 0.0, "lists of singular values are zero"),
    "IA3": (("ia3_l",), 1.0, "scaling vectors are one"),
}
"""By peft_type: the tensors that keep an untrained adapter from changing anything, the value at which, in words."""


def read_tensors(path: Path) -> Tensors:
    """Every tensor of the file; raises AdapterError where it is damaged or holds anything but plain floats."""
    try:
        tensors: Tensors = load_file(path)
    except SafetensorError as reason:
        raise AdapterError(f"{path.name} is no intact safetensors file: {reason}. Save the adapter again.") from reason
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPES:
            raise AdapterError(
                f"{path.name}: {name} holds {tensor.dtype}; an adapter's weights are fp32, fp16 or bf16."
            )
    return tensors


def finite(tensors: Tensors) -> Check:
    """Raises AdapterError for NaN and infinity."""
    bad = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise AdapterError(f"{len(bad)} of {len(tensors)} adapter tensors hold NaN or infinity (first: {bad[0]}).")
    return Check(name="adapter-finite", ok=True, detail=f"{len(tensors)} tensors without NaN or infinity")


def trained(kind: str, tensors: Tensors) -> list[Check]:
    """Raises AdapterError where nothing was learnt; virtual tokens have no value at which they do nothing."""
    if kind not in _UNTRAINED:
        return []
    parts, value, words = _UNTRAINED[kind]
    deciding = {name: tensor for name, tensor in tensors.items() if any(part in name for part in parts)}
    neutral = [name for name, tensor in deciding.items() if bool((tensor == value).all())]
    others = [name for name in tensors if "lora_" not in name and "ia3_" not in name]
    if deciding and len(neutral) == len(deciding) and not others:
        raise AdapterError(
            f"the adapter is identical to the base: all {len(deciding)} {words}. It was never trained, or the wrong "
            "checkpoint was saved."
        )
    detail = f"{len(deciding) - len(neutral)} of {len(deciding)} {words.replace(' are ', ' are not ')}"
    return [Check(name="adapter-trained", ok=True, detail=detail)]


def check_sizes(config: Any, tensors: Tensors) -> None:
    """Refuse a rank or a number of virtual tokens that the weights do not have before memory is taken for it."""
    kind = config.peft_type.value
    if kind in PROMPTS:
        rows = sorted({tensor.shape[0] for tensor in tensors.values() if tensor.ndim})
        if rows != [config.num_virtual_tokens]:
            raise AdapterError(
                f"adapter_config.json declares {config.num_virtual_tokens} virtual tokens, the weights have {rows}."
            )
        return
    if kind not in ("LORA", "ADALORA"):
        return
    if kind == "ADALORA":
        declared = {config.init_r, *map(sum, (config.rank_pattern or {}).values())}
    else:
        declared = {config.r, *config.rank_pattern.values()}
    found = {tensor.shape[0] for name, tensor in tensors.items() if name.endswith(("lora_A.weight", "lora_A"))}
    if not found <= declared:
        raise AdapterError(f"adapter_config.json declares rank {sorted(declared)}, the weights have {sorted(found)}.")


def check_shapes(wanted: Shapes, given: Shapes) -> Check:
    """Raises AdapterError unless the names and shapes are exactly those that the configuration makes on this base."""
    if wanted == given:
        matched = f"{len(given)} of {len(given)} tensors matched a module, shapes equal"
        return Check(name="adapter-tensors", ok=True, detail=matched)
    missing, unexpected = sorted(wanted.keys() - given.keys()), sorted(given.keys() - wanted.keys())
    if missing or unexpected:
        parts = [f"{len(missing)} missing (first: {missing[0]})"] if missing else []
        parts += [f"{len(unexpected)} matching no module (first: {unexpected[0]})"] if unexpected else []
        raise AdapterError(
            f"the adapter's tensors are not those of its configuration on this base: {', '.join(parts)}. PEFT would "
            "load it with a warning and answer like the base. Is it for another base model, or were tensors renamed?"
        )
    name = next(name for name in sorted(wanted) if wanted[name] != given[name])
    raise AdapterError(
        f"the adapter is for another base model: {name} has shape {given[name]}, this base needs {wanted[name]}."
    )
