"""No push to the hub without a promotion record for the very weights that would be pushed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file

from regress.backends.adapter_files import WEIGHTS
from regress.errors import Refused, TrainingError


def veto(folder: Path, model: Any) -> None:
    """Raise TrainingError unless `folder` holds a promoted adapter and `model` has exactly its weights.

    transformers calls on_push_begin before it saves and uploads, and nothing but an exception keeps it from doing so.
    """
    try:
        _verify()(folder)
        _same_weights(folder, model)
    except Refused as reason:
        raise TrainingError(
            f"the push to the hub is vetoed: {reason} Only a promoted adapter is pushed: `regress check`, then "
            "`regress promote`."
        ) from reason


def _verify() -> Callable[[Path], object]:
    """Promotion's own check; without it nothing was ever promoted."""
    try:
        module = importlib.import_module("regress.promote")
    except ModuleNotFoundError as reason:
        raise TrainingError("there is no promotion record.") from reason
    return cast("Callable[[Path], object]", module.verify_adapter)


def _same_weights(folder: Path, model: Any) -> None:
    if not isinstance(model, PeftModel):
        raise TrainingError("what would be pushed is a whole model, and promotion records are for adapters.")
    stored = load_file(folder / WEIGHTS)
    held = get_peft_model_state_dict(cast("Any", model))
    same = stored.keys() == held.keys() and all(torch.equal(stored[n], held[n].cpu()) for n in stored)
    if not same:
        raise TrainingError("the weights in memory are not those of the promoted adapter.")
