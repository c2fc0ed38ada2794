"""A base model's folder: where it is, what its weights, tokenizer and chat template digest to.

Weights are streamed, several files at once, and never remembered between processes: a cache keyed by path and time
would vouch for bytes that nobody read. A local folder and a Hugging Face snapshot may both hold symlinks (the hub's
cache is made of them), so weights are followed to the file itself; unlike an adapter, the base is the user's own
choice, and its digest is in the lock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from regress.errors import ModelError
from regress.hashing.files import FileEntry, FileSet, digest_bytes, digest_file

WEIGHT_FILES = ("*.safetensors", "model.safetensors.index.json", "config.json", "generation_config.json")
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
)
TEMPLATE_FILE = "chat_template.jinja"
DOWNLOADED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")  # never .bin or .py: no pickle, no code
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")

_INDEX = "model.safetensors.index.json"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?")
_MAX_JSON = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """What a model folder holds. `weights` covers the tensors, their index and the two model configurations."""

    folder: Path
    weights: FileSet
    tokenizer: FileSet
    template: str | None

    @property
    def digest(self) -> str:
        """What a lock and a manifest call the base."""
        return self.weights.digest

    @property
    def tokenizer_digest(self) -> str:
        """Over the tokenizer's files; the template in `chat_template.jinja` is not one of them."""
        return self.tokenizer.digest

    @property
    def template_digest(self) -> str | None:
        """Over the chat template's text."""
        return None if self.template is None else digest_bytes(self.template.encode("utf-8"))


def locate_model(model: str, revision: str | None, relative_to: Path, *, key: str = "base") -> Path:
    """The folder that holds `model`: a folder relative to `relative_to`, or a hub id, downloaded unless cached.

    `key` of regress.yaml names it. HF_HUB_OFFLINE keeps a hub id to the cache. Raises ModelError where there is
    neither, and for a `revision` with a folder, which would be ignored.
    """
    folder = relative_to / model
    if folder.is_dir():
        if revision is not None:
            raise ModelError(f"{key} {model} is a folder, which has no revision {revision!r}; remove the revision.")
        return folder.resolve()
    if folder.exists() or not _HUB_ID.fullmatch(model):
        raise ModelError(
            f"{key} {model} is no folder at {folder} and no hub id; correct `{key}.model` in regress.yaml."
        )
    return _download(model, revision, key)


def read_model(folder: Path) -> ModelFiles:
    """Digest a base model's folder.

    Raises ModelError where config.json, weights or tokenizer are missing, where the weights exist as pickle only, where
    the index names a shard that is not there, and for anything unreadable.
    """
    return ModelFiles(
        folder=folder, weights=weight_files(folder), tokenizer=tokenizer_files(folder), template=chat_template(folder)
    )


def weight_files(folder: Path) -> FileSet:
    """The files that decide what the network computes; raises ModelError as `read_model` does."""
    names = _names(folder)
    if not any(name.endswith(".safetensors") for name in names):
        pickled = sorted(name for name in names if _matches(name, PICKLED))
        if pickled:
            raise ModelError(
                f"{folder} holds pickled weights only ({pickled[0]}), which run code when loaded; save the model again"
                " with `save_pretrained`, which writes safetensors."
            )
        raise ModelError(f"{folder} holds no *.safetensors weights; name the folder of a saved model.")
    if "config.json" not in names:
        raise ModelError(f"{folder} holds no config.json; name the folder of a saved model.")
    if _INDEX in names:
        _check_shards(folder, names)
    return _digest_followed(folder, (name for name in names if _matches(name, WEIGHT_FILES)))


def tokenizer_files(folder: Path) -> FileSet:
    """The files that decide how text becomes tokens; raises ModelError where there is none."""
    names = [name for name in _names(folder) if _matches(name, TOKENIZER_FILES)]
    if not names:
        raise ModelError(f"{folder} holds no tokenizer; save it beside the model with `save_pretrained`.")
    return _digest_followed(folder, names)


def chat_template(folder: Path) -> str | None:
    """The chat template's text: of chat_template.jinja, which wins in transformers, else of tokenizer_config.json.

    Raises ModelError where tokenizer_config.json holds several templates and none is called `default`.
    """
    file = folder / TEMPLATE_FILE
    if file.is_file():
        return _read_text(file)
    config = folder / "tokenizer_config.json"
    if not config.is_file():
        return None
    template = _read_object(config).get("chat_template")
    if isinstance(template, list):  # [{"name": ..., "template": ...}], the older form
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default", template)
    if template is None or isinstance(template, str):
        return template
    raise ModelError(f"{config} holds no chat template called 'default'; keep one template as {TEMPLATE_FILE}.")


def _download(model: str, revision: str | None, key: str) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415  costs 0.3 s, and most commands need no hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError  # noqa: PLC0415

    try:
        found = snapshot_download(model, revision=revision, allow_patterns=list(DOWNLOADED), ignore_patterns=["*/*"])
    except (HfHubHTTPError, HFValidationError, OSError) as error:  # LocalEntryNotFoundError is an OSError
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"{key} {model} (revision {revision or 'main'}) cannot be fetched from the hub: {reason} Check the name and"
            " the network, or name a folder that holds the model."
        ) from error
    return Path(found)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise ModelError(f"cannot open the model folder {folder}: {error.strerror}.") from error


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _check_shards(folder: Path, names: Iterable[str]) -> None:
    shards = _read_object(folder / _INDEX).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise ModelError(f"{folder / _INDEX} holds no weight_map; save the model again.")
    missing = sorted({str(shard) for shard in shards.values()} - set(names))
    if missing:
        raise ModelError(f"{folder} lacks {len(missing)} of its weight files (first: {missing[0]}); fetch it again.")


def _digest_followed(folder: Path, names: Iterable[str]) -> FileSet:
    ordered = sorted(names)

    def entry(name: str) -> FileEntry:
        try:
            target = (folder / name).resolve(strict=True)
        except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links, before Python 3.13
            raise ModelError(f"{folder / name} leads nowhere; fetch the model again.") from error
        return digest_file(target, refuse=ModelError)

    with ThreadPoolExecutor(max_workers=min(8, len(ordered))) as pool:  # hashing and reading release the GIL
        return FileSet(files=MappingProxyType(dict(zip(ordered, pool.map(entry, ordered), strict=True))))


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_JSON:
            raise ModelError(f"{path} is larger than {_MAX_JSON} bytes; that is no configuration file.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot read {path}: {error}.") from error


def _read_object(path: Path) -> dict[str, object]:
    try:
        value = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no JSON object.")
    return value
