"""What a check costs as items and adapters grow: seconds and peak memory of whole processes.

    python benchmarks/cost_curve.py --items 100 1000 10000 --adapters 1 2 4 8

A small random Llama and random adapters answer made-up multiple-choice items, so that what grows is the harness's own
work as much as the model's. Time should be linear in both, memory flat in both.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import speed
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig

from regress.demo.project import MODEL

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="curve-") as name:
        folder = Path(name)
        model = write_model(folder / "model")
        adapters = [write_adapter(model, folder / f"adapter-{k}", k) for k in range(max(options.adapters))]
        print("| items | adapters | s | s for 1,000 items and adapter | peak MB |\n|--:|--:|--:|--:|--:|")
        few = options.items[len(options.items) // 2]
        for items, count in [*((items, 1) for items in options.items), *((few, count) for count in options.adapters)]:
            used = check(folder / f"project-{items}-{count}", model, adapters[:count], items)
            each = 1000 * used.seconds / items / count
            print(f"| {items:,} | {count} | {used.seconds:.1f} | {each:.2f} | {used.peak:.0f} |", flush=True)


def check(folder: Path, model: Path, adapters: list[Path], items: int) -> speed.Usage:
    tasks = [task for task in speed.made_up_tasks("choice", items) if task.name == "sentences"]
    folder.mkdir()
    project = speed.write_project(folder, model, tasks)
    lock = [sys.executable, "-m", "regress", "lock", "--project", str(project)]
    subprocess.run(lock, check=True, capture_output=True, env=speed.environment())
    command = ("-m", "regress", "check", *map(str, adapters), "--project", str(project), "--quiet")
    return speed.timed(*command, log=folder / "log", accept=speed.DECIDED)


def write_model(folder: Path) -> Path:
    config = LlamaConfig(
        vocab_size=1024,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        eos_token_id=1,
        bos_token_id=None,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(str(folder))
    for name in TOKENIZER:
        shutil.copyfile(MODEL / name, folder / name)
    return folder


def write_adapter(model: Path, folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(str(model)), config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0.0, 0.05)
    adapted.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
    return folder


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--adapters", type=int, nargs="+", default=[2, 4, 8])
    return parser.parse_args()


if __name__ == "__main__":
    main()
