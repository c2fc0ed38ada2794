"""One prompt, one greedy reply, timed: transformers' own `generate`, nothing shared, nobody else in the batch."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from regress.backends.protocol import Lone, Request
from regress.backends.stopping import Ending, ReplyInProgress

_MEMORY = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


class _Watch(StoppingCriteria):  # type: ignore[misc]
    """Looks at every token as it comes: notes when, and ends the reply where its suite ends it."""

    def __init__(self, written: ReplyInProgress) -> None:
        self._written = written
        self.moments: list[int] = []

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        token = int(input_ids[0, -1])  # waits for the device
        self.moments.append(time.perf_counter_ns())
        return torch.tensor([self._written.add(token)], device=input_ids.device)


def alone(
    model: Any, request: Request, ending: Ending, decode: Callable[[list[int]], str], device: torch.device
) -> Lone:
    """Ask one request by itself."""
    written = ReplyInProgress(ending, decode)
    watch = _Watch(written)
    settings = GenerationConfig(
        do_sample=False, max_new_tokens=ending.max_new_tokens, pad_token_id=min(ending.end_ids, default=0)
    )
    prompt = torch.tensor([request.prompt], device=device)
    forget_peak(device)
    begun = time.perf_counter_ns()
    with torch.inference_mode():
        model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            generation_config=settings,
            stopping_criteria=StoppingCriteriaList([watch]),
        )
    return Lone(
        tokens=tuple(written.ids),
        first=watch.moments[0] - begun,
        whole=watch.moments[-1] - begun,
        peak_bytes=peak_bytes(device),
    )


def forget_peak(device: torch.device) -> None:
    """Measure the most memory in use from now on, where the system can."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):
            _RESET.write_text("5")  # Linux: the peak of resident memory begins anew


def peak_bytes(device: torch.device) -> int | None:
    """Of the device's allocator, or of this process's resident memory; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    with contextlib.suppress(OSError):
        if found := re.search(r"^VmHWM:\s+(\d+) kB$", _MEMORY.read_text(), re.MULTILINE):
            return int(found[1]) * 1024
    return None
