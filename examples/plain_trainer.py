"""A plain `Trainer` with LoRA under a lock: python examples/plain_trainer.py my-gate data.jsonl runs/plain."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
)

from regress.suite import read_project
from regress.train import RegressCallback

IGNORED = -100


def encode(row: dict[str, str], tokenizer: Any) -> dict[str, list[int]]:
    """Tokens of prompt and completion behind the chat template; the loss is on the completion and its end alone."""
    asked = [{"role": "user", "content": row["prompt"]}]
    said = [*asked, {"role": "assistant", "content": row["completion"]}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)["input_ids"]
    whole = tokenizer.apply_chat_template(said, return_dict=True)["input_ids"]
    return {"input_ids": whole, "labels": [IGNORED] * len(prompt) + whole[len(prompt) :]}


def main() -> None:
    """Train, and say what to run next."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--every", type=int, default=25)
    parser.add_argument("--items", type=int, default=64)
    given = parser.parse_args()

    base = given.project / read_project(given.project).file.base.model
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    rows = [encode(json.loads(line), tokenizer) for line in given.data.read_text().splitlines()]

    callback = RegressCallback(given.project, items=given.items, every=given.every, data=given.data)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(given.output / "checkpoints"),
            max_steps=given.steps,
            per_device_train_batch_size=8,
            learning_rate=2e-4,
            report_to="none",
            use_cpu=not torch.cuda.is_available(),
        ),
        train_dataset=rows,
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        callbacks=[callback],
    )
    callback.report_through(trainer)
    trainer.train()

    adapter = given.output / "adapter"
    if trainer.is_world_process_zero():
        model.save_pretrained(adapter)
        callback.write_record(adapter)
        print(f"next: regress check {adapter} --project {given.project}")


if __name__ == "__main__":
    main()
