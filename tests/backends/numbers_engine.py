"""An engine of numbers for worker processes: a module of its own without torch, so that they start at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from regress.backends.protocol import Batch, Engine, Lone, Placed, Request
from regress.errors import AdapterError, BackendError
from regress.schema import (
    Ask,
    Category,
    Check,
    GenerationSettings,
    Item,
    Message,
    Precision,
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
SUITE = Suite(
    name="counting",
    version=1,
    category=Category.CAPABILITY,
    role=Role.INFORM,
    ask=Ask.GENERATE,
    prompt=PromptStyle.RAW,
    generation=GenerationSettings(max_new_tokens=4, stop=()),
    scorer=ScorerSpec(name="exact_match"),
    margin=None,
    items=tuple(
        Item(id=f"n{n}", messages=(Message(role="user", content=str(n)),), digest=f"sha256:{n:064x}", line=n + 1)
        for n in range(41)
    ),
    path="counting.yaml",
    items_path="counting.jsonl",
)


class Numbers:
    """An engine whose replies are the numbers of its requests, times what it is. Devices: `name:how to be ill`."""

    name = "numbers 1"
    precision = Precision.FP32
    device = "cpu"

    def __init__(self, ill: str) -> None:
        if ill == "unloadable":
            raise BackendError("no model here.")
        self.ill = ill
        self.batch_policy = "threes" if ill == "other policy" else "twos"
        self.factor = 1

    def render(self, suite: Suite) -> tuple[Request, ...]:
        return tuple(
            Request(item=item.id, prompt=(n,), choices=(), digest=item.id) for n, item in enumerate(suite.items)
        )

    def batches(self, suite: Suite, requests: Sequence[Request], *, shuffled: bool = False) -> list[Batch]:
        places = list(range(len(requests)))
        return [
            Batch(places=tuple(places[at : at + 2]), requests=tuple(requests[at : at + 2]), plan=os.getpid())
            for at in places[::2]
        ]

    def attach(self, folder: str) -> list[Check]:
        if folder == "broken":
            raise AdapterError("no adapter there.")
        return [Check(name="adapter", ok=True, detail=folder)]

    def use(self, variant: Variant) -> None:
        self.factor = 1 if variant == BASE else 1000

    def answers(self, suite: Suite, batches: Sequence[Batch]) -> Iterator[list[Placed]]:
        for batch in batches:
            if self.ill == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.ill == "CUDA":
                raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with ...")
            if self.ill == "bug":
                raise ZeroDivisionError("a bug")
            if self.ill == "slow":
                time.sleep(60)
            for place, request in zip(batch.places, batch.requests, strict=True):
                text = str(request.prompt[0] * self.factor)
                yield [(place, Reply(text=text, reply_tokens=os.getpid(), prompt_tokens=batch.plan))]

    def alone(self, suite: Suite, request: Request) -> Lone:
        return Lone(tokens=(request.prompt[0] * self.factor,), first=1, whole=2, peak_bytes=os.getpid())

    def fingerprint(self, requests: Sequence[Request]) -> npt.NDArray[np.float32]:
        prints = np.full((len(requests), 3), -1.0, dtype=np.float32)
        if self.ill == "rounds":
            prints[0, 1] = np.nextafter(np.float32(-1.0), np.float32(0.0))
        return prints

    def save_merged(self, folder: Path) -> None:
        (folder / f"by-{os.getpid()}").touch()


def numbers(device: str) -> Engine:
    return Numbers(device.partition(":")[2])
