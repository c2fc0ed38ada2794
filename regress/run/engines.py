"""Which engine answers. The only module of `run` that loads a model library."""

from __future__ import annotations

from pathlib import Path

from regress.backends.hf import HFEngine, resolve_device
from regress.backends.protocol import Engine, settled_precision
from regress.schema import Precision


def load_engine(folder: Path, precision: Precision, device: str, batch_tokens: int | None) -> Engine:
    """Load a base model; `auto` is resolved from what the machine has."""
    chosen = resolve_device(device)
    return HFEngine(folder, settled_precision(precision, chosen.type), chosen, batch_tokens)
