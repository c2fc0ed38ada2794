"""The same adapter at another strength, as an ordinary PEFT folder.

LoRA adds scaling·B·A to a weight, so B times s is the update times s, whatever alpha, rank pattern or rsLoRA make of
the scaling. B is scaled and not lora_alpha, because every loader reads tensors, and not every one reads alpha_pattern.
DoRA's magnitudes and fully trained modules do not shrink with B, so adapters that have them are refused.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from regress.backends.adapter_files import FORGETTING_CURVE, RESCUE_NOTE, TRAINING_RECORD, WEIGHTS, AdapterFiles
from regress.backends.adapter_tensors import read_tensors
from regress.errors import AdapterError
from regress.schema import Group, Strength

Tensors = Mapping[str, torch.Tensor]

_ATTENTION = re.compile(r"attn|attention")
_MLP = re.compile(r"mlp|feed_forward|ffn")
_UP = re.compile(r"(?P<module>.+)\.lora_(?:B\.weight|embedding_B)$")
_DOWN = re.compile(r"(?P<module>.+)\.lora_(?:A\.weight|embedding_A)$")
THIRDS = (Group.EARLY, Group.MIDDLE, Group.LATE)


class ScalableAdapter:
    """An adapter whose update can be weakened module by module; raises AdapterError for any other."""

    def __init__(self, files: AdapterFiles) -> None:
        self._files = files
        self._tensors = read_tensors(files.folder / WEIGHTS)
        _refuse_what_does_not_scale(files.config)
        self._ups, self._downs = _pairs(self._tensors)
        self._groups = _groups(sorted(self._ups))
        self._norms = {module: self._norm(module) for module in self._ups}

    @property
    def groups(self) -> list[Group]:
        """The groups that can be left out with something remaining."""
        found = set().union(*self._groups.values())
        return [group for group in Group if group in found and not all(group in g for g in self._groups.values())]

    def share(self, strength: Strength) -> float:
        """Norm of the weakened update over that of the whole (Frobenius, over all modules together)."""
        whole = math.hypot(*self._norms.values())
        left = math.hypot(*(norm * self._factor(module, strength) for module, norm in self._norms.items()))
        return left / whole if whole else 0.0

    def write(self, strength: Strength, target: Path) -> None:
        """Write the weakened adapter into the new folder `target`; the same bytes at every call."""
        target.mkdir(parents=True)
        for name in self._files.files.files:
            if name not in (WEIGHTS, TRAINING_RECORD, RESCUE_NOTE, FORGETTING_CURVE):  # the curve is another adapter's
                shutil.copyfile(self._files.folder / name, target / name)
        save_file(self._scaled(strength), target / WEIGHTS, metadata={"format": "pt"})
        note = {
            "format": 1,
            "from": self._files.digest,
            "scale": f"{strength.scale:g}",
            "without": strength.without and strength.without.value,
        }
        (target / RESCUE_NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
        if self._files.training_record is not None:
            record = {**self._files.training_record, "derived": f"by regress rescue from {self._files.digest}"}
            (target / TRAINING_RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    def _scaled(self, strength: Strength) -> dict[str, torch.Tensor]:
        factors = {name: self._factor(module, strength) for module, name in self._ups.items()}
        return {name: tensor * factors.get(name, 1.0) for name, tensor in self._tensors.items()}

    def _factor(self, module: str, strength: Strength) -> float:
        return 0.0 if strength.without in self._groups[module] else strength.scale

    def _norm(self, module: str) -> float:
        """Frobenius norm of scaling·B·A, from the two Gram matrices: tr(AᵀBᵀBA) = sum of BᵀB * AAᵀ."""
        down = self._tensors[self._downs[module]].to(torch.float64)
        up = self._tensors[self._ups[module]].to(torch.float64)
        square = float(((up.T @ up) * (down @ down.T)).sum())
        return math.sqrt(max(square, 0.0)) * self._scaling(module, len(down))

    def _scaling(self, module: str, rank: int) -> float:
        """Alpha / r, for rsLoRA alpha / sqrt(r) (Kalajdzievski 2023, arXiv 2312.03732)."""
        config = self._files.config
        pattern: Mapping[str, float] = config.get("alpha_pattern") or {}
        fitting = [alpha for key, alpha in pattern.items() if module == key or module.endswith(f".{key}")]
        alpha = fitting[0] if fitting else config.get("lora_alpha", 8)
        return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _refuse_what_does_not_scale(config: Mapping[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise AdapterError(
            f"the adapter is {config.get('peft_type')}, whose update does not shrink with one of its matrices. Only "
            "LoRA and rsLoRA adapters can be rescued."
        )
    if config.get("use_dora"):
        raise AdapterError(
            "the adapter is DoRA: its magnitudes do not shrink with B, so no scaled copy of it is the same update "
            "weakened. Train it as plain LoRA or rsLoRA to have it rescued."
        )
    if config.get("modules_to_save"):
        raise AdapterError(
            f"the adapter replaces whole modules ({', '.join(config['modules_to_save'])}), which cannot be weakened "
            "without the base's. Train it without modules_to_save to have it rescued."
        )


def _pairs(tensors: Tensors) -> tuple[dict[str, str], dict[str, str]]:
    """Names of the B and of the A of each module; raises AdapterError for anything that is no such pair."""
    ups = {match["module"]: name for name in tensors if (match := _UP.match(name))}
    downs = {match["module"]: name for name in tensors if (match := _DOWN.match(name))}
    for module in ups.keys() & downs.keys():
        up, down = tensors[ups[module]], tensors[downs[module]]
        if up.dim() != 2 or down.dim() != 2 or up.shape[1] != down.shape[0]:
            raise AdapterError(f"{WEIGHTS}: {module} has {tuple(up.shape)} for B and {tuple(down.shape)} for A.")
    strange = sorted(set(tensors) - {*ups.values(), *downs.values()})
    if strange or not ups or ups.keys() != downs.keys():
        odd = strange or sorted(ups.keys() ^ downs.keys()) or ["no lora_B"]
        raise AdapterError(f"{WEIGHTS} holds {odd[0]}: only pairs of matrices A and B can be weakened.")
    return ups, downs


def _groups(modules: list[str]) -> dict[str, set[Group]]:
    """The groups of each module: attention or MLP by its path, and its third of the adapted layers."""
    layers = sorted({layer for module in modules if (layer := _layer(module)) is not None})
    found: dict[str, set[Group]] = {}
    for module in modules:
        found[module] = set()
        if _ATTENTION.search(module):
            found[module].add(Group.ATTENTION)
        elif _MLP.search(module):
            found[module].add(Group.MLP)
        layer = _layer(module)
        if layer is not None and len(layers) >= len(THIRDS):
            found[module].add(THIRDS[layers.index(layer) * len(THIRDS) // len(layers)])
    return found


def _layer(module: str) -> int | None:
    """The first number in the module's path."""
    return next((int(part) for part in module.split(".") if part.isascii() and part.isdigit()), None)
