"""adapter_config.json through bounded schemas of our own, one for each kind of adapter that is judged.

PEFT would run regular expressions from it, build any rank, replicate layers without end and fetch tokenizers. What is
not named here must stand at its neutral value: PEFT writes every setting it knows, nearly all of them unused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from regress.errors import AdapterError

MAX_RANK = 4096
MAX_VIRTUAL_TOKENS = 4096
MAX_SIZE = 2**20

Rule = Callable[[Any], str | None]
"""A setting's value -> what is wrong with it, as the end of a sentence, or None."""

_LITERAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]{0,200}")
_LIBRARY = re.compile(r"transformers(\.[a-z0-9_]+){0,8}")
_NEUTRAL: tuple[Any, ...] = (None, False, {}, [])


def checked(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """`config` itself, the content of the file `name`; raises AdapterError for anything unknown or out of bounds."""
    kind = config.get("peft_type")
    if not isinstance(kind, str) or kind not in KINDS:
        raise AdapterError(f"{name}: peft_type is {kind!r}; this version judges {', '.join(sorted(KINDS))} adapters.")
    rules = KINDS[kind]
    for key, value in config.items():
        complaint = rules[key](value) if key in rules else _neutral(value)
        if complaint:
            raise AdapterError(f"{name}: {key} {complaint}")
    if kind in PROMPTS:
        if config.get("num_virtual_tokens") is None:
            raise AdapterError(f"{name} names no num_virtual_tokens, so the adapter changes nothing.")
    elif not config.get("target_modules"):
        raise AdapterError(f"{name}: target_modules is empty, so the adapter changes nothing.")
    if kind == "ADALORA":
        _check_patterns(config, name)
    return config


def _check_patterns(config: Mapping[str, Any], name: str) -> None:
    """AdaLoRA's rank_pattern says of each of the init_r singular values of a module whether it was kept."""
    rank = config.get("init_r")
    for module, kept in (config.get("rank_pattern") or {}).items():
        if len(kept) != rank:
            raise AdapterError(
                f"{name}: rank_pattern keeps or drops {len(kept)} singular values of {module}, and init_r is {rank}."
            )


def _neutral(value: Any, *others: Any) -> str | None:
    if any(value is neutral or value == neutral for neutral in (*_NEUTRAL, *others)):
        return None
    return f"is {json.dumps(value)[:80]}, which this version does not know how to judge."


def _only(*others: Any) -> Rule:
    """One of these values, or nothing."""
    return lambda value: _neutral(value, *others)


def _free_text(value: Any) -> str | None:
    return None if value is None or (isinstance(value, str) and len(value) <= 1000) else "is not a short text."


def _long_text(value: Any) -> str | None:
    """Read by nobody: what a prompt was initialised from."""
    return None if value is None or isinstance(value, str) else "is not a text."


def _rank(value: Any) -> str | None:
    return None if _is_whole(value, 1, MAX_RANK) else f"is {value!r}; a rank lies between 1 and {MAX_RANK}."


def _number(value: Any) -> str | None:
    return None if _is_number(value) else f"is {value!r}, not a positive number."


def _share(value: Any) -> str | None:
    return None if value == 0 or (_is_number(value) and value < 1) else f"is {value!r}, not a share."


def _weight(value: Any) -> str | None:
    return None if value == 0 or _is_number(value) else f"is {value!r}, neither 0 nor a positive number."


def _count(value: Any) -> str | None:
    return None if value is None or _is_whole(value, 0, 10**12) else f"is {value!r}, not a number of steps."


def _size(value: Any) -> str | None:
    return None if value is None or _is_whole(value, 1, MAX_SIZE) else f"is {value!r}, not a size."


def _virtual_tokens(value: Any) -> str | None:
    if _is_whole(value, 1, MAX_VIRTUAL_TOKENS):
        return None
    return f"is {value!r}; between 1 and {MAX_VIRTUAL_TOKENS} virtual tokens are judged."


def _class_of_transformers(value: Any) -> str | None:
    """Where no task type was given, PEFT writes what it would import to load the adapter by itself."""
    if value in (None, {}):
        return None
    fits = isinstance(value, dict) and value.keys() == {"base_model_class", "parent_library"}
    if fits and all(isinstance(part, str) for part in value.values()):
        fits = bool(_LITERAL.fullmatch(value["base_model_class"]) and _LIBRARY.fullmatch(value["parent_library"]))
    else:
        fits = False
    return None if fits else "names no class of transformers."


def _yes_or_no(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"is {value!r}, not true or false."


def _modules(value: Any) -> str | None:
    return None if value is None or _are_literals(value) else "must list literal module names (no patterns)."


def _targets(value: Any) -> str | None:
    return None if value == "all-linear" else _modules(value)


def _layers(value: Any) -> str | None:
    return None if value is None or _are_indices(value) else f"is {value!r}, not a list of layer numbers."


def _ranks_by_module(value: Any) -> str | None:
    fits = isinstance(value, dict) and all(
        _LITERAL.fullmatch(k) and _is_whole(v, 1, MAX_RANK) for k, v in value.items()
    )
    return None if fits else "must map literal module names to ranks."


def _numbers_by_module(value: Any) -> str | None:
    fits = isinstance(value, dict) and all(_LITERAL.fullmatch(k) and _is_number(v) for k, v in value.items())
    return None if fits else "must map literal module names to numbers."


def _kept_by_module(value: Any) -> str | None:
    fits = value is None or (
        isinstance(value, dict) and all(_LITERAL.fullmatch(k) and _is_kept(v) for k, v in value.items())
    )
    return None if fits else "must map literal module names to lists of true and false."


def _is_kept(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MAX_RANK and all(isinstance(kept, bool) for kept in value)


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


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
    return all(_is_whole(n, 0, 9_999) for n in numbers)


_COMMON: dict[str, Rule] = {
    "peft_type": _free_text,
    "peft_version": _free_text,
    "base_model_name_or_path": _free_text,
    "revision": _free_text,
    "task_type": _only("CAUSAL_LM"),
    "auto_mapping": _class_of_transformers,
    "inference_mode": _only(True),
}
_MODULES: dict[str, Rule] = {
    **_COMMON,
    "target_modules": _targets,
    "exclude_modules": _modules,
    "modules_to_save": _modules,
    "fan_in_fan_out": _yes_or_no,
}
_LORA: dict[str, Rule] = {
    **_MODULES,
    "r": _rank,
    "lora_alpha": _number,
    "lora_dropout": _share,
    "layers_pattern": _modules,
    "layers_to_transform": _layers,
    "megatron_core": _only("megatron.core"),
    "qalora_group_size": _only(16),
    "bias": _only("none"),
    "init_lora_weights": _only(True, "gaussian", "eva", "orthogonal"),  # the others rewrite the base's own weights
}
_PROMPT: dict[str, Rule] = {
    **_COMMON,
    "num_virtual_tokens": _virtual_tokens,
    "token_dim": _size,
    "num_attention_heads": _size,
    "num_layers": _size,
    "num_transformer_submodules": _only(1),
}

KINDS: dict[str, dict[str, Rule]] = {
    "LORA": {
        **_LORA,
        "use_rslora": _yes_or_no,
        "use_dora": _yes_or_no,
        "rank_pattern": _ranks_by_module,
        "alpha_pattern": _numbers_by_module,
    },
    "ADALORA": {
        **_LORA,
        "init_r": _rank,
        "target_r": _rank,
        "rank_pattern": _kept_by_module,
        "tinit": _count,
        "tfinal": _count,
        "deltaT": _count,
        "total_step": _count,
        "beta1": _share,
        "beta2": _share,
        "orth_reg_weight": _weight,
    },
    "IA3": {**_MODULES, "feedforward_modules": _modules, "init_ia3_weights": _yes_or_no},
    "PROMPT_TUNING": {
        **_PROMPT,
        "prompt_tuning_init": _only("RANDOM", "TEXT", "SAMPLE_VOCAB"),
        "prompt_tuning_init_text": _long_text,
        "tokenizer_name_or_path": _free_text,
    },
    "PREFIX_TUNING": {
        **_PROMPT,
        "prefix_projection": _yes_or_no,
        "encoder_hidden_size": _size,
        "init_weights": _only("zero"),
    },
    "P_TUNING": {
        **_PROMPT,
        "encoder_reparameterization_type": _only("MLP", "LSTM"),
        "encoder_hidden_size": _size,
        "encoder_num_layers": _size,
        "encoder_dropout": _share,
    },
}
"""Settings that may say something, by peft_type."""

PROMPTS = frozenset({"PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING"})
"""Kinds that put virtual tokens before every prompt: nothing of them can be merged into the base's weights."""
