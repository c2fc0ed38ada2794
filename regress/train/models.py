"""The base as it is trained on, and the adapter that is put on it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.pytorch_utils import Conv1D

from regress.errors import BackendError, ModelError, TrainingError
from regress.suite.train_section import TrainSection

HEAD = "lm_head"
SHOWN = 12
"""Names of modules in a refusal."""


def load_tokenizer(folder: Path) -> Any:
    """The base's tokenizer; raises ModelError."""
    try:
        return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError) as reason:
        raise ModelError(f"{folder} has no tokenizer that can be loaded: {reason}") from reason


def check_targets(folder: Path, section: TrainSection) -> None:
    """Raise TrainingError where one of `targets` matches no layer: PEFT says nothing as long as another one does.

    Looks at the architecture alone, on no memory.
    """
    if isinstance(section.targets, str):
        return
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        )
    kinds = (torch.nn.Linear, torch.nn.Embedding, Conv1D)
    layers = [name for name, module in model.named_modules() if isinstance(module, kinds)]
    if missing := [target for target in section.targets if not _matches(target, layers)]:
        known = sorted({name.rpartition(".")[2] for name in layers} - {HEAD})
        raise TrainingError(
            f"train.targets names {', '.join(missing)}, which no layer of this base is called. Layers: "
            f"{', '.join(known[:SHOWN])}; or all-linear."
        )
    if any(name.rpartition(".")[2] == HEAD for name in layers if _matches_any(section.targets, name)):
        raise TrainingError(
            f"train.targets names {HEAD}: the trainer computes the loss from its plain weight, so an adapter on it "
            "would never be trained. Take it out."
        )


def _matches(target: str, layers: Iterable[str]) -> bool:
    return any(name == target or name.endswith(f".{target}") for name in layers)


def _matches_any(targets: Iterable[str], name: str) -> bool:
    return any(_matches(target, [name]) for target in targets)


def load_base(folder: Path, section: TrainSection, device: torch.device) -> Any:
    """The base's weights on `device`: 4 bit for qlora, else bf16 on an accelerator and fp32 on a CPU.

    Raises ModelError, and BackendError where they do not fit.
    """
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    quantisation = None
    if section.method == "qlora":
        quantisation = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=section.quant,
            bnb_4bit_use_double_quant=section.double_quant,
            bnb_4bit_compute_dtype=dtype,
        )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=dtype,
            quantization_config=quantisation,
            device_map={"": str(device)},
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError, ImportError) as reason:
        raise ModelError(f"{folder} cannot be loaded as a causal LM: {' '.join(str(reason).split())[:300]}") from reason
    except torch.OutOfMemoryError as reason:
        raise BackendError(f"the base does not fit {device}; try method: qlora.") from reason
    model.config.use_cache = False
    for module in model.modules():  # see backends.resident: repacking would change the base while it is trained on
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def adapter_config(section: TrainSection) -> LoraConfig:
    """LoRA as the settled recipe says."""
    targets = section.targets if isinstance(section.targets, str) else list(section.targets)
    alpha = float(section.alpha)
    return LoraConfig(
        r=section.r,
        lora_alpha=int(alpha) if alpha.is_integer() else alpha,
        lora_dropout=float(section.dropout),
        target_modules=targets,
        use_dora=section.dora,
        use_rslora=section.rslora,
        bias="none",
        task_type="CAUSAL_LM",
    )


def trainable_in_float32(model: Any) -> int:
    """Hold what is trained in float32, as PEFT does by itself; returns how many numbers that are.

    TRL turns adapters on quantised weights into bf16, where an update smaller than 1/256 of a weight is lost: late in a
    cosine schedule nearly all are. Under autocast they are computed with in bf16 all the same.
    """
    count = 0
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
            count += parameter.numel()
    return count


def save_adapter(model: Any, folder: Path) -> None:
    """Configuration and weights alone, into a new folder; raises TrainingError for weights that are not finite."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not torch.isfinite(parameter).all():
            raise TrainingError(
                f"the training diverged: {name} holds NaN or infinity. Lower train.learning_rate, and begin anew "
                "with --again."
            )
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's model card template says nothing
