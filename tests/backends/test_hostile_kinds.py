"""Adapters of other kinds that PEFT would load, answer like the base with, or die of: refused, the base unharmed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asking import ADAPTER, a_suite, requests_of, some_prompts
from tiny_models import LLAMA, adapter_tensors, engine, random_model, write_tensors
from trained_adapters import train

from regress.backends.adapter_files import open_adapter
from regress.backends.hf import HFEngine
from regress.errors import AdapterError, BackendError

Damage = Callable[[Path], None]
KINDS = ("ia3", "adalora", "prompt", "prefix", "p_tuning")
SUITE = a_suite(some_prompts(2, seed=11))


def config(**changes: Any) -> Damage:
    def damage(adapter: Path) -> None:
        path = adapter / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return damage


def tensors(change: Callable[[str, torch.Tensor], torch.Tensor]) -> Damage:
    return lambda adapter: write_tensors(adapter, {n: change(n, t) for n, t in adapter_tensors(adapter).items()})


def renamed(adapter: Path) -> None:
    write_tensors(adapter, {n.replace("layers.", "blocks."): t for n, t in adapter_tensors(adapter).items()})


def one_pattern_more(adapter: Path) -> None:
    """A module that the base does not have."""
    path = adapter / "adapter_config.json"
    read = json.loads(path.read_text())
    read["rank_pattern"]["model.layers.9.self_attn.q_proj.lora_E"] = [True] * read["init_r"]
    path.write_text(json.dumps(read))


CASES: dict[str, tuple[str, Damage, str]] = {
    "ia3 of ones": ("ia3", tensors(lambda n, t: torch.ones_like(t)), "all 9 scaling vectors are one"),
    "ia3 renamed": ("ia3", renamed, "matching no module"),
    "ia3 transposed": ("ia3", tensors(lambda n, t: t.T.contiguous()), "has shape"),
    "ia3 NaN": ("ia3", tensors(lambda n, t: t * float("nan")), "NaN or infinity"),
    "ia3 regex": ("ia3", config(feedforward_modules="(a+)+$"), "must list literal module names"),
    "ia3 feeds forward what it does not target": ("ia3", config(feedforward_modules=["up_proj"]), "does not fit"),
    "ia3 the other way round": ("ia3", config(feedforward_modules=[]), "has shape"),
    "ia3 unknown": ("ia3", config(surprise=1), "surprise is 1, which this version does not know"),
    "adalora without singular values": (
        "adalora",
        tensors(lambda n, t: t * 0 if "lora_E" in n else t),
        "lists of singular values are zero",
    ),
    "adalora rank bomb": ("adalora", config(init_r=2_000_000_000), "a rank lies between 1 and 4096"),
    "adalora other rank": ("adalora", config(init_r=7), "singular values of"),
    "adalora pattern too long": (
        "adalora",
        config(rank_pattern={"model.layers.0.self_attn.q_proj.lora_E": [True] * 5000}),
        "must map literal module names to lists of true and false",
    ),
    "adalora pattern of numbers": (
        "adalora",
        config(rank_pattern={"model.layers.0.self_attn.q_proj.lora_E": [1] * 6}),
        "lists of true and false",
    ),
    "adalora pattern of no module": ("adalora", one_pattern_more, "does not fit this base model"),
    "adalora without its pattern": ("adalora", config(rank_pattern=None), "declares rank [6]"),
    "adalora never steps": ("adalora", config(total_step=None), "does not fit this base model"),
    "prompt without a number": ("prompt", config(num_virtual_tokens=None), "between 1 and 4096 virtual tokens"),
    "prompt bomb": ("prompt", config(num_virtual_tokens=10**9), "between 1 and 4096 virtual tokens"),
    "prompt of another length": ("prompt", config(num_virtual_tokens=9), "declares 9 virtual tokens, the weights have"),
    "prompt for a wider base": ("prompt", config(token_dim=128), "its token_dim is 128, this base's is 64"),
    "prompt of another width": ("prompt", tensors(lambda n, t: t[:, :-1].contiguous()), "has shape"),
    "prompt for two towers": ("prompt", config(num_transformer_submodules=2), "num_transformer_submodules is 2"),
    "prompt with a tokenizer's settings": (
        "prompt",
        config(tokenizer_kwargs={"trust_remote_code": True}),
        "tokenizer_kwargs is",
    ),
    "prompt and a whole module": ("prompt", config(modules_to_save=["lm_head"]), "modules_to_save is"),
    "prompt NaN": ("prompt", tensors(lambda n, t: t * float("inf")), "NaN or infinity"),
    "prefix for a deeper base": ("prefix", config(num_layers=4), "its num_layers is 4, this base's is 3"),
    "prefix for more heads": ("prefix", config(num_attention_heads=4), "num_attention_heads is 4, this base's is 2"),
    "prefix of vectors": ("prefix", tensors(lambda n, t: t[0].contiguous()), "virtual tokens, the weights have"),
    "prefix huge projection": ("prefix", config(encoder_hidden_size=10**9), "encoder_hidden_size is"),
    "p_tuning unknown encoder": ("p_tuning", config(encoder_reparameterization_type="GRU"), "encoder_reparam"),
    "another kind than its tensors": ("prompt", config(peft_type="PREFIX_TUNING"), "adapter_config.json: prompt_"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    base = random_model(LLAMA, folder / "base")
    for kind in KINDS:
        train(base, folder / kind, kind)
    return folder


@pytest.fixture(scope="module")
def resident(trained: Path) -> HFEngine:
    return engine(trained / "base")


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_and_the_base_is_as_before(case: str, trained: Path, resident: HFEngine, tmp_path: Path) -> None:
    kind, damage, reason = CASES[case]
    adapter = Path(shutil.copytree(trained / kind, tmp_path / "adapter"))
    requests = requests_of(resident, SUITE)
    before = resident.fingerprint(requests)
    damage(adapter)
    with pytest.raises(AdapterError) as refusal:
        resident.attach(str(open_adapter(adapter, tmp_path / "copy").folder))
    assert reason in str(refusal.value)
    assert np.array_equal(resident.fingerprint(requests), before)
    with pytest.raises(BackendError):
        resident.use(ADAPTER)


def test_the_one_as_it_was_trained_is_taken_after_all_that(trained: Path, resident: HFEngine, tmp_path: Path) -> None:
    for kind in KINDS:
        checks = resident.attach(str(open_adapter(trained / kind, tmp_path / kind).folder))
        assert all(check.ok for check in checks)
        resident.resident.detach()


def test_values_beyond_numbers_are_refused_by_the_trial(trained: Path, resident: HFEngine, tmp_path: Path) -> None:
    """Finite virtual tokens from which the base computes NaN."""
    adapter = Path(shutil.copytree(trained / "prefix", tmp_path / "adapter"))
    tensors(lambda n, t: t / t.abs().max() * 3e38)(adapter)
    with pytest.raises(BackendError, match="virtual tokens cannot be judged"):
        resident.attach(str(adapter))
