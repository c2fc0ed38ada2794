"""Locked items answered by a model that is being trained, with the engine's own scoring, and left as it was."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from regress.backends import generating, plain, scoring
from regress.backends.budget import settle
from regress.backends.protocol import Batch, Request
from regress.backends.rendering import Renderer
from regress.backends.self_test import differs
from regress.backends.shared_forward import SharedForward
from regress.backends.stopping import Ending
from regress.errors import Notice
from regress.lock.promise import ITEM_ORDER_SEED, Loaded
from regress.plan import item_order
from regress.schema import Ask, ItemOutcome, Precision, Reply, Role, Suite
from regress.scorers import BoundScorer
from regress.suite.frozen import SCORER

TOKENS = 16_384
"""Positions whose keys and values are held at a time: little, since the training needs the memory."""

Answers = dict[str, dict[str, ItemOutcome]]
"""By suite and item id."""


class Probes:
    """The first items of the locked random order of every protected and target suite, as the base's tokens."""

    def __init__(self, loaded: Loaded, folder: Path, model: Any, items: int) -> None:
        self._loaded = loaded
        self.suites = tuple(_part(suite, items) for suite in loaded.suites if _is_probed(suite, loaded))
        config = model.config
        window = int(getattr(config.get_text_config(), "max_position_embeddings", None) or 1_048_576)
        self._renderer = Renderer(folder, window, _ends(model))
        self._requests = {suite.name: self._renderer.render(suite) for suite in self.suites}
        self._device = next(model.parameters()).device
        dtype = next(model.parameters()).dtype
        self._precision = Precision.FP32 if dtype == torch.float32 else Precision.BF16
        compute = torch.float32 if self._device.type == "cpu" else torch.bfloat16
        self._budget = settle(config, self._device, compute, TOKENS)
        self._forward: SharedForward | None = SharedForward(config)

    @property
    def digests(self) -> dict[str, list[str]]:
        """What is asked, by suite: an item's prompt in tokens with all settings."""
        return {name: [request.digest for request in requests] for name, requests in self._requests.items()}

    def self_test(self, model: Any) -> None:
        """Fall back to one sequence a forward pass where the model answers the shared one otherwise."""
        if self._forward is None:
            return
        with evaluating(model):
            reason = differs(self._forward, model, self._precision, self._device)
        if reason is not None:
            warnings.warn(f"probes are answered one by one, since the faster way fails: {reason}", Notice, stacklevel=2)
            self._forward = None

    def answer(self, model: Any, *, as_base: bool = False) -> Answers:
        """Every probe's outcome; with `as_base` the adapter is switched off meanwhile. Raises BackendError on NaN."""
        with evaluating(model), _adapter_off(model) if as_base else nullcontext():
            found = {suite.name: self._answer(suite, model) for suite in self.suites}
        if self._device.type == "cuda":
            torch.cuda.empty_cache()  # what is left would be in the way of the next step
        return found

    def _answer(self, suite: Suite, model: Any) -> dict[str, ItemOutcome]:
        requests, scorer = self._requests[suite.name], self._loaded.scorers[suite.name]
        found: dict[str, ItemOutcome] = {}
        for place, reply in self._replies(suite, requests, model):
            item, score = suite.items[place], scorer.score(reply, suite.items[place])
            found[item.id] = ItemOutcome(
                suite=suite.name,
                item=item.id,
                item_digest=item.digest,
                request_digest=requests[place].digest,
                outcome=score.outcome,
                value=score.value,
                kind=score.kind,
                detail=score.detail,
                reply=reply,
            )
        return found

    def _replies(self, suite: Suite, requests: Sequence[Request], model: Any) -> Iterator[tuple[int, Reply]]:
        """(place, reply)"""
        for batch in self._batches(suite, requests):
            if suite.ask is Ask.GENERATE:
                for ready in self._written(suite, batch, model):
                    yield from ((batch.places[index], reply) for index, reply in ready)
            elif self._forward is None:
                yield from zip(batch.places, plain.score(model, batch, self._device), strict=True)
            else:
                prefix = self._forward.prefix(model, batch.plan.prefix, self._device)
                yield from zip(
                    batch.places, scoring.launch(model, self._forward, batch, prefix, self._device)(), strict=True
                )

    def _batches(self, suite: Suite, requests: Sequence[Request]) -> list[Batch]:
        if self._forward is None:
            return plain.plan(requests)
        if suite.ask is Ask.GENERATE:
            return generating.plan(suite, requests, self._budget, separate=False)
        return scoring.plan(requests, self._budget.shape)

    def _written(self, suite: Suite, batch: Batch, model: Any) -> Iterator[list[tuple[int, Reply]]]:
        ending = Ending.of(suite, self._renderer.ends(suite))
        if self._forward is None:
            return plain.generate(model, suite, batch, ending, self._decode, self._device)
        prefix = self._forward.prefix(model, batch.plan.prefix, self._device)
        return generating.generate(model, self._forward, suite, batch, prefix, ending, self._decode, self._device)

    def _decode(self, ids: list[int]) -> str:
        return str(self._renderer.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Dropout and gradients off within the block; every module's own mode as it was afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    device = next(model.parameters()).device
    model.eval()
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def _adapter_off(model: Any) -> Iterator[None]:
    """The base alone, where the model is a PEFT one; which parameters learn stays as it was."""
    off: AbstractContextManager[Any] = model.disable_adapter() if hasattr(model, "disable_adapter") else nullcontext()
    learns = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    try:
        with off:
            yield
    finally:
        for name, parameter in model.named_parameters():
            if parameter.requires_grad != learns[name]:
                parameter.requires_grad_(learns[name])


def _part(suite: Suite, items: int) -> Suite:
    return replace(suite, items=item_order(suite, ITEM_ORDER_SEED)[:items])


def _is_probed(suite: Suite, loaded: Loaded) -> bool:
    ready = suite.scorer.name != SCORER or type(loaded.scorers[suite.name]) is not BoundScorer  # its task was loaded
    return suite.role is not Role.INFORM and ready


def _ends(model: Any) -> frozenset[int]:
    ids = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    return frozenset() if ids is None else frozenset(ids if isinstance(ids, list) else [ids])
