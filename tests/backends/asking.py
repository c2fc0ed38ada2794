"""Suites made by hand, and what a plain forward pass without padding, cache or batches answers to them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tiny_models import END

from regress.backends.protocol import Engine, Request
from regress.schema import (
    Ask,
    Category,
    GenerationSettings,
    Item,
    Message,
    PromptStyle,
    Reply,
    Role,
    ScorerSpec,
    Suite,
    Variant,
    VariantKind,
)

BASE = Variant(kind=VariantKind.BASE)
ADAPTER = Variant(kind=VariantKind.ADAPTER)
MERGED = Variant(kind=VariantKind.MERGED)

_WORDS = (
    "the",
    "day",
    "cat",
    "river",
    "seven",
    "blue",
    "paper",
    "reads",
    "under",
    "many",
    "apple",
    "stone",
    "quick",
    "letter",
    "mirror",
)


def a_suite(
    prompts: Sequence[str],
    choices: Sequence[Sequence[str]] = (),
    *,
    max_new_tokens: int = 12,
    stop: tuple[str, ...] = (),
    prompt: PromptStyle = PromptStyle.RAW,
) -> Suite:
    items = tuple(
        Item(
            id=f"q{number}",
            messages=(Message(role="user", content=text),),
            choices=tuple(choices[number]) if choices else (),
            answer=0 if choices else None,
            digest=f"sha256:{number:064x}",
            line=number + 1,
        )
        for number, text in enumerate(prompts)
    )
    return Suite(
        name="made_by_hand",
        version=1,
        category=Category.CAPABILITY,
        role=Role.INFORM,
        ask=Ask.CHOOSE if choices else Ask.GENERATE,
        prompt=prompt,
        generation=GenerationSettings(max_new_tokens=max_new_tokens, stop=stop),
        scorer=ScorerSpec(name="choice" if choices else "exact_match"),
        margin=None,
        items=items,
        path="made_by_hand.yaml",
        items_path="made_by_hand.jsonl",
    )


def some_prompts(count: int, seed: int = 0) -> list[str]:
    """Prompts of very different lengths: 1 to 30 words."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(_WORDS, k=rng.choice((1, 2, 5, 9, 17, 30)))) for _ in range(count)]


def some_choices(count: int, seed: int = 1) -> list[list[str]]:
    """Two to five choices of 1 to 6 words."""
    rng = random.Random(seed)
    return [
        [" " + " ".join(rng.choices(_WORDS, k=rng.choice((1, 1, 2, 3, 6)))) + f" {k}" for k in range(rng.randint(2, 5))]
        for _ in range(count)
    ]


def requests_of(engine: Engine, suite: Suite) -> list[Request]:
    return list(engine.render(suite))


def answers(engine: Engine, suite: Suite) -> list[Reply]:
    """Every item's reply in the suite's order, asked in the engine's own batches."""
    requests = requests_of(engine, suite)
    replies: dict[int, Reply] = {}
    for ready in engine.answers(suite, engine.batches(suite, requests)):
        replies.update(ready)
    assert sorted(replies) == list(range(len(suite.items)))
    return [replies[index] for index in range(len(suite.items))]


def naive_sums(model: Any, request: Request) -> list[float]:
    """Summed log-probability of each choice from one unpadded forward pass over prompt and choice."""
    sums = []
    for choice in request.choices:
        ids = torch.tensor([[*request.prompt, *choice]])
        with torch.inference_mode():
            log_probs = torch.log_softmax(model(input_ids=ids, use_cache=False).logits[0].float(), dim=-1)
        start = len(request.prompt) - 1
        sums.append(sum(log_probs[start + k, token].item() for k, token in enumerate(choice)))
    return sums


def naive_tokens(model: Any, request: Request, max_new_tokens: int) -> list[int]:
    """What transformers' own greedy `generate` writes for one prompt alone, the end token included."""
    ids = torch.tensor([request.prompt])
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=max_new_tokens,
            eos_token_id=END,
            pad_token_id=0,
        )
    written: list[int] = out[0, len(request.prompt) :].tolist()
    return written


def next_log_probs(model: Any, requests: Sequence[Request]) -> npt.NDArray[np.float32]:
    """(requests, vocabulary): what `Engine.fingerprint` promises, from a plain model."""
    rows = []
    for request in requests:
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([request.prompt]), use_cache=False).logits[0, -1]
        rows.append(torch.log_softmax(logits.float(), dim=-1).numpy())
    return np.stack(rows)


def largest(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    return float(np.abs(one - other).max())
