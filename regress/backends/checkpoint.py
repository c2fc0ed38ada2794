"""The base's tensors as they stand on disk: the snapshot from which swapped weights are restored bit for bit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import cast

import torch
from safetensors import safe_open

from regress.errors import ModelError


class Checkpoint:
    """Named tensors of a safetensors checkpoint, one file or sharded, read one at a time."""

    def __init__(self, folder: Path) -> None:
        self._files = _files_by_tensor(folder)

    def tensor(self, name: str) -> torch.Tensor | None:
        """The tensor of that name on the CPU in its stored type, or None where the checkpoint names it otherwise."""
        path = self._files.get(name)
        if path is None:
            return None
        with safe_open(path, framework="pt", device="cpu") as file:
            return cast("torch.Tensor", file.get_tensor(name))

    def parameters(self) -> int:
        """How many numbers all tensors hold together, read from the files' headers."""
        count = 0
        for path in sorted(set(self._files.values())):
            with safe_open(path, framework="pt", device="cpu") as file:
                count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
        return count


def _files_by_tensor(folder: Path) -> dict[str, Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return {name: folder / Path(file).name for name, file in json.loads(index.read_text())["weight_map"].items()}
    single = folder / "model.safetensors"
    if not single.is_file():
        raise ModelError(f"{folder} holds no model.safetensors; only safetensors weights are loaded.")
    with safe_open(single, framework="pt", device="cpu") as file:
        return dict.fromkeys(file.keys(), single)
