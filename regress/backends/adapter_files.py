"""An adapter folder, read as untrusted input before any model library sees it.

The folder is copied to a private place while it is hashed, so what was judged is what was hashed. Only known names,
regular files and safetensors are taken, and adapter_config.json has to fit a bounded schema (`adapter_config`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.backends.adapter_config import PROMPTS, checked
from regress.errors import AdapterError
from regress.hashing.files import FileSet, private_copy
from regress.schema import Form, Group, Strength
from regress.strict_json import JsonFault, parse

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
TRAINING_RECORD = "regress_training.json"
FORGETTING_CURVE = "regress_forgetting.jsonl"
RESCUE_NOTE = "regress_rescue.json"
MAX_BYTES = 64 * 2**30
MAX_CONFIG_BYTES = 2**20

ALLOWED = frozenset(
    {
        CONFIG,
        WEIGHTS,
        TRAINING_RECORD,
        FORGETTING_CURVE,
        RESCUE_NOTE,
        "README.md",
        "LICENSE",
        "tokenizer.json",
        "tokenizer_config.json",
        "tokenizer.model",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
        "chat_template.jinja",
        "generation_config.json",
    }
)
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SCALES = {f"{k / 16:g}": k / 16 for k in range(1, 17)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueNote:
    """What `regress rescue` says of an adapter that it derived from another one."""

    source: str  # digest of the adapter that was trained
    strength: Strength


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFiles:
    """A private, hashed copy of an adapter folder."""

    source: Path
    folder: Path
    files: FileSet
    config: Mapping[str, Any]
    training_record: Mapping[str, Any] | None
    rescue_note: RescueNote | None

    @property
    def digest(self) -> str:
        return self.files.digest

    @property
    def form(self) -> Form:
        return form_of(self.config)

    @property
    def virtual_tokens(self) -> int:
        """Positions of the context window that the adapter takes from every prompt."""
        return int(self.config.get("num_virtual_tokens") or 0)

    @property
    def base_name(self) -> str | None:
        """The base that the adapter names; a name proves nothing, so it is only reported."""
        name = self.config.get("base_model_name_or_path")
        return name if isinstance(name, str) else None


def open_adapter(source: Path, private: Path) -> AdapterFiles:
    """Copy `source` into the folder `private`, hash it and check its configuration.

    Raises AdapterError for a folder that is missing, holds anything unexpected, or asks for what is not judged.
    """
    refuse_unexpected(source)
    files = private_copy(source, private, allowed=ALLOWED.__contains__, max_bytes=MAX_BYTES, refuse=AdapterError)
    config = read_config(private)
    return AdapterFiles(
        source=source,
        folder=private,
        files=files,
        config=config,
        training_record=read_training_record(private),
        rescue_note=read_rescue_note(private),
    )


def take_adapter(checkpoint: Path, target: Path) -> None:
    """Copy the adapter's own files out of a trainer's checkpoint into the new folder `target`.

    Optimiser states and whatever else lies there are neither opened nor judged. Raises AdapterError where the adapter's
    files are not there, or are no regular files.
    """
    if not checkpoint.is_dir():
        raise AdapterError(f"{checkpoint} is not a folder: give folders that hold {CONFIG} and {WEIGHTS}.")
    for name in (CONFIG, WEIGHTS):
        if not (checkpoint / name).is_file():
            raise AdapterError(f"{checkpoint} holds no {name}; it is no checkpoint of a PEFT adapter in safetensors.")
    private_copy(
        checkpoint,
        target,
        allowed=ALLOWED.__contains__,
        max_bytes=MAX_BYTES,
        refuse=AdapterError,
        leave_others=True,
    )


def refuse_unexpected(source: Path) -> None:
    """Say plainly what does not belong in an adapter folder, before anything is copied."""
    if not source.is_dir():
        raise AdapterError(f"{source} is not a folder: give the folder that holds {CONFIG} and {WEIGHTS}.")
    names = sorted(path.name for path in source.iterdir())
    for name in (CONFIG, WEIGHTS):
        if name not in names:
            hint = (
                " (adapter_model.bin is a pickle: save it again as safetensors)" if "adapter_model.bin" in names else ""
            )
            raise AdapterError(f"{source} holds no {name}{hint}; it is not a PEFT adapter folder.")
    refuse_irregular(source, ALLOWED.__contains__, f"{CONFIG} and {WEIGHTS}", "an adapter folder")


def refuse_irregular(source: Path, allowed: Callable[[str], bool], needed: str, what: str) -> None:
    """Raises AdapterError for pickles, for what is no regular file, and for names that have no place there."""
    for path in sorted(source.iterdir()):
        if path.name.endswith(PICKLES):
            raise AdapterError(
                f"{path} is a pickle, which can run code when it is loaded. Copy {needed} (and the tokenizer files, if "
                "any) to a clean folder and check that one."
            )
        if path.is_symlink() or not path.is_file():
            raise AdapterError(f"{path} is not a regular file. Copy the files themselves to a clean folder.")
        if not allowed(path.name):
            raise AdapterError(f"{path} does not belong in {what}. Copy {needed} to a clean folder and check that one.")


def form_of(config: Mapping[str, Any]) -> Form:
    """Of a configuration that was checked."""
    return Form.PROMPT if config["peft_type"] in PROMPTS else Form.WEIGHTS


def read_config(folder: Path) -> Mapping[str, Any]:
    """adapter_config.json through the bounded schema of its kind."""
    return checked(read_object(folder / CONFIG), CONFIG)


def read_training_record(folder: Path) -> Mapping[str, Any] | None:
    """regress_training.json, where the adapter was trained under a lock."""
    path = folder / TRAINING_RECORD
    return read_object(path) if path.exists() else None


def read_rescue_note(folder: Path) -> RescueNote | None:
    """regress_rescue.json, where the adapter is a weakened copy; raises AdapterError for anything but our own words."""
    path = folder / RESCUE_NOTE
    if not path.exists():
        return None
    note = read_object(path)
    source, scale, without = note.get("from"), note.get("scale"), note.get("without")
    known = isinstance(scale, str) and scale in _SCALES and (without is None or without in list(Group))
    if not known or not isinstance(source, str) or not _DIGEST.fullmatch(source):
        raise AdapterError(f"{path.name} is not what `regress rescue` writes. Rescue the adapter again.")
    strength = Strength(scale=_SCALES[str(scale)], without=None if without is None else Group(without))
    return RescueNote(source=source, strength=strength)


def read_object(path: Path, most: int = MAX_CONFIG_BYTES) -> dict[str, Any]:
    """A small file as strict JSON; raises AdapterError for anything but an object with each key once."""
    raw = path.read_bytes()
    if len(raw) > most:
        raise AdapterError(f"{path.name} is larger than {most:,} bytes.")
    try:
        parsed = parse(raw)
    except JsonFault as reason:
        raise AdapterError(f"{path.name} is not JSON: {reason}") from reason
    if not isinstance(parsed.value, dict) or parsed.duplicate_keys:
        raise AdapterError(f"{path.name} is not a JSON object with each key once.")
    return parsed.value
