"""No push to the hub without a promotion record for the very weights that would be pushed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file

from regress.backends.adapter_files import WEIGHTS
from regress.errors import Refused, TrainingError
from regress.promote import verify_adapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """A promoted adapter's folder, the trust root that its record is verified against, and the record if elsewhere."""

    folder: Path
    trust: Path
    record: Path | None = None


def veto(promoted: Promoted | None, model: Any) -> None:
    """Raise TrainingError unless an adapter was named that is promoted, and `model` has exactly its weights.

    transformers calls on_push_begin before it saves and uploads, and nothing but an exception keeps it from doing so.
    """
    try:
        if promoted is None:
            raise TrainingError("there is no promotion record.")
        verify_adapter(promoted.folder, trust=promoted.trust, record=promoted.record, now=datetime.now(UTC))
        _require_same_weights(promoted.folder, model)
    except Refused as reason:
        raise TrainingError(
            f"the push to the hub is vetoed: {reason} Judge the adapter (`regress check`), promote it "
            "(`regress promote`), then name it with callback.allow_push."
        ) from reason


def _require_same_weights(folder: Path, model: Any) -> None:
    if not isinstance(model, PeftModel):
        raise TrainingError("what would be pushed is a whole model, and promotion records are for adapters.")
    try:
        stored = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as reason:
        raise TrainingError(f"{folder / WEIGHTS} cannot be read: {reason}.") from reason
    held = get_peft_model_state_dict(cast("Any", model))
    if stored.keys() != held.keys() or not all(torch.equal(stored[name], held[name].cpu()) for name in stored):
        raise TrainingError("the weights in memory are not those of the promoted adapter.")
