"""One worker against several on one machine: seconds, ratio, and whether every reply is the same.

    python benchmarks/two_gpus.py [--workers 1 2] [--hidden 2048 --layers 16 ...] [--device cpu] [--json]

A random Llama is written to a temporary folder with the demo's tokenizer (a larger --vocabulary only makes the output
layer larger). Each number of workers loads it in processes of its own, answers a suite of choices behind a few-shot
prefix and a suite of texts twice, and the faster time of each counts. Needs neither a network nor lm-eval; the same
program shows on a CPU (`--device cpu --hidden 64 --layers 2`) that the replies do not depend on the workers.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from regress.backends.protocol import Engine, release
from regress.backends.quiet import quiet_libraries
from regress.demo.project import MODEL
from regress.run.engines import load_engine
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

WORDS = ("the", "day", "cat", "river", "seven", "blue", "paper", "reads", "under", "many", "apple", "stone", "quick")


def main() -> int:
    options = parsed()
    quiet_libraries()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        base = make(Path(folder), options)
        suites = [choices(options), texts(options)]
        for workers in options.workers:
            found.append(measured(base, suites, workers, options))
            if not options.json:
                show(found[-1], found[0])
    replies = [one.pop("replies") for one in found]
    equal = all(one == replies[0] for one in replies)
    if options.json:
        print(json.dumps({"options": vars(options), "runs": found, "equal": equal}))
    else:
        different = sum(a != b for other in replies for a, b in zip(other, replies[0], strict=True))
        print(f"all replies are equal: {'yes' if equal else f'NO, {different} differ'}")
    return 0 if equal else 1


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--dtype", choices=[p.value for p in Precision], default="auto")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=2, help="the faster one counts")
    parser.add_argument("--batch-tokens", type=int, help="as engine.batch_tokens")
    sizes = {"hidden": 2048, "intermediate": 8192, "layers": 16, "heads": 32, "kv-heads": 8, "vocabulary": 32_000}
    asked = {"choose-items": 4000, "choices": 4, "shots": 5, "question-words": 40, "text-items": 4096, "new-tokens": 64}
    for name, value in (sizes | asked).items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def make(folder: Path, options: argparse.Namespace) -> Path:
    """A random Llama with the demo's tokenizer."""
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=options.hidden,
        intermediate_size=options.intermediate,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        num_key_value_heads=options.kv_heads,
        vocab_size=options.vocabulary,
        max_position_embeddings=8192,
        eos_token_id=1,
        pad_token_id=0,
    )
    model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(str(folder / "base"))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(MODEL / name, folder / "base" / name)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:,.0f} million parameters", file=sys.stderr)
    return folder / "base"


def choices(options: argparse.Namespace) -> Suite:
    rng = random.Random(1)
    shots = "\n\n".join(
        f"{sentence(rng, options.question_words)}\nAnswer: {sentence(rng, 4)}" for _ in range(options.shots)
    )
    items = tuple(
        item(
            number,
            f"{shots}\n\n{sentence(rng, options.question_words)}\nAnswer:",
            tuple(f" {sentence(rng, rng.randint(2, 8))} {k}" for k in range(options.choices)),
        )
        for number in range(options.choose_items)
    )
    return suite("choices", Ask.CHOOSE, items, GenerationSettings(max_new_tokens=1, stop=()))


def texts(options: argparse.Namespace) -> Suite:
    rng = random.Random(2)
    lengths = [rng.randint(5, 2 * options.question_words) for _ in range(options.text_items)]
    items = tuple(item(number, sentence(rng, words)) for number, words in enumerate(lengths))
    return suite("texts", Ask.GENERATE, items, GenerationSettings(max_new_tokens=options.new_tokens, stop=()))


def sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words))


def item(number: int, prompt: str, choices: tuple[str, ...] = ()) -> Item:
    return Item(
        id=f"q{number}",
        messages=(Message(role="user", content=prompt),),
        choices=choices,
        answer=0 if choices else None,
        digest=f"sha256:{number:064x}",
        line=number + 1,
    )


def suite(name: str, ask: Ask, items: tuple[Item, ...], generation: GenerationSettings) -> Suite:
    return Suite(
        name=name,
        version=1,
        category=Category.CAPABILITY,
        role=Role.INFORM,
        ask=ask,
        prompt=PromptStyle.RAW,
        generation=generation,
        scorer=ScorerSpec(name="choice" if ask is Ask.CHOOSE else "exact_match"),
        margin=None,
        items=items,
        path=f"{name}.yaml",
        items_path=f"{name}.jsonl",
    )


def measured(base: Path, suites: list[Suite], workers: int, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds to load, and to answer each suite; all replies in order."""
    began = time.perf_counter()
    engine = load_engine(base, Precision(options.dtype), options.device, options.batch_tokens, workers=workers)
    figures: dict[str, Any] = {"workers": workers, "device": engine.device, "policy": engine.batch_policy}
    figures["load"] = time.perf_counter() - began
    replies: list[Reply] = []
    try:
        for one in suites:
            seconds, batches, given = answered(engine, one, options.rounds)
            figures[one.name] = seconds
            figures[f"{one.name}_batches"] = batches
            replies += given
    finally:
        release(engine)
    del engine
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return figures | {"replies": replies}


def answered(engine: Engine, suite: Suite, rounds: int) -> tuple[float, int, list[Reply]]:
    requests = engine.render(suite)
    batches = engine.batches(suite, requests)
    fastest, replies = float("inf"), dict[int, Reply]()
    for _ in range(rounds):
        began = time.perf_counter()
        for ready in engine.answers(suite, batches):
            replies.update(ready)
        fastest = min(fastest, time.perf_counter() - began)
    return fastest, len(batches), [replies[place] for place in range(len(requests))]


def show(one: dict[str, Any], first: dict[str, Any]) -> None:
    if one is first:
        print(f"{one['device']}, {one['policy']}")
        print(f"{'workers':>7} {'load':>8} {'choices':>10} {'ratio':>6} {'texts':>10} {'ratio':>6}")
    times = [f"{one[name]:>8.2f} s {first[name] / one[name]:>5.2f}x" for name in ("choices", "texts")]
    batches = f"({one['choices_batches']} and {one['texts_batches']} batches)"
    print(f"{one['workers']:>7} {one['load']:>6.1f} s {' '.join(times)}   {batches}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
