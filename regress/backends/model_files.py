"""A fully fine-tuned checkpoint's folder, read as untrusted input before any model library sees it.

As with adapters: a private copy, hashed while it is made, known names only, regular files only, safetensors only. What
its config.json says is held against the base's by `own_weights`, so that no size in it is a surprise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.backends.adapter_files import ALLOWED as BESIDE_AN_ADAPTER
from regress.backends.adapter_files import CONFIG as ADAPTER_CONFIG
from regress.backends.adapter_files import RESCUE_NOTE, read_object, read_training_record, refuse_irregular
from regress.backends.adapter_files import WEIGHTS as ADAPTER_WEIGHTS
from regress.errors import AdapterError
from regress.hashing.files import FileSet, private_copy
from regress.schema import Form

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
MAX_BYTES = 2**42
MAX_INDEX_BYTES = 64 * 2**20

_WEIGHTS = re.compile(r"model(-[0-9]{5}-of-[0-9]{5})?\.safetensors")
_OTHERS = (BESIDE_AN_ADAPTER - {ADAPTER_CONFIG, ADAPTER_WEIGHTS, RESCUE_NOTE}) | {CONFIG, INDEX}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFiles:
    """A private, hashed copy of a checkpoint's folder."""

    source: Path
    folder: Path
    files: FileSet
    config: Mapping[str, Any]
    training_record: Mapping[str, Any] | None

    @property
    def digest(self) -> str:
        return self.files.digest

    @property
    def form(self) -> Form:
        return Form.MODEL

    @property
    def virtual_tokens(self) -> int:
        return 0

    @property
    def rescue_note(self) -> None:
        """Only adapters are rescued."""

    @property
    def base_name(self) -> str | None:
        """The model that the checkpoint names; a name proves nothing, so it is only reported."""
        name = self.config.get("_name_or_path")
        return name if isinstance(name, str) else None


def is_checkpoint(source: Path) -> bool:
    """Whether the folder is a model's rather than an adapter's."""
    return (source / CONFIG).is_file() and not (source / ADAPTER_CONFIG).exists()


def refuse_unexpected(source: Path) -> None:
    """Say plainly what does not belong in a checkpoint's folder, before anything is copied."""
    if not any(_WEIGHTS.fullmatch(path.name) for path in source.iterdir()):
        raise AdapterError(
            f"{source} holds a {CONFIG} and neither {ADAPTER_CONFIG} nor model.safetensors; it is neither a PEFT "
            "adapter's folder nor a model's. Save the model with `save_pretrained`, which writes safetensors."
        )
    refuse_irregular(source, _is_allowed, f"{CONFIG} and the *.safetensors", "a model's folder")


def open_checkpoint(source: Path, private: Path) -> CheckpointFiles:
    """Copy `source` into the folder `private` and hash it.

    Raises AdapterError for anything unexpected, and where the index and the files that lie there do not agree.
    """
    refuse_unexpected(source)
    files = private_copy(source, private, allowed=_is_allowed, max_bytes=MAX_BYTES, refuse=AdapterError)
    _check_index(private, files)
    return CheckpointFiles(
        source=source,
        folder=private,
        files=files,
        config=read_object(private / CONFIG),
        training_record=read_training_record(private),
    )


def _is_allowed(name: str) -> bool:
    return name in _OTHERS or _WEIGHTS.fullmatch(name) is not None


def _check_index(folder: Path, files: FileSet) -> None:
    weights = {name for name in files.files if _WEIGHTS.fullmatch(name)}
    if INDEX not in files.files:
        if weights != {"model.safetensors"}:
            raise AdapterError(f"{folder.name} holds weights in several files and no {INDEX}. Save the model again.")
        return
    named = read_object(folder / INDEX, MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(named, dict) or not all(isinstance(file, str) for file in named.values()):
        raise AdapterError(f"{INDEX} holds no weight_map of names and files. Save the model again.")
    if set(named.values()) != weights:
        odd = sorted(set(named.values()) ^ weights)[0]
        raise AdapterError(f"{INDEX} and the files beside it do not agree (first: {odd!r}). Save the model again.")
