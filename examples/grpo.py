"""TRL's GRPO under a lock: python examples/grpo.py my-gate prompts.jsonl runs/grpo. Rewards short replies, for show."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from regress.suite import read_project
from regress.train import RegressCallback


def shortness(completions: list[Any], **_: Any) -> list[float]:
    """1 for an empty reply, less for each character. Yours measures what your users want."""
    return [1.0 / (1 + len(said[0]["content"])) for said in completions]


def main() -> None:
    """Train, and say what to run next."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("prompts", type=Path, help='JSON Lines with "prompt"')
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--every", type=int, default=25)
    parser.add_argument("--items", type=int, default=64)
    parser.add_argument("--temperature", type=float, default=1.0)
    given = parser.parse_args()

    base = given.project / read_project(given.project).file.base.model
    model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
    asked = [json.loads(line)["prompt"] for line in given.prompts.read_text().splitlines()]
    dataset = Dataset.from_list([{"prompt": [{"role": "user", "content": text}]} for text in asked])

    callback = RegressCallback(given.project, items=given.items, every=given.every, data=given.prompts)
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=shortness,
        args=GRPOConfig(
            output_dir=str(given.output / "checkpoints"),
            max_steps=given.steps,
            per_device_train_batch_size=4,
            num_generations=4,
            max_completion_length=16,
            temperature=given.temperature,
            learning_rate=1e-5,
            report_to="none",
            use_cpu=not torch.cuda.is_available(),
            bf16=torch.cuda.is_available(),
        ),
        train_dataset=dataset,
        processing_class=AutoTokenizer.from_pretrained(base, padding_side="left"),
        peft_config=LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"),
        callbacks=[callback],
    )
    callback.report_through(trainer)
    trainer.train()

    adapter = given.output / "adapter"
    if trainer.is_world_process_zero():
        trainer.model.save_pretrained(adapter)
        callback.write_record(adapter)
        print(f"next: regress check {adapter} --project {given.project}")


if __name__ == "__main__":
    main()
