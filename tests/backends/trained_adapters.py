"""Adapters of every kind, really trained for a few steps, and full fine-tunes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from asking import some_prompts
from peft import (
    AdaLoraConfig,
    IA3Config,
    PeftConfig,
    PrefixTuningConfig,
    PromptEncoderConfig,
    PromptTuningConfig,
    get_peft_model,
)
from tiny_models import plain_model
from transformers import AutoTokenizer

STEPS = 8
TASK = "CAUSAL_LM"

KINDS: dict[str, Callable[..., PeftConfig]] = {
    "ia3": lambda **c: IA3Config(
        **{
            "target_modules": ["k_proj", "v_proj", "down_proj"],
            "feedforward_modules": ["down_proj"],
            "task_type": TASK,
            **c,
        }
    ),
    "adalora": lambda **c: AdaLoraConfig(
        **{
            "init_r": 6,
            "target_r": 3,
            "lora_alpha": 16,
            "tinit": 1,
            "tfinal": 2,
            "deltaT": 1,
            "total_step": STEPS,
            "target_modules": ["q_proj", "v_proj", "down_proj"],
            "task_type": TASK,
            **c,
        }
    ),
    "prompt": lambda **c: PromptTuningConfig(**{"num_virtual_tokens": 7, "task_type": TASK, **c}),
    "prefix": lambda **c: PrefixTuningConfig(**{"num_virtual_tokens": 5, "task_type": TASK, **c}),
    "prefix_projected": lambda **c: PrefixTuningConfig(
        **{"num_virtual_tokens": 5, "prefix_projection": True, "encoder_hidden_size": 16, "task_type": TASK, **c}
    ),
    "p_tuning": lambda **c: PromptEncoderConfig(
        **{"num_virtual_tokens": 6, "encoder_hidden_size": 32, "task_type": TASK, **c}
    ),
}
WEIGHTS = ("ia3", "adalora")
PROMPTS = ("prompt", "prefix", "prefix_projected", "p_tuning")


def train(base: Path, folder: Path, kind: str, *, rate: float = 0.05, **changes: Any) -> Path:
    """A PEFT adapter of that kind after a few real steps on a few sentences."""
    torch.manual_seed(0)
    model = get_peft_model(plain_model(base), KINDS[kind](**changes))
    _steps(model, base, rate, model.base_model.update_and_allocate if kind == "adalora" else None)
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    return folder


def fine_tune(base: Path, folder: Path, *, rate: float = 1e-3) -> Path:
    """A full fine-tune, every weight of it trained, saved as `save_pretrained` does, with its tokenizer."""
    torch.manual_seed(0)
    model = plain_model(base)
    _steps(model, base, rate, None)
    model.save_pretrained(str(folder))
    AutoTokenizer.from_pretrained(str(base)).save_pretrained(str(folder))
    return folder


def _steps(model: Any, base: Path, rate: float, after: Callable[[int], None] | None) -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(base))
    texts = [ids for text in some_prompts(24, seed=5) if len(ids := tokenizer(text)["input_ids"]) > 3]
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=rate)
    model.train()
    for step in range(STEPS):
        ids = torch.tensor([texts[step % len(texts)]])
        loss = model(input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if after is not None:
            after(step)
    model.eval()
