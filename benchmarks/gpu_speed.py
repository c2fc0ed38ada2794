"""The engine on a GPU: log-likelihoods against lm-eval's `hf` model and against the machine's limit, and replies.

    python benchmarks/gpu_speed.py --prefix 640 1200 --items 400

A Llama of random weights in bf16 (1B-class shapes unless told otherwise) answers multiple-choice items behind the same
few-shot examples. Both sides hold the same weights in the same process and are asked the same texts; what is timed is
one variant's answers, planning and tokenising included, once everything is warm (`first` is the first time). lm-eval
runs at several batch sizes; the best one counts. Texts are tokenised and packed once for all variants. Without lm-eval
that column is left out.

The limit is the time that the arithmetic alone would take at the machine's measured matrix rate: 2·body·U for U
distinct tokens, attention, 2·H·V·N for N distinct positions whose logits are needed. For replies it is what reading the
weights and the keys and values of every slot takes at the measured memory rate.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import torch

from regress.backends.hf import HFEngine, resolve_device
from regress.demo.project import MODEL
from regress.schema import (
    Ask,
    Category,
    GenerationSettings,
    Item,
    Message,
    Precision,
    PromptStyle,
    Reply,
    Role,
    ScorerSpec,
    Suite,
)

WORDS = [
    "river",
    "stone",
    "paper",
    "seven",
    "quick",
    "letter",
    "mirror",
    "apple",
    "under",
    "many",
    "blue",
    "day",
    "cat",
    "reads",
    "hill",
    "farmer",
    "engine",
]


def main() -> None:
    options = arguments()
    device = resolve_device("cuda")
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), options)
        engine = HFEngine(Path(folder), Precision.BF16, device, None)
        rates = measured_rates(device)
        print(
            f"\n{torch.cuda.get_device_name()}, torch {torch.__version__}: {rates[0] / 1e12:.0f} TFLOP/s bf16, ", end=""
        )
        print(f"{rates[1] / 1e12:.2f} TB/s; {engine.batch_policy}\n")
        for prefix in options.prefix:
            choices(engine, choice_suite(engine, prefix, options.items), rates, options)
        for prefix in options.prefix[:1]:
            replies(engine, text_suite(engine, prefix, options.items, options.new_tokens), rates)


def choices(engine: HFEngine, suite: Suite, rates: tuple[float, float], options: argparse.Namespace) -> None:
    first, _ = timed(lambda: ours(engine, suite))
    seconds, found = best(lambda: ours(engine, suite), 3)
    render, requests = timed(lambda: engine.render(suite))
    answers, _ = best(lambda: asked(engine, suite, requests), 3)
    batches = engine.batches(suite, requests)
    unique = sum(len(row.tokens) for batch in batches for row in batch.plan.rows)
    kept = sum(len(set(row.nodes.tolist())) for batch in batches for row in batch.plan.rows)
    prefix = len(batches[0].plan.prefix)
    limit = prefill_limit(engine, unique + prefix, kept, prefix, rates[0])
    print(f"choices, prefix {prefix}, {len(suite.items)} items, {unique:,} distinct tokens behind it")
    print(f"  ours: {seconds:.3f} s (first {first:.3f}); tokenising {render:.3f}; answering alone {answers:.3f} s")
    print(f"  limit {limit:.3f} s: answering reaches {limit / answers:.0%}, all of it {limit / seconds:.0%}")
    once, each = seconds - answers, answers
    for size in options.batch_sizes:
        theirs(engine, suite, found, size, (once, each))
    print(flush=True)


def theirs(engine: HFEngine, suite: Suite, found: dict[int, Reply], size: int, seconds: tuple[float, float]) -> None:
    try:
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
    except ImportError as reason:
        print(f"  lm-eval is not installed ({reason})")
        return
    model = HFLM(
        pretrained=engine.resident.model, tokenizer=engine._renderer.tokenizer, batch_size=size, max_batch_size=size
    )
    pairs = [(item.prompt, choice) for item in suite.items for choice in item.choices]
    asked_for = [
        Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=k, metadata=("t", k, 1))
        for k, pair in enumerate(pairs)
    ]
    try:
        elapsed, answers = timed(lambda: model.loglikelihood(asked_for, disable_tqdm=True))
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        print(f"  lm-eval, batch {size}: out of memory")
        return
    values = [value for place in range(len(suite.items)) for value in found[place].logprobs]
    gaps = sorted(abs(a - b) for (a, _), b in zip(answers, values, strict=True))
    picked = same = 0
    for place, item in enumerate(suite.items):
        own = [answers[place * len(item.choices) + k][0] for k in range(len(item.choices))]
        picked += 1
        same += own.index(max(own)) == found[place].logprobs.index(max(found[place].logprobs))
    print(
        f"  lm-eval, batch {size}: {elapsed:.2f} s = {elapsed / seconds[1]:.1f} times our answering, "
        f"{elapsed / sum(seconds):.1f} times all of it, {3 * elapsed / (seconds[0] + 3 * seconds[1]):.1f} times with "
        f"three variants; log-likelihoods differ by "
        f"{gaps[len(gaps) // 2]:.3f} (median), {gaps[-1]:.3f} (largest) nats, {same} of {picked} choices equal",
        flush=True,
    )


def replies(engine: HFEngine, suite: Suite, rates: tuple[float, float]) -> None:
    first, _ = timed(lambda: ours(engine, suite))
    seconds, found = best(lambda: ours(engine, suite), 2)
    written = sum(reply.reply_tokens for reply in found.values())
    batches = engine.batches(suite, engine.render(suite))
    slots, prefix = batches[0].plan.slots, len(batches[0].plan.prefix)
    own = sum(reply.prompt_tokens - prefix + reply.reply_tokens / 2 for reply in found.values()) / len(found)
    steps = written / min(slots, len(found))
    tails = sum(reply.prompt_tokens - prefix for reply in found.values()) + prefix
    limit = prefill_limit(engine, tails, len(found), prefix, rates[0])
    limit += steps * decode_limit(engine, min(slots, len(found)), own, prefix, rates)
    print(f"replies, prefix {prefix}, {len(found)} items, {written:,} tokens written in {slots} slots")
    print(f"  ours: {seconds:.3f} s (first {first:.3f}), {written / seconds:,.0f} tokens/s; ", end="")
    print(f"limit {limit:.3f} s: {limit / seconds:.0%}", flush=True)
    prompts = [list(request.prompt) for request in engine.render(suite)]
    for name, peer in (
        ("transformers' generate_batch", continuous),
        ("transformers' generate, batches of 128", static),
    ):
        try:
            peer(engine, prompts[:16], 8)
            elapsed, _ = timed(lambda peer=peer: peer(engine, prompts, suite.generation.max_new_tokens))  # type: ignore[misc]
            print(f"  {name}: {elapsed:.2f} s = {elapsed / seconds:.1f} times ours", flush=True)
        except Exception as reason:  # noqa: BLE001  a peer that does not run here is a finding, not our failure
            print(f"  {name}: {type(reason).__name__}: {str(reason)[:200]}", flush=True)


def continuous(engine: HFEngine, prompts: list[list[int]], new_tokens: int) -> None:
    from transformers import GenerationConfig

    settings = GenerationConfig(max_new_tokens=new_tokens, do_sample=False, eos_token_id=1, pad_token_id=0)
    engine.resident.model.generate_batch(inputs=prompts, generation_config=settings)


def static(engine: HFEngine, prompts: list[list[int]], new_tokens: int) -> None:
    """As lm-eval's `hf` model generates: batches padded on the left."""
    for start in range(0, len(prompts), 128):
        part = prompts[start : start + 128]
        width = max(map(len, part))
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in part], device="cuda")
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in part], device="cuda")
        engine.resident.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=new_tokens,
            do_sample=False,
            eos_token_id=1,
            pad_token_id=0,
        )


# --- what the machine could do ---------------------------------------------------------------------------------------


def measured_rates(device: torch.device) -> tuple[float, float]:
    """(FLOP/s of a bf16 matrix product, bytes/s of a copy, read and written)"""
    one = torch.randn(8192, 8192, device=device, dtype=torch.bfloat16)
    flops = 2 * 8192**3 / best(lambda: one @ one, 10)[0]
    source = torch.empty(2**31, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return flops, 2 * 2**31 / best(lambda: target.copy_(source), 10)[0]


def parameters(engine: HFEngine) -> tuple[int, int]:
    """(in the layers, in the head)"""
    config = engine.resident.config
    head = config.hidden_size * config.vocab_size
    total = sum(p.numel() for p in engine.resident.model.parameters())
    return total - head * (1 if config.tie_word_embeddings else 2), head


def prefill_limit(engine: HFEngine, unique: int, kept: int, prefix: int, flops: float) -> float:
    body, head = parameters(engine)
    config = engine.resident.config
    attention = 4 * config.num_hidden_layers * config.hidden_size * unique * prefix
    return float((2 * body * unique + attention + 2 * head * kept) / flops)


def decode_limit(engine: HFEngine, slots: int, own: float, prefix: int, rates: tuple[float, float]) -> float:
    body, head = parameters(engine)
    config = engine.resident.config
    size = config.hidden_size // config.num_attention_heads
    kept = 2 * 2 * config.num_key_value_heads * size * config.num_hidden_layers  # bytes a position
    read = 2 * (body + head) + slots * own * kept + prefix * kept
    return float(max(read / rates[1], 2 * (body + head) * slots / rates[0]))


# --- what is asked ----------------------------------------------------------------------------------------------------


def ours(engine: HFEngine, suite: Suite) -> dict[int, Reply]:
    engine._plans.clear()
    return asked(engine, suite, engine.render(suite))


def asked(engine: HFEngine, suite: Suite, requests: Sequence[Any]) -> dict[int, Reply]:
    engine._forget()
    return dict(pair for ready in engine.answers(suite, engine.batches(suite, requests)) for pair in ready)


def shots(engine: HFEngine, tokens: int) -> str:
    """Some text of about so many tokens."""
    rng = random.Random(tokens)
    text = ""
    while len(engine._renderer.tokenizer(text)["input_ids"]) < tokens:
        text += " ".join(rng.choices(WORDS, k=24)) + ".\n"
    return text


def choice_suite(engine: HFEngine, prefix: int, count: int) -> Suite:
    rng = random.Random(1)
    shown = shots(engine, prefix)
    items = tuple(
        an_item(
            k,
            shown + "Question: " + " ".join(rng.choices(WORDS, k=28)) + "\nAnswer:",
            choices=tuple(" " + " ".join(rng.choices(WORDS, k=5)) + f" {c}" for c in "abcd"),
            answer=rng.randrange(4),
        )
        for k in range(count)
    )
    return a_suite("choices", Ask.CHOOSE, items)


def text_suite(engine: HFEngine, prefix: int, count: int, new_tokens: int) -> Suite:
    rng = random.Random(2)
    shown = shots(engine, prefix)
    items = tuple(
        an_item(k, shown + "Question: " + " ".join(rng.choices(WORDS, k=28)) + "\nAnswer:") for k in range(count)
    )
    settings = GenerationSettings(max_new_tokens=new_tokens, stop=("never written",))
    return replace(a_suite("replies", Ask.GENERATE, items), generation=settings)


def an_item(number: int, prompt: str, **fields: Any) -> Item:
    message = Message(role="user", content=prompt)
    return Item(id=str(number), messages=(message,), digest=f"sha256:{number:064x}", line=number + 1, **fields)


def a_suite(name: str, ask: Ask, items: tuple[Item, ...]) -> Suite:
    return Suite(
        name=name,
        version=1,
        category=Category.CAPABILITY,
        role=Role.PROTECT,
        ask=ask,
        prompt=PromptStyle.RAW,
        generation=GenerationSettings(),
        scorer=ScorerSpec(name="choice" if ask is Ask.CHOOSE else "exact_match"),
        margin=Decimal("0.01"),
        items=items,
        path="",
        items_path="",
    )


def write_model(folder: Path, options: argparse.Namespace) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=options.vocabulary,
        hidden_size=options.hidden,
        intermediate_size=4 * options.hidden,
        num_hidden_layers=options.layers,
        num_attention_heads=options.hidden // 64,
        num_key_value_heads=max(1, options.hidden // 256),
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        eos_token_id=1,
        bos_token_id=None,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    with torch.device("cuda"):
        model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(str(folder))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(MODEL / name, folder / name)


# --- clocks -----------------------------------------------------------------------------------------------------------


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    torch.cuda.synchronize()
    started = time.perf_counter()
    result = call()
    torch.cuda.synchronize()
    return time.perf_counter() - started, result


def best(call: Callable[[], Any], times: int) -> tuple[float, Any]:
    return min((timed(call) for _ in range(times)), key=lambda found: found[0])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", type=int, nargs="+", default=[640, 1200])
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[16, 64])
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--vocabulary", type=int, default=128_256)
    return parser.parse_args()


if __name__ == "__main__":
    main()
