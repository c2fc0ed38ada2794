"""A fine-tuned checkpoint against its base: the same network, its weights finite and not the base's.

Configurations are compared as transformers reads them, since its versions write the same settings differently; sizes
that both files name are compared before, as they stand, so that nothing is built from a surprise. Tensors are compared
by name and shape and read one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

from regress.backends.adapter_files import read_object
from regress.backends.adapter_tensors import DTYPES
from regress.backends.model_files import CONFIG
from regress.errors import AdapterError
from regress.schema import Check

FREE = frozenset(
    {"_name_or_path", "transformers_version", "torch_dtype", "dtype", "use_cache", "pad_token_id"}
    | {"_attn_implementation", "_attn_implementation_autoset"}
)
"""Settings that change nothing of what is answered: greedy evaluation reads no padding."""

LARGEST = 2**24
"""No number that only the candidate names may be larger."""

Tensors = Mapping[str, torch.Tensor]


def compare_models(base: Path, candidate: Path) -> list[Check]:
    """What was found; raises AdapterError where the candidate is no fine-tune of this base."""
    prefix = _check_config(base, candidate)
    with _Weights(base, prefix) as old, _Weights(candidate, prefix) as new:
        names = _shared_names(old, new)
        changed = 0
        for name in names:
            tensor = new.tensor(name)
            if tensor.dtype not in DTYPES:
                raise AdapterError(f"{name} holds {tensor.dtype}; a model's weights are fp32, fp16 or bf16.")
            if not torch.isfinite(tensor).all():
                raise AdapterError(f"the model's tensor {name} holds NaN or infinity.")
            changed += not torch.equal(old.tensor(name).to(tensor.dtype), tensor)
    if not changed:
        raise AdapterError(
            f"the model is identical to the base: all {len(names)} tensors are equal. It was never trained, or the "
            "wrong checkpoint was saved."
        )
    return [
        Check(name="model-config", ok=True, detail="the base's network: every setting that shapes answers is equal"),
        Check(name="model-tensors", ok=True, detail=f"{len(names)} of {len(names)} tensors as in the base"),
        Check(name="model-finite", ok=True, detail=f"{len(names)} tensors without NaN or infinity"),
        Check(name="model-trained", ok=True, detail=f"{changed} of {len(names)} tensors differ from the base's"),
    ]


def _check_config(base: Path, candidate: Path) -> str:
    """Raises AdapterError naming the first setting that differs; returns what transformers calls the body."""
    ours, theirs = read_object(base / CONFIG), read_object(candidate / CONFIG)
    shared = (ours.keys() & theirs.keys()) | {"model_type", "architectures"}
    _refuse_difference({k: ours.get(k) for k in shared}, {k: theirs.get(k) for k in shared})
    for key in sorted(theirs.keys() - ours.keys() - FREE):
        if key in ("auto_map", "quantization_config") or not _is_small(theirs[key]):
            raise AdapterError(f"{CONFIG}: {key} is {str(theirs[key])[:80]}, which the base's does not name.")
    try:
        known, read = (
            AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
            for folder in (base, candidate)
        )
    except Exception as reason:  # whatever an untrusted configuration makes transformers raise
        raise AdapterError(f"{CONFIG} cannot be read: {' '.join(str(reason).split())[:200]}") from reason
    _refuse_difference(known.to_dict(), read.to_dict())
    network = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(known), None)
    return str(getattr(network, "base_model_prefix", ""))


def _refuse_difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    for key in sorted((ours.keys() | theirs.keys()) - FREE):
        if _shaping(ours.get(key)) != _shaping(theirs.get(key)):
            raise AdapterError(
                f"{CONFIG}: {key} is {str(theirs.get(key))[:80]}, the base's is {str(ours.get(key))[:80]}: this is no "
                "fine-tune of the locked base, or it was saved with other settings."
            )


def _shaping(value: Any) -> Any:
    """A setting without what is free inside of it, as in the configuration of a part."""
    return {k: _shaping(v) for k, v in value.items() if k not in FREE} if isinstance(value, dict) else value


def _is_small(value: Any) -> bool:
    if isinstance(value, dict):
        return len(value) <= 1_000 and all(map(_is_small, value.values()))
    if isinstance(value, list):
        return len(value) <= 1_000 and all(map(_is_small, value))
    return not isinstance(value, (int, float)) or abs(value) <= LARGEST


class _Weights:
    """The tensors of all safetensors files of a folder, names without the body's prefix."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self._where: dict[str, tuple[Any, str]] = {}
        self._files: list[Any] = []
        try:
            for path in sorted(folder.glob("*.safetensors")):
                self._open(path, prefix)
        except SafetensorError as reason:
            raise AdapterError(f"{folder.name} holds a damaged safetensors file: {reason}. Save it again.") from reason

    def _open(self, path: Path, prefix: str) -> None:
        file: Any = safe_open(path, framework="pt", device="cpu")
        self._files.append(file)
        for name in file.keys():  # noqa: SIM118  it is no dict
            plain = name.removeprefix(f"{prefix}.")
            if plain in self._where:
                raise AdapterError(f"{path.name} holds the tensor {name} a second time. Save the model again.")
            self._where[plain] = (file, name)

    def __enter__(self) -> _Weights:
        return self

    def __exit__(self, *_: object) -> None:
        self._where.clear()
        self._files.clear()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._where))

    def shape(self, name: str) -> tuple[int, ...]:
        file, own = self._where[name]
        return tuple(file.get_slice(own).get_shape())

    def tensor(self, name: str) -> torch.Tensor:
        file, own = self._where[name]
        found: torch.Tensor = file.get_tensor(own)
        return found

    def is_copy(self, name: str, others: set[str]) -> bool:
        """Whether it is one of `others` over again, as tied weights are that were saved twice."""
        alike = [other for other in sorted(others) if self.shape(other) == self.shape(name)]
        return any(torch.equal(self.tensor(name), self.tensor(other)) for other in alike)


def _shared_names(old: _Weights, new: _Weights) -> list[str]:
    """What both hold, in order; raises AdapterError for any other name, unless it is a tied copy, and for shapes."""
    shared = set(old) & set(new)
    missing = [name for name in old if name not in shared and not old.is_copy(name, shared)]
    unexpected = [name for name in new if name not in shared and not new.is_copy(name, shared)]
    for names, what in ((missing, "missing"), (unexpected, "unknown to the base")):
        if names:
            raise AdapterError(
                f"the model's tensors are not the base's: {len(names)} {what} (first: {names[0]}). Is it a fine-tune "
                "of another base?"
            )
    for name in sorted(shared):
        if old.shape(name) != new.shape(name):
            raise AdapterError(
                f"the model is for another base: {name} has shape {new.shape(name)}, the base's is {old.shape(name)}."
            )
    if not shared:
        raise AdapterError("the model holds no tensor at all.")
    return sorted(shared)
