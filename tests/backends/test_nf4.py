"""NF4 on a CPU: three variants, and merged@nf4 is what somebody gets who loads the written merged model in NF4."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from asking import ADAPTER, BASE, MERGED, a_suite, answers, largest, requests_of, some_choices, some_prompts
from tiny_models import LLAMA, engine, make_adapter, random_model

from regress.demo.project import MODEL
from regress.errors import BackendError
from regress.schema import Precision, PromptStyle

SUITE = a_suite(some_prompts(4, seed=11), some_choices(4))


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NF4 works on blocks of 64 values."""
    return random_model(LLAMA, tmp_path_factory.mktemp("wide"), hidden_size=128, intermediate_size=192)


@pytest.mark.parametrize("use_dora", [False, True])
def test_merged_is_the_written_merged_model_loaded_in_nf4(wide: Path, tmp_path: Path, use_dora: bool) -> None:
    adapter = make_adapter(wide, tmp_path / "adapter", scale=0.2, use_dora=use_dora)
    precise = engine(wide)
    precise.attach(str(adapter))
    precise.save_merged(tmp_path / "merged")
    resident, written = engine(wide, Precision.NF4), engine(tmp_path / "merged", Precision.NF4)
    requests = requests_of(resident, SUITE)
    resident.attach(str(adapter))
    resident.use(MERGED)
    assert np.array_equal(resident.fingerprint(requests), written.fingerprint(requests))
    assert [r.logprobs for r in answers(resident, SUITE)] == [r.logprobs for r in answers(written, SUITE)]


def test_the_nf4_base_comes_back_bit_for_bit(wide: Path, tmp_path: Path) -> None:
    resident = engine(wide, Precision.NF4)
    requests = requests_of(resident, SUITE)
    before = resident.fingerprint(requests)
    assert largest(before, engine(wide).fingerprint(requests)) > 1e-3  # it is quantised
    packed = {n: p.data.clone() for n, p in resident.resident.model.named_parameters() if p.dtype is torch.uint8}
    assert len(packed) == 21
    resident.attach(str(make_adapter(wide, tmp_path / "adapter", scale=0.2)))
    for _ in range(2):
        resident.use(ADAPTER)
        adapter = resident.fingerprint(requests)
        resident.use(MERGED)
        merged = resident.fingerprint(requests)
        resident.use(BASE)
        assert np.array_equal(resident.fingerprint(requests), before)
        assert largest(adapter, before) > 0.05 < largest(merged, before)
    now = {
        name.removeprefix("base_model.model.").replace(".base_layer.", "."): p.data
        for name, p in resident.resident.model.named_parameters()
        if p.dtype is torch.uint8
    }
    assert now.keys() == packed.keys()
    assert all(torch.equal(now[name], packed[name]) for name in packed)


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_layers_that_nf4_leaves_alone_are_merged_unquantised(wide: Path, tmp_path: Path, target: str) -> None:
    adapter = make_adapter(wide, tmp_path / "adapter", scale=0.2, target_modules=[target, "q_proj"])
    resident = engine(wide, Precision.NF4)
    requests = requests_of(resident, SUITE)
    before = resident.fingerprint(requests)
    resident.attach(str(adapter))
    resident.use(MERGED)
    assert largest(resident.fingerprint(requests), before) > 0.05
    resident.use(BASE)
    assert np.array_equal(resident.fingerprint(requests), before)


def test_nf4_answers_to_the_embedded_model() -> None:
    suite = a_suite(["Repeat exactly: hill pencil"], prompt=PromptStyle.CHAT)
    assert answers(engine(MODEL, Precision.NF4), suite)[0].text == "hill pencil"


def test_an_nf4_model_is_not_written(wide: Path, tmp_path: Path) -> None:
    resident = engine(wide, Precision.NF4)
    resident.attach(str(make_adapter(wide, tmp_path / "adapter", scale=0.2)))
    with pytest.raises(BackendError, match="written in fp32 or bf16"):
        resident.save_merged(tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
