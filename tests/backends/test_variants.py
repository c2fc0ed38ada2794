"""Base, adapter and merged model from one set of weights, for every kind of LoRA that we judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asking import ADAPTER, BASE, MERGED, a_suite, answers, largest, next_log_probs, requests_of, some_prompts
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tiny_models import FAMILIES, GPT2, LLAMA, Family, engine, make_adapter, plain_model, random_model

from regress.backends.adapter_files import open_adapter
from regress.backends.hf import HFEngine
from regress.errors import BackendError
from regress.schema import Precision

SUITE = a_suite(some_prompts(4, seed=11))

LLAMA_CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "rank_pattern": {"rank_pattern": {"q_proj": 2, "layers.1.mlp.down_proj": 7}, "alpha_pattern": {"v_proj": 3}},
    "rslora": {"use_rslora": True},
    "no_task_type": {"task_type": None},
    "dora": {"use_dora": True},
    "modules_to_save": {"modules_to_save": ["lm_head"]},
    "norm_to_save": {"modules_to_save": ["norm"]},
    "one_layer": {"layers_to_transform": [1]},
    "all_linear": {"target_modules": "all-linear"},
    "lm_head": {"target_modules": ["lm_head"]},
    "embeddings": {"target_modules": ["embed_tokens", "q_proj"]},
}
GPT2_CASES: dict[str, dict[str, Any]] = {
    "conv1d": {"fan_in_fan_out": True},
    "conv1d_dora": {"fan_in_fan_out": True, "use_dora": True},
    "conv1d_rslora": {"fan_in_fan_out": True, "use_rslora": True},
}


def weights_of(resident: HFEngine) -> dict[str, torch.Tensor]:
    """The base's own tensors by plain name, wherever PEFT has moved them."""
    state = resident.resident.model.state_dict()
    own = {
        name.removeprefix("base_model.model.").replace(".base_layer.", ".").replace(".original_module.", "."): tensor
        for name, tensor in state.items()
        if "lora_" not in name and ".modules_to_save." not in name
    }
    return {name: tensor.detach().clone() for name, tensor in own.items()}


def check_variants(folder: Path, adapter: Path) -> None:
    """Every variant in turn, twice, against plain models and against the base before."""
    resident = engine(folder)
    requests = requests_of(resident, SUITE)
    before, untouched = resident.fingerprint(requests), weights_of(resident)
    checks = resident.attach(str(adapter))
    assert all(check.ok for check in checks)
    expected = next_log_probs(PeftModel.from_pretrained(plain_model(folder), str(adapter)).eval(), requests)
    assert largest(expected, before) > 0.05  # the adapter matters
    for _ in range(2):
        resident.use(ADAPTER)
        assert largest(resident.fingerprint(requests), expected) <= 1e-5
        resident.use(MERGED)
        assert largest(resident.fingerprint(requests), expected) <= 1e-3
        resident.use(BASE)
        assert np.array_equal(resident.fingerprint(requests), before)
    now = weights_of(resident)
    assert now.keys() == untouched.keys()
    assert all(torch.equal(now[name], tensor) for name, tensor in untouched.items())


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(LLAMA, tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(GPT2, tmp_path_factory.mktemp("gpt2"))


@pytest.mark.parametrize("case", LLAMA_CASES)
def test_merged_equals_adapter_and_the_base_comes_back(case: str, llama: Path, tmp_path: Path) -> None:
    check_variants(llama, make_adapter(llama, tmp_path / case, scale=0.2, **LLAMA_CASES[case]))


@pytest.mark.parametrize("case", GPT2_CASES)
def test_transposed_weights_merge_the_right_way_round(case: str, gpt2: Path, tmp_path: Path) -> None:
    settings = {"target_modules": list(GPT2.modules), **GPT2_CASES[case]}
    check_variants(gpt2, make_adapter(gpt2, tmp_path / case, scale=0.2, **settings))


@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in (LLAMA, GPT2)], ids=str)
def test_every_family_merges_and_restores(family: Family, tmp_path: Path) -> None:
    folder = random_model(family, tmp_path / "model")
    check_variants(folder, make_adapter(folder, tmp_path / "adapter", scale=0.2, target_modules=list(family.modules)))


def test_a_checkpoint_with_other_tensor_names_is_restored_from_a_copy(gpt2: Path, tmp_path: Path) -> None:
    """The published GPT-2 files call their tensors `h.0...`, the module `transformer.h.0...`."""
    path = tmp_path / "model.safetensors"
    tensors = load_file(gpt2 / "model.safetensors")
    for file in gpt2.iterdir():
        if file.name != path.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    save_file({name.removeprefix("transformer."): t for name, t in tensors.items()}, path, metadata={"format": "pt"})
    settings: dict[str, Any] = {"target_modules": list(GPT2.modules), "fan_in_fan_out": True}
    check_variants(tmp_path, make_adapter(tmp_path, tmp_path / "adapter", scale=0.2, **settings))


def test_a_sharded_checkpoint_is_restored_from_its_shards(llama: Path, tmp_path: Path) -> None:
    for file in llama.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    plain_model(llama).save_pretrained(str(tmp_path), max_shard_size="200KB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    check_variants(tmp_path, make_adapter(tmp_path, tmp_path / "adapter", scale=0.2))


def test_answers_follow_the_variant(llama: Path, tmp_path: Path) -> None:
    adapter = make_adapter(llama, tmp_path / "adapter", scale=0.3)
    resident = engine(llama)
    base = [reply.text for reply in answers(resident, SUITE)]
    resident.attach(str(adapter))
    said = {}
    for variant in (BASE, ADAPTER, MERGED, BASE):
        resident.use(variant)
        said[variant] = [reply.text for reply in answers(resident, SUITE)]
    assert said[BASE] == base
    assert said[ADAPTER] == said[MERGED] != base


def test_a_second_adapter_takes_the_first_ones_place(llama: Path, tmp_path: Path) -> None:
    one = make_adapter(llama, tmp_path / "one", scale=0.2, seed=1, modules_to_save=["norm"])
    two = make_adapter(llama, tmp_path / "two", scale=0.2, seed=2, target_modules=["o_proj"])
    resident, fresh = engine(llama), engine(llama)
    requests = requests_of(resident, SUITE)
    resident.attach(str(one))
    resident.use(MERGED)
    resident.attach(str(two))
    fresh.attach(str(two))
    for variant in (BASE, ADAPTER, MERGED):
        resident.use(variant)
        fresh.use(variant)
        assert np.array_equal(resident.fingerprint(requests), fresh.fingerprint(requests)), variant


def test_without_an_adapter_there_is_only_the_base(llama: Path) -> None:
    resident = engine(llama)
    resident.use(BASE)
    for variant in (ADAPTER, MERGED):
        with pytest.raises(BackendError, match="no adapter is attached"):
            resident.use(variant)


def test_bf16_rounds_the_merged_weight_once(llama: Path, tmp_path: Path) -> None:
    """Merged in bf16 is the float32 merge rounded to bf16, weight for weight; and the base comes back."""
    adapter = make_adapter(llama, tmp_path / "adapter", scale=0.2)
    resident, precise = engine(llama, Precision.BF16), engine(llama)
    requests = requests_of(resident, SUITE)
    before = resident.fingerprint(requests)
    for e in (resident, precise):
        e.attach(str(adapter))
        e.use(MERGED)
    merged, exact = weights_of(resident), weights_of(precise)
    assert merged.keys() == exact.keys()
    assert all(merged[name].dtype is torch.bfloat16 for name in merged if "rotary" not in name)
    assert all(torch.equal(merged[name], tensor.to(merged[name].dtype)) for name, tensor in exact.items())
    resident.use(BASE)
    assert np.array_equal(resident.fingerprint(requests), before)


def test_an_adapter_made_without_a_task_type_is_taken(llama: Path, tmp_path: Path) -> None:
    """PEFT then writes an auto_mapping, which names the base's class."""
    adapter = make_adapter(llama, tmp_path / "adapter", scale=0.2, task_type=None)
    assert "LlamaForCausalLM" in (adapter / "adapter_config.json").read_text()
    assert open_adapter(adapter, tmp_path / "copy").folder == tmp_path / "copy"
