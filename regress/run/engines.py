"""Which engine answers, and in how many processes. The only module of `run` that loads a model library."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import torch
from transformers.utils import logging as transformers_logging

from regress.backends.drafting import DraftModel
from regress.backends.hf import HFEngine, resolve_device
from regress.backends.pool import PooledEngine
from regress.backends.protocol import Engine, settled_precision
from regress.errors import BackendError
from regress.schema import Precision

Workers = Literal["auto"] | int
"""How many processes answer; `auto` is one for each CUDA device that `device` leaves to choose, else one."""


def load_engine(
    folder: Path, precision: Precision, device: str, batch_tokens: int | None, *, workers: Workers = 1
) -> Engine:
    """Load a base model, into several processes where more than one worker is wanted.

    `auto` is resolved from what the machine has. Replies do not depend on `workers`.
    """
    chosen = resolve_device(device)
    settled = settled_precision(precision, chosen.type)
    devices = worker_devices(device, workers)
    if len(devices) == 1:
        return HFEngine(folder, settled, chosen, batch_tokens)
    return PooledEngine(partial(_in_a_worker, folder, settled, batch_tokens, torch.get_num_threads()), devices)


def load_draft(folder: Path, base: Path, device: str) -> DraftModel:
    """The draft model beside the base, in half precision on an accelerator; raises ModelError."""
    chosen = resolve_device(device)
    return DraftModel(folder, base, settled_precision(Precision.AUTO, chosen.type), chosen)


def worker_devices(device: str, workers: Workers) -> tuple[str, ...]:
    """The device of each worker; raises BackendError where there are not as many as wanted."""
    chosen = resolve_device(device)
    if chosen.type != "cuda":
        return (str(chosen),) * (1 if workers == "auto" else workers)
    if ":" in device:
        if workers not in ("auto", 1):
            raise BackendError(
                f"engine.device names one GPU ({device}), and {workers} workers need one each: set it to cuda, or use "
                "one worker."
            )
        return (str(chosen),)
    count = torch.cuda.device_count()
    if workers == "auto":  # those like the first one: another model of GPU rounds differently
        first = torch.cuda.get_device_name(0)
        alike = [index for index in range(count) if torch.cuda.get_device_name(index) == first]
        return tuple(f"cuda:{index}" for index in alike)
    if workers > count:
        raise BackendError(
            f"{workers} workers need a GPU each, and this machine has {count} CUDA device{'s' if count > 1 else ''}. "
            f"Use `--workers {count}`."
        )
    return tuple(f"cuda:{index}" for index in range(workers))


def _in_a_worker(folder: Path, precision: Precision, batch_tokens: int | None, threads: int, device: str) -> Engine:
    """The engine of one worker process: as many threads as the parent would use, since sums depend on their number."""
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(threads)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)  # kernels of other libraries run where the current device is
    return HFEngine(folder, precision, torch.device(device), batch_tokens)
