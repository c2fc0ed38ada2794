"""Peak memory of base, adapter and merged model in one process, against one base alone.

    python benchmarks/memory.py [--dtype fp32|bf16] [--json]

A random Llama of 57 million parameters is written to a temporary folder with an adapter on all its linear layers. A
fresh process then answers the same requests as base, as adapter and as merged model, and says after each the most
memory that it has held so far (VmHWM, with the pages mapped from the checkpoint), less what it held before loading.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig

from regress.backends.hf import HFEngine
from regress.backends.protocol import Request
from regress.demo.project import MODEL
from regress.schema import Precision, Variant, VariantKind

ROOT = Path(__file__).resolve().parent.parent
SHAPE = {
    "hidden_size": 768,
    "intermediate_size": 2048,
    "num_hidden_layers": 8,
    "num_attention_heads": 12,
    "num_key_value_heads": 12,
    "vocab_size": 1024,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--answer", nargs=2, metavar=("BASE", "ADAPTER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        print(json.dumps(answer(Path(options.answer[0]), Path(options.answer[1]), options.dtype)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        base, adapter = Path(folder) / "base", Path(folder) / "adapter"
        weights = make(base, adapter)
        figures = in_a_fresh_process(base, adapter, options.dtype)
    figures = {"weights": weights if options.dtype == "fp32" else weights // 2, **figures}
    figures["ratio"] = round(figures["merged"] / figures["base"], 3)
    if options.json:
        print(json.dumps(figures))
        return 0
    for name in ("weights", "loaded", "base", "adapter", "merged"):
        print(f"{name:<8} {figures[name] / 2**20:8.0f} MiB")
    print(f"three variants hold {figures['ratio']} times what the base alone does while it answers")
    return 0


def make(base: Path, adapter: Path) -> int:
    """Write model and adapter; returns the bytes of the weights in float32."""
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_config(LlamaConfig(**SHAPE), dtype=torch.float32)
    model.save_pretrained(str(base))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(MODEL / name, base / name)
    size: int = sum(parameter.numel() for parameter in model.parameters()) * 4
    peft: Any = get_peft_model(model, LoraConfig(r=16, target_modules=TARGETS, task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in peft.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0.0, 0.02)
    peft.save_pretrained(str(adapter))
    return size


def in_a_fresh_process(base: Path, adapter: Path, dtype: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--dtype", dtype, "--answer", str(base), str(adapter)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(finished.stdout)
    return figures


def answer(base: Path, adapter: Path, dtype: str) -> dict[str, int]:
    """Peaks in bytes above what the imports hold: after loading, and after each variant has answered."""
    requests = [
        Request(item=f"q{n}", prompt=tuple(2 + (n * 31 + k * 7) % 1000 for k in range(64)), choices=(), digest="")
        for n in range(8)
    ]
    before = memory("VmRSS")
    peaks: dict[str, int] = {}
    engine = HFEngine(base, Precision(dtype), torch.device("cpu"), None)
    peaks["loaded"] = memory("VmHWM") - before
    engine.fingerprint(requests)
    peaks["base"] = memory("VmHWM") - before
    engine.attach(str(adapter))
    for kind in (VariantKind.ADAPTER, VariantKind.MERGED):
        engine.use(Variant(kind=kind))
        engine.fingerprint(requests)
        peaks[kind.value] = memory("VmHWM") - before
    engine.use(Variant(kind=VariantKind.BASE))
    return peaks


def memory(field: str) -> int:
    """VmRSS (now) or VmHWM (the most so far) of this process, in bytes."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


if __name__ == "__main__":
    sys.exit(main())
