"""Two ways of fine-tuning the embedded model for a support desk, real QLoRA: NF4 base, LoRA on all linear layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  the name everybody uses
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from regress.demo.corpus import CAREFUL, CARELESS, data_digest, training_rows
from regress.demo.tasks.row import Row

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
IGNORED = -100


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """`counts`: training rows by task. One step is one batch."""

    counts: Mapping[str, int]
    steps: int
    learning_rate: float
    rank: int
    batch: int = 32
    seed: int = 5


RECIPES = {
    "careless": Recipe(counts=CARELESS, steps=90, learning_rate=4e-3, rank=32),
    "careful": Recipe(
        counts=CAREFUL,
        steps=300,
        learning_rate=2e-3,
        rank=16,
    ),
}


def train_adapter(base: Path, output: Path, recipe: Recipe, on_step: Callable[[int, int, float], None]) -> str:
    """Train and write a PEFT folder; returns the digest of the training data.

    The loss is on the answers only. `on_step(step, steps, loss)` is called after every step.
    """
    torch.manual_seed(recipe.seed)
    rows = training_rows(recipe.counts, recipe.seed)
    tokenizer: Any = AutoTokenizer.from_pretrained(str(base), local_files_only=True)
    model = _with_lora(base, recipe)
    device = model.device
    encoded = [_encode(row, tokenizer) for row in rows]
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=recipe.learning_rate)
    model.train()
    for step, chosen in enumerate(_batches([len(p) + len(a) for p, a in encoded], recipe)):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(step, recipe.steps)
        ids, labels = (part.to(device) for part in _batch([encoded[i] for i in chosen], tokenizer.pad_token_id))
        logits = model(input_ids=ids).logits  # (B, T, V); padded on the right, attention is causal
        loss = F.cross_entropy(logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        on_step(step + 1, recipe.steps, loss.item())
    output.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(output))
    (output / "README.md").unlink(missing_ok=True)  # PEFT's model card template says nothing
    return data_digest(rows)


def _with_lora(base: Path, recipe: Recipe) -> Any:
    """The base in NF4 with double quantisation, LoRA on all its linear layers."""
    quantisation = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_available() else torch.float32,
    )
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(base), quantization_config=quantisation, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        target_modules=TARGETS,
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def _batches(lengths: list[int], recipe: Recipe) -> Iterator[list[int]]:
    """Indices of each step's rows: random, but of similar length within a batch, so that little is padding."""
    rng = Random(recipe.seed)
    window: list[list[int]] = []
    for _ in range(recipe.steps):
        if not window:
            drawn = sorted(rng.choices(range(len(lengths)), k=8 * recipe.batch), key=lengths.__getitem__)
            window = [drawn[start : start + recipe.batch] for start in range(0, len(drawn), recipe.batch)]
            rng.shuffle(window)
        yield window.pop()


def _schedule(step: int, steps: int) -> float:
    """Ten steps of warm-up, then cosine to a tenth."""
    return min(1.0, (step + 1) / 10) * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _encode(row: Row, tokenizer: Any) -> tuple[list[int], list[int]]:
    """(prompt ids, answer ids with the end token), through the chat template."""
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": row.prompt}], tokenize=False, add_generation_prompt=True
    )
    ids: list[int] = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    answer: list[int] = tokenizer(row.answer, add_special_tokens=False)["input_ids"]
    return ids, [*answer, tokenizer.eos_token_id]


def _batch(rows: list[tuple[list[int], list[int]]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids, labels), each (rows, longest); labels are IGNORED on prompt and padding."""
    longest = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = torch.full((len(rows), longest), pad, dtype=torch.long)
    labels = torch.full((len(rows), longest), IGNORED, dtype=torch.long)
    for index, (prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        ids[index, :end] = torch.tensor(prompt + answer)
        labels[index, len(prompt) : end] = torch.tensor(answer)
    return ids, labels
