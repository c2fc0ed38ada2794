"""What an engine promises to the runner; everything above this line of the project is free of model libraries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from regress.schema import Check, Precision, Reply, Suite, Variant

if TYPE_CHECKING:  # 0.1 s, which `gate` has no use for
    import numpy as np
    import numpy.typing as npt

Tokens = tuple[int, ...]

Placed = tuple[int, Reply]
"""A reply and the position of its request in what was planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One item as the model sees it.

    `digest` covers everything that determines the reply apart from the weights: the exact token ids of prompt and
    choices, the end tokens, and the generation settings.
    """

    item: str
    prompt: Tokens
    choices: tuple[Tokens, ...]  # empty where a text is generated
    contexts: tuple[Tokens, ...] = ()  # what each choice follows, where it is not the prompt
    cut: int = 0  # tokens that were cut from the left to fit the context window, over all sequences
    digest: str

    @property
    def sequences(self) -> tuple[tuple[Tokens, Tokens], ...]:
        """(context, continuation whose log-likelihood is asked), one for each choice."""
        contexts = self.contexts or (self.prompt,) * len(self.choices)
        return tuple(zip(contexts, self.choices, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lone:
    """The greedy reply to one prompt that was asked alone, as a server does it for its only user."""

    tokens: Tokens  # the end token included
    first: int  # nanoseconds until the first token was there
    whole: int  # until the last one was
    peak_bytes: int | None  # most memory in use meanwhile, weights included; None where it cannot be told


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Requests that are answered together, always in this company, so that the same batch gives the same numbers."""

    places: tuple[int, ...]  # positions in what was planned
    requests: tuple[Request, ...]
    plan: Any = None  # the engine's own packing, made once and used for every variant


def settled_precision(wanted: Precision, device: str) -> Precision:
    """What `auto` means: bf16 on an accelerator and fp32 on a CPU. `device` as `Engine.device` says it."""
    if wanted is not Precision.AUTO:
        return wanted
    return Precision.FP32 if device == "cpu" else Precision.BF16


class Engine(Protocol):
    """Resident weights that can act as base, adapter or merged model, at one precision."""

    @property
    def name(self) -> str:
        """Backend and versions, as stored in the manifest."""

    @property
    def precision(self) -> Precision:
        """What the weights are held in; never AUTO."""

    @property
    def device(self) -> str:
        """`cpu` or the accelerator's name."""

    @property
    def batch_policy(self) -> str:
        """How requests are grouped; part of what makes two runs comparable."""

    def render(self, suite: Suite) -> tuple[Request, ...]:
        """Every item as token ids, in order. Raises BackendError for one that does not fit the context window."""

    def batches(self, suite: Suite, requests: Sequence[Request], *, shuffled: bool = False) -> list[Batch]:
        """A fixed grouping of all requests, independent of what was answered before.

        With `shuffled` each request comes into other, smaller company: what differs then is the machine's noise.
        """

    def attach(self, folder: str) -> list[Check]:
        """Put an adapter on (detaching any other); the checks say what was found. Raises AdapterError."""

    def use(self, variant: Variant) -> None:
        """Act as this variant from now on."""

    def answers(self, suite: Suite, batches: Sequence[Batch]) -> Iterator[list[Placed]]:
        """Every request's reply with its place, several at a time, as they become known.

        Raises BackendError on NaN, and where memory does not suffice for a single request.
        """

    def alone(self, suite: Suite, request: Request) -> Lone:
        """The greedy reply to one request and what it took. Raises BackendError on NaN or too little memory."""

    def fingerprint(self, requests: Sequence[Request]) -> npt.NDArray[np.float32]:
        """Log-probabilities after each prompt, one unpadded forward each, (len(requests), vocabulary)."""

    def save_merged(self, folder: Path) -> None:
        """Write the merged model with its tokenizer as an ordinary checkpoint to a new folder."""


@runtime_checkable
class Windowed(Protocol):
    """An engine that virtual tokens can be judged on."""

    @property
    def context_window(self) -> int:
        """Positions that the model was built for; virtual tokens take some of them."""


@runtime_checkable
class Closable(Protocol):
    """An engine that holds more than memory of this process."""

    def close(self) -> None:
        """End what it holds; it answers nothing any more."""


def release(engine: Engine) -> None:
    """Close an engine where that means anything."""
    if isinstance(engine, Closable):
        engine.close()
