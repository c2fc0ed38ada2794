"""The transformers engine: what is shared is computed once, and every family is checked against a plain forward pass.

`scoring` answers log-likelihoods, `generating` writes replies, both through `shared_forward`; `plain` is the slow way
that they are held against, and that families fall back to which they do not fit.
"""

from __future__ import annotations

import importlib.metadata
import random
import warnings
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from regress.backends import generating, plain, scoring, virtual_tokens
from regress.backends.alone import alone
from regress.backends.budget import settle
from regress.backends.fused_norms import fuse_norms
from regress.backends.protocol import Batch, Lone, Placed, Request, Tokens
from regress.backends.rendering import Renderer
from regress.backends.resident import ResidentModel, compute_dtype
from regress.backends.self_test import EXPECTED, differs_from_plain
from regress.backends.shared_forward import EMPTY, Prefix, SharedForward
from regress.backends.stopping import Ending
from regress.errors import BackendError, Notice
from regress.hashing.canonical import digest_json
from regress.schema import Ask, Check, Precision, Reply, Suite, Variant, VariantKind

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes")


def resolve_device(device: str) -> torch.device:
    """`auto` is the first CUDA device, else the CPU. Raises BackendError for a device that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    wanted = torch.device(device)
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise BackendError(f"engine.device is {device}, and this machine has {torch.cuda.device_count()} CUDA devices.")
    return wanted


class HFEngine:
    """See `regress.backends.protocol.Engine`."""

    def __init__(self, folder: Path, precision: Precision, device: torch.device, batch_tokens: int | None) -> None:
        self.resident = ResidentModel(folder, precision, device)
        self._device = device
        config = self.resident.config
        self._budget = settle(config, device, compute_dtype(precision, device), batch_tokens)
        self._renderer = Renderer(folder, context_window(config), end_ids(self.resident))
        self._forward = SharedForward(config, separate=cascades(config, precision, device))
        self._root: Prefix = EMPTY  # virtual tokens, while the adapter has any and is on
        self._prefix: Prefix = EMPTY
        self._plans: dict[str, list[Batch]] = {}
        if device.type == "cuda":
            fuse_norms(self.resident.model)
        self._shares = self._settle_forward()

    def _settle_forward(self) -> bool:
        """Take the fastest way that answers like a plain forward pass; returns whether there is any."""
        model = self.resident.model
        ways = [self._forward, SharedForward(self.resident.config)] if self._forward.separate else [self._forward]
        for way in ways:
            reason = differs_from_plain(way, model, self.precision, self._device)
            if reason is None:
                self._forward = way
                return True
            warnings.warn(
                f"{type(model).__name__} is answered in a slower way, since the faster fails its self-test: {reason}",
                Notice,
                stacklevel=3,
            )
        return False

    @property
    def name(self) -> str:
        return "hf " + " ".join(f"{package}={_version(package)}" for package in PACKAGES)

    @property
    def precision(self) -> Precision:
        return self.resident.precision

    @property
    def device(self) -> str:
        return torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"

    @property
    def context_window(self) -> int:
        return self._renderer.context_window

    @property
    def batch_policy(self) -> str:
        if not self._shares:
            return "plain: one sequence a forward pass"
        return str(self._budget)

    def render(self, suite: Suite) -> tuple[Request, ...]:
        return self._renderer.render(suite)

    def batches(self, suite: Suite, requests: Sequence[Request], *, shuffled: bool = False) -> list[Batch]:
        key = digest_json([suite.name, suite.ask.value, shuffled, [request.digest for request in requests]])
        if key not in self._plans:
            self._plans[key] = self._planned(suite, requests, shuffled)
        return self._plans[key]

    def _planned(self, suite: Suite, requests: Sequence[Request], shuffled: bool) -> list[Batch]:
        if shuffled:
            return self._in_other_company(suite, requests)
        if not self._shares:
            return plain.plan(requests)
        if suite.ask is Ask.GENERATE:
            return generating.plan(suite, requests, self._budget, separate=self._forward.separate)
        return scoring.plan(requests, self._budget.shape)

    def _in_other_company(self, suite: Suite, requests: Sequence[Request]) -> list[Batch]:
        """Random halves of what would share a batch, each planned by itself."""
        order = list(range(len(requests)))
        random.Random(len(order)).shuffle(order)
        widest = max((len(batch.places) for batch in self._planned(suite, requests, False)), default=1)
        size = max(1, widest // 2)
        batches = []
        for part in (order[start : start + size] for start in range(0, len(order), size)):
            for batch in self._planned(suite, [requests[i] for i in part], False):
                batches.append(replace(batch, places=tuple(part[i] for i in batch.places)))
        return batches

    def attach(self, folder: str) -> list[Check]:
        self._root = EMPTY
        self._forget()
        checks = self.resident.attach(Path(folder))
        return [*checks, *self._try_virtual_tokens()]

    def use(self, variant: Variant) -> None:
        self.resident.use(variant.kind)
        self._root = self._virtual_root()
        self._forget()

    @torch.inference_mode()
    def _virtual_root(self) -> Prefix:
        """What stands before every prompt now; nothing where every sequence is answered by itself."""
        if self.resident.virtual is None or not self._shares:
            return EMPTY
        return virtual_tokens.root(self.resident.virtual, self._forward, self.resident.model)

    def _try_virtual_tokens(self) -> list[Check]:
        """Hold them against PEFT's own forward pass; raises BackendError where this family takes them differently."""
        if not self.resident.is_prompt:
            return []
        variant = Variant(kind=VariantKind.ADAPTER)
        try:
            self.use(variant)
            reason = self._shares and differs_from_plain(
                self._forward,
                self.resident.model,
                self.precision,
                self._device,
                root=self._root,
                whole=self.resident.whole,
            )
        except EXPECTED as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        self.use(Variant(kind=VariantKind.BASE))
        if reason:
            raise BackendError(
                f"virtual tokens cannot be judged on {type(self.resident.model).__name__}: not as PEFT answers with "
                f"them ({reason}). Judge it on another family of models, or train LoRA."
            )
        how = "shared by all prompts" if self._shares else "each sequence by itself"
        return [Check(name="virtual-tokens", ok=True, detail=f"answered as by PEFT's own forward pass, {how}")]

    def answers(self, suite: Suite, batches: Sequence[Batch]) -> Iterator[list[Placed]]:
        """Log-likelihoods are launched a batch ahead where the device works by itself."""
        if suite.ask is Ask.GENERATE or not self._shares:
            for batch in batches:
                yield from self._answers(suite, batch)
            return
        ahead = 1 if self._device.type == "cuda" else 0
        launched: deque[Callable[[], list[Placed]]] = deque()
        for batch in batches:
            launched.append(self._launched(suite, batch))
            if len(launched) > ahead:
                yield launched.popleft()()
        while launched:
            yield launched.popleft()()

    def _launched(self, suite: Suite, batch: Batch) -> Callable[[], list[Placed]]:
        """Log-likelihoods of one batch, begun; what no memory is left for is asked in parts, at once."""
        try:
            with torch.inference_mode():
                prefix = self._prefix_of(batch.plan.prefix)
                collect = scoring.launch(self.resident.model, self._forward, batch, prefix, self._device)
        except torch.OutOfMemoryError as reason:
            parts = self._smaller(suite, batch, (), reason)
        else:
            return lambda: list(zip(batch.places, collect(), strict=True))
        self._make_room(suite, batch)
        found = [self._launched(suite, part)() for part in parts]
        return lambda: [pair for part in found for pair in part]

    def _answers(self, suite: Suite, batch: Batch) -> Iterator[list[Placed]]:
        """Replies to one batch; what no memory is left for is asked in parts."""
        known: set[int] = set()
        try:
            for ready in self._attempt(suite, batch):
                known.update(index for index, _ in ready)
                yield [(batch.places[index], reply) for index, reply in ready]
        except torch.OutOfMemoryError as reason:
            smaller = self._smaller(suite, batch, known, reason)
        else:
            return
        self._make_room(suite, batch)
        yield from self.answers(suite, smaller)

    def _smaller(
        self, suite: Suite, batch: Batch, known: Collection[int], reason: torch.OutOfMemoryError
    ) -> tuple[Batch, ...]:
        if smaller := _smaller(suite, batch, known):
            return smaller
        item = next(one.item for index, one in enumerate(batch.requests) if index not in known)
        raise BackendError(
            f"out of memory on item {item!r} of {suite.name} alone; shorten it, or use a @nf4 variant."
        ) from reason

    def _make_room(self, suite: Suite, batch: Batch) -> None:
        self._forget()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        warnings.warn(
            f"out of memory on a batch of {len(batch.requests)} from {suite.name}: it is asked in parts. Set "
            f"engine.batch_tokens below {self._budget.tokens} in regress.yaml to have smaller batches from the start.",
            Notice,
            stacklevel=3,
        )

    @torch.inference_mode()
    def _attempt(self, suite: Suite, batch: Batch) -> Iterator[list[tuple[int, Reply]]]:
        """(index in the batch, reply)"""
        model, whole, device = self.resident.model, self.resident.whole, self._device
        if suite.ask is not Ask.GENERATE:
            yield list(enumerate(plain.score(whole, batch, device)))
            return
        ending = Ending.of(suite, self._renderer.ends(suite))
        if batch.plan is None:
            yield from plain.generate(whole, suite, batch, ending, self._decode, device)
        else:
            prefix = self._prefix_of(batch.plan.prefix)
            yield from generating.generate(model, self._forward, suite, batch, prefix, ending, self._decode, device)

    def _prefix_of(self, tokens: Tokens) -> Prefix:
        """Keys and values of a prefix, kept until another one or another variant is asked for."""
        if self._prefix.tokens != tokens:
            self._forget()
            self._prefix = self._forward.prefix(self.resident.model, tokens, self._device, self._root)
        return self._prefix

    def _forget(self) -> None:
        self._prefix = self._root

    def alone(self, suite: Suite, request: Request) -> Lone:
        self._forget()
        ending = Ending.of(suite, self._renderer.ends(suite))
        try:
            return alone(self.resident.whole, request, ending, self._decode, self._device)
        except torch.OutOfMemoryError as reason:
            raise BackendError(f"out of memory on item {request.item!r} of {suite.name} alone.") from reason

    def fingerprint(self, requests: Sequence[Request]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            rows = [plain.next_log_probs(self.resident.whole, request.prompt, self._device) for request in requests]
        return np.stack([row.cpu().numpy() for row in rows]).astype(np.float32)

    def save_merged(self, folder: Path) -> None:
        self.resident.save_merged(folder)
        self._renderer.tokenizer.save_pretrained(str(folder))

    def _decode(self, ids: list[int]) -> str:
        return str(self._renderer.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _smaller(suite: Suite, batch: Batch, known: Collection[int]) -> tuple[Batch, ...]:
    """What is not known yet of a batch, in smaller company; nothing where one is alone."""
    if isinstance(batch.plan, scoring.Packed):
        return scoring.halves(batch)
    left = [index for index in range(len(batch.requests)) if index not in known]
    if isinstance(batch.plan, generating.Queue):
        slots = min(batch.plan.slots, len(left) * suite.generation.repeats) // 2
        return (_part(batch, left, replace(batch.plan, slots=slots)),) if slots else ()
    return tuple(_part(batch, [index], None) for index in left) if len(batch.requests) > 1 else ()


def _part(batch: Batch, indices: Sequence[int], plan: Any) -> Batch:
    return Batch(
        places=tuple(batch.places[index] for index in indices),
        requests=tuple(batch.requests[index] for index in indices),
        plan=plan,
    )


def cascades(config: Any, precision: Precision, device: torch.device) -> bool:
    """Whether attention may meet a prefix apart: half precision on CUDA, every layer the same plain attention."""
    if device.type != "cuda" or precision is Precision.FP32:
        return False
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    plain_kind = kinds == {"full_attention"} and not getattr(text, "sliding_window", None)
    heads = hasattr(text, "num_key_value_heads") and text._attn_implementation == "sdpa"
    return plain_kind and heads and not getattr(text, "attn_logit_softcapping", None)


def context_window(config: Any) -> int:
    """Positions that the model was built for; a model without such a limit gets a generous one."""
    text_config = config.get_text_config()
    return int(getattr(text_config, "max_position_embeddings", None) or 1_048_576)


def end_ids(resident: ResidentModel) -> frozenset[int]:
    """Token ids that end a reply, as the model's own generation settings say."""
    settings = getattr(resident.model, "generation_config", None)
    ids = getattr(settings, "eos_token_id", None)
    if ids is None:
        return frozenset()
    return frozenset(ids if isinstance(ids, list) else [ids])
