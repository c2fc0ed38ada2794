"""An adapter folder, read as untrusted input before any model library sees it.

The folder is copied to a private place while it is hashed, so what was judged is what was hashed. Only known names,
regular files and safetensors are taken, and adapter_config.json has to fit a bounded schema of our own: PEFT would run
regular expressions from it, build any rank, and replicate layers without end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.errors import AdapterError
from regress.hashing.files import FileSet, private_copy
from regress.schema import Group, Strength
from regress.strict_json import JsonFault, parse

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
TRAINING_RECORD = "regress_training.json"
FORGETTING_CURVE = "regress_forgetting.jsonl"
RESCUE_NOTE = "regress_rescue.json"
MAX_RANK = 4096
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

_LITERAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]{0,200}")
_LIBRARY = re.compile(r"transformers(\.[a-z0-9_]+){0,8}")
# What may stand under a key that is not handled below: PEFT writes every setting, nearly all at their neutral value.
_NEUTRAL: tuple[Any, ...] = (None, False, {}, [])
_NEUTRAL_BY_KEY: dict[str, tuple[Any, ...]] = {
    "megatron_core": ("megatron.core",),
    "qalora_group_size": (16,),
    "inference_mode": (True,),
    "bias": ("none",),
    "init_lora_weights": (True, "gaussian", "eva", "orthogonal"),  # the others rewrite the base's own weights
    "task_type": ("CAUSAL_LM",),
    "peft_type": ("LORA",),
}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SCALES = {f"{k / 16:g}": k / 16 for k in range(1, 17)}
_FREE_TEXT = frozenset({"peft_version", "base_model_name_or_path", "revision"})


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
    def base_name(self) -> str | None:
        """The base that the adapter names; a name proves nothing, so it is only reported."""
        name = self.config.get("base_model_name_or_path")
        return name if isinstance(name, str) else None


def open_adapter(source: Path, private: Path) -> AdapterFiles:
    """Copy `source` into the folder `private`, hash it and check its configuration.

    Raises AdapterError for a folder that is missing, holds anything unexpected, or asks for more than plain LoRA.
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
    for name in names:
        path = source / name
        if name.endswith(PICKLES):
            raise AdapterError(
                f"{path} is a pickle, which can run code when it is loaded. Copy {CONFIG} and {WEIGHTS} (and the "
                "tokenizer files, if any) to a clean folder and check that one."
            )
        if path.is_symlink() or not path.is_file():
            raise AdapterError(f"{path} is not a regular file. Copy the adapter's files to a clean folder.")
        if name not in ALLOWED:
            raise AdapterError(f"{path} does not belong in an adapter folder. Allowed: {', '.join(sorted(ALLOWED))}.")


def read_config(folder: Path) -> Mapping[str, Any]:
    """adapter_config.json through the bounded schema."""
    path = folder / CONFIG
    config = _read_json(path)
    if config.get("peft_type") != "LORA":
        raise AdapterError(f"{path.name}: peft_type is {config.get('peft_type')!r}; this version judges LORA adapters.")
    for key, value in config.items():
        complaint = _complaint(key, value)
        if complaint:
            raise AdapterError(f"{path.name}: {key} {complaint}")
    if not config.get("target_modules"):
        raise AdapterError(f"{path.name}: target_modules is empty, so the adapter changes nothing.")
    return config


def _is_of_transformers(mapping: Any) -> bool:
    """PEFT imports what this names when it loads an adapter by itself."""
    if not isinstance(mapping, dict) or mapping.keys() != {"base_model_class", "parent_library"}:
        return False
    name, library = mapping["base_model_class"], mapping["parent_library"]
    texts = isinstance(name, str) and isinstance(library, str)
    return texts and bool(_LITERAL.fullmatch(name)) and bool(_LIBRARY.fullmatch(library))


def _complaint(key: str, value: Any) -> str | None:
    """What is wrong with one setting, or None."""
    if key in _FREE_TEXT:
        return None if value is None or (isinstance(value, str) and len(value) <= 1000) else "is not a short text."
    match key:
        case "r":
            return None if _is_rank(value) else f"is {value!r}; a rank lies between 1 and {MAX_RANK}."
        case "lora_alpha":
            return None if _is_number(value) else f"is {value!r}, not a positive number."
        case "lora_dropout":
            return None if value == 0 or (_is_number(value) and value < 1) else f"is {value!r}, not a share."
        case "use_rslora" | "use_dora" | "fan_in_fan_out":
            return None if isinstance(value, bool) else f"is {value!r}, not true or false."
        case "target_modules" if value == "all-linear":
            return None
        case "target_modules" | "modules_to_save" | "exclude_modules" | "layers_pattern":
            return None if value is None or _are_literals(value) else "must list literal module names (no patterns)."
        case "layers_to_transform":
            return None if value is None or _are_indices(value) else f"is {value!r}, not a list of layer numbers."
        case "auto_mapping":  # PEFT writes it where the task type was not given
            return None if value in (None, {}) or _is_of_transformers(value) else "names no class of transformers."
        case "rank_pattern":
            fits = isinstance(value, dict) and all(_LITERAL.fullmatch(k) and _is_rank(v) for k, v in value.items())
            return None if fits else "must map literal module names to ranks."
        case "alpha_pattern":
            fits = isinstance(value, dict) and all(_LITERAL.fullmatch(k) and _is_number(v) for k, v in value.items())
            return None if fits else "must map literal module names to numbers."
    if any(value is neutral or value == neutral for neutral in (*_NEUTRAL, *_NEUTRAL_BY_KEY.get(key, ()))):
        return None
    return f"is {json.dumps(value)[:80]}, which this version does not know how to judge."


def _is_rank(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_RANK


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e6


def _are_literals(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= 10_000
        and all(isinstance(name, str) and _LITERAL.fullmatch(name) for name in value)
    )


def _are_indices(value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 10_000 for n in numbers)


def read_training_record(folder: Path) -> Mapping[str, Any] | None:
    """regress_training.json, where the adapter was trained under a lock."""
    path = folder / TRAINING_RECORD
    return _read_json(path) if path.exists() else None


def read_rescue_note(folder: Path) -> RescueNote | None:
    """regress_rescue.json, where the adapter is a weakened copy; raises AdapterError for anything but our own words."""
    path = folder / RESCUE_NOTE
    if not path.exists():
        return None
    note = _read_json(path)
    source, scale, without = note.get("from"), note.get("scale"), note.get("without")
    known = isinstance(scale, str) and scale in _SCALES and (without is None or without in list(Group))
    if not known or not isinstance(source, str) or not _DIGEST.fullmatch(source):
        raise AdapterError(f"{path.name} is not what `regress rescue` writes. Rescue the adapter again.")
    strength = Strength(scale=_SCALES[str(scale)], without=None if without is None else Group(without))
    return RescueNote(source=source, strength=strength)


def _read_json(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    if len(raw) > MAX_CONFIG_BYTES:
        raise AdapterError(f"{path.name} is larger than {MAX_CONFIG_BYTES:,} bytes.")
    try:
        parsed = parse(raw)
    except JsonFault as reason:
        raise AdapterError(f"{path.name} is not JSON: {reason}") from reason
    if not isinstance(parsed.value, dict) or parsed.duplicate_keys:
        raise AdapterError(f"{path.name} is not a JSON object with each key once.")
    return parsed.value
