"""Small models and real PEFT adapters for tests: the embedded model, random ones of other families, both adapted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from regress.backends.hf import HFEngine
from regress.demo.project import MODEL
from regress.schema import Precision

torch.set_num_threads(1)

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
VOCABULARY = 1024
END = 1  # <|end|> of the embedded tokenizer
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A random model of one architecture. Weights are large enough for every position and token to matter."""

    type: str
    config: Mapping[str, Any]
    modules: tuple[str, ...]  # what a LoRA adapter targets

    def __str__(self) -> str:
        return self.type


_LLAMA_LIKE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.15,
}
_GPT2_LIKE = {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 256, "initializer_range": 0.15}
_NEOX_LIKE = {key: value for key, value in _LLAMA_LIKE.items() if key != "num_key_value_heads"}
_GEMMA_LIKE = {**_LLAMA_LIKE, "head_dim": 16, "sliding_window": 8, "query_pre_attn_scalar": 16}

FAMILIES = (
    Family(type="llama", config=_LLAMA_LIKE, modules=("q_proj", "v_proj", "down_proj")),
    Family(type="qwen2", config=_LLAMA_LIKE, modules=("q_proj", "k_proj", "up_proj")),
    # A window of 8 positions, far below the prompts' lengths, so that it cuts prompts and their padding.
    Family(type="mistral", config={**_LLAMA_LIKE, "sliding_window": 8}, modules=("q_proj", "o_proj", "gate_proj")),
    Family(
        type="gemma2",
        config={**_GEMMA_LIKE, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 10.0},
        modules=("q_proj", "v_proj", "down_proj"),
    ),
    Family(type="gemma3_text", config=_GEMMA_LIKE, modules=("q_proj", "v_proj", "down_proj")),
    Family(type="gpt2", config=_GPT2_LIKE, modules=("c_attn", "c_proj")),  # Conv1D: weights stored as (in, out)
    Family(type="gpt_neox", config=_NEOX_LIKE, modules=("query_key_value", "dense_h_to_4h")),
    Family(type="phi", config={**_LLAMA_LIKE, "partial_rotary_factor": 0.5}, modules=("q_proj", "dense", "fc1")),
)
LLAMA, GPT2 = FAMILIES[0], FAMILIES[5]


def random_model(family: Family, folder: Path, seed: int = 0, **changes: Any) -> Path:
    """A model of `family` with random weights, saved with the embedded tokenizer."""
    torch.manual_seed(seed)
    fields = {**family.config, **changes}
    config = AutoConfig.for_model(
        family.type, vocab_size=VOCABULARY, eos_token_id=END, bos_token_id=None, pad_token_id=0, **fields
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.eval().save_pretrained(str(folder))
    for name in TOKENIZER_FILES:
        shutil.copyfile(MODEL / name, folder / name)
    return folder


def plain_model(folder: Path) -> Any:
    """The model as transformers alone loads it, in float32."""
    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32, local_files_only=True)
    return model.eval()


def make_adapter(base: Path, folder: Path, *, scale: float, seed: int = 0, **lora: Any) -> Path:
    """A PEFT adapter whose B (and any fully trained copy) holds noise of `scale`; scale 0 leaves it untrained."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj", "v_proj", "down_proj"],
        "task_type": "CAUSAL_LM",
        **lora,
    }
    model = get_peft_model(plain_model(base), LoraConfig(**settings))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name or "lora_embedding_B" in name:
                parameter.normal_(0.0, scale)
            elif "modules_to_save" in name:
                parameter.add_(torch.randn_like(parameter), alpha=scale)
            elif "lora_magnitude_vector" in name:
                parameter.mul_(1.0 + scale * torch.rand_like(parameter))
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    return folder


def adapter_tensors(folder: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_file(folder / "adapter_model.safetensors")
    return tensors


def write_tensors(folder: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    save_file(dict(tensors), folder / "adapter_model.safetensors", metadata={"format": "pt"})


def engine(folder: Path, precision: Precision = Precision.FP32, batch_tokens: int | None = None) -> HFEngine:
    return HFEngine(folder, precision, CPU, batch_tokens)
