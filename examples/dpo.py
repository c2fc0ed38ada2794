"""TRL's DPO under a lock: python examples/dpo.py my-gate pairs.jsonl runs/dpo.

`regress train` does the same from `train: {objective: dpo}`; this is for those who have a script already.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

from regress.suite import read_project
from regress.train import RegressCallback


def messages(row: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    """A pair as TRL takes it with a chat template."""
    roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
    return {key: [{"role": role, "content": row[key]}] for key, role in roles.items()}


def main() -> None:
    """Train, and say what to run next."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("pairs", type=Path, help='JSON Lines with "prompt", "chosen", "rejected"')
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--every", type=int, default=25)
    parser.add_argument("--items", type=int, default=64)
    given = parser.parse_args()

    base = given.project / read_project(given.project).file.base.model
    model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
    callback = RegressCallback(given.project, items=given.items, every=given.every, data=given.pairs)
    trainer = DPOTrainer(
        model=model,
        args=DPOConfig(
            output_dir=str(given.output / "checkpoints"),
            max_steps=given.steps,
            per_device_train_batch_size=4,
            learning_rate=5e-6,
            report_to="none",
            use_cpu=not torch.cuda.is_available(),
            bf16=torch.cuda.is_available(),
        ),
        train_dataset=Dataset.from_list([messages(json.loads(line)) for line in given.pairs.read_text().splitlines()]),
        processing_class=AutoTokenizer.from_pretrained(base),
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
