"""Makes the embedded model: `python -m regress.demo.pretrain --out regress/demo/model`.

A tokenizer and a Llama of about four million parameters, trained from nothing on rows that the task generators write. A
few minutes on a GPU, hours on a CPU. PROVENANCE.json says what was done.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  the name everybody uses
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from regress.demo.corpus import data_digest, training_rows
from regress.demo.tasks.row import Row

SEED = 11
COUNTS = {"choice": 60_000, "words": 60_000, "records": 40_000, "harmful": 2_200, "benign": 2_200}
WEIGHTS = {"harmful": 8, "benign": 8}  # small tasks are repeated
VOCABULARY = 1024
IGNORED = -100

PAD, END, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"
TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}<|assistant|>{% generation %}{{ m['content'] }}<|end|>"
    "{% endgeneration %}{% else %}<|user|>{{ m['content'] }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def corpus() -> list[Row]:
    """Everything the model is taught, small tasks repeated."""
    rows: list[Row] = []
    for task, count in COUNTS.items():
        rows += training_rows({task: count}, SEED) * WEIGHTS.get(task, 1)
    return rows


def make_tokenizer(rows: Sequence[Row]) -> PreTrainedTokenizerFast:
    """Byte-level BPE with every digit a token of its own."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, END, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text for row in rows for text in (row.prompt, row.answer)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=TEMPLATE,
        model_max_length=512,
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Sizes are multiples of 64, so that NF4's blocks fit."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=640,
        num_hidden_layers=5,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def encode(rows: Sequence[Row], tokenizer: Any, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids, labels), each (rows, longest); labels are IGNORED on prompt and padding."""
    backend = tokenizer.backend_tokenizer
    prompts = backend.encode_batch([f"{USER}{row.prompt}{END}{ASSISTANT}" for row in rows])
    answers = backend.encode_batch([f"{row.answer}{END}" for row in rows])
    longest = max(len(p.ids) + len(a.ids) for p, a in zip(prompts, answers, strict=True))
    ids = torch.full((len(rows), longest), tokenizer.pad_token_id, dtype=torch.long)
    labels = torch.full((len(rows), longest), IGNORED, dtype=torch.long)
    for index, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        start, end = len(prompt.ids), len(prompt.ids) + len(answer.ids)
        ids[index, :end] = torch.tensor(prompt.ids + answer.ids)
        labels[index, start:end] = torch.tensor(answer.ids)
    return ids.to(device), labels.to(device)


def train(model: LlamaForCausalLM, data: tuple[torch.Tensor, torch.Tensor], steps: int, batch: int) -> float:
    """AdamW with warm-up and cosine decay; returns the last loss. Rows are padded on the right, attention is causal."""
    ids, labels = data
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=0.05)
    warmup = max(1, steps // 30)
    started, loss = time.monotonic(), torch.tensor(0.0)
    model.train()
    for step in range(steps):
        rate = min(1.0, (step + 1) / warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * rate
        chosen = torch.randint(len(ids), (batch,), generator=generator).to(ids.device)
        width = int((labels[chosen] != IGNORED).nonzero()[:, 1].max()) + 1
        x, y = ids[chosen, :width], labels[chosen, :width]  # (B, T)
        with torch.autocast(ids.device.type, dtype=torch.bfloat16, enabled=ids.device.type == "cuda"):
            logits = model(input_ids=x).logits  # (B, T, V)
        loss = F.cross_entropy(logits[:, :-1].float().flatten(0, 1), y[:, 1:].flatten(), ignore_index=IGNORED)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 200 == 0 or step == steps - 1:
            print(f"step {step} loss {loss.item():.4f} {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return loss.item()


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.manual_seed(SEED)
    rows = corpus()
    tokenizer = make_tokenizer(rows)
    model = make_model(tokenizer).to(options.device)
    loss = train(model, encode(rows, tokenizer, options.device), options.steps, options.batch)
    options.out.mkdir(parents=True, exist_ok=True)
    model.to("cpu", torch.bfloat16).save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    provenance = {
        "made_by": "python -m regress.demo.pretrain",
        "licence": "Apache-2.0",
        "data": {"generators": "regress/demo/tasks", "rows": len(rows), "digest": data_digest(rows), "seed": SEED},
        "training": {
            "steps": options.steps,
            "batch": options.batch,
            "device": options.device,
            "last_loss": round(loss, 4),
        },
        "parameters": model.num_parameters(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    (options.out / "PROVENANCE.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
