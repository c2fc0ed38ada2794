"""IA3 and AdaLoRA merge like LoRA; virtual tokens stand before every prompt: against PEFT's own forward."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asking import (
    ADAPTER,
    BASE,
    MERGED,
    a_suite,
    answers,
    largest,
    next_log_probs,
    requests_of,
    some_choices,
    some_prompts,
)
from peft import PeftModel
from tiny_models import END, FAMILIES, GPT2, LLAMA, Family, engine, plain_model, random_model
from trained_adapters import PROMPTS, WEIGHTS, train
from transformers import AutoTokenizer

from regress.backends.protocol import Request
from regress.errors import BackendError
from regress.schema import Precision

WRITING = a_suite(some_prompts(6, seed=11), max_new_tokens=10)
CHOOSING = a_suite(some_prompts(6, seed=12), some_choices(6))
QWEN = FAMILIES[1]  # biases on q, k and v


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(LLAMA, tmp_path_factory.mktemp("llama"))


def peft_model(base: Path, adapter: Path) -> Any:
    return PeftModel.from_pretrained(plain_model(base), str(adapter)).eval()


def with_biases(folder: Path) -> Path:
    """Random biases in place of the zeros that models begin with."""
    model = plain_model(folder)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.3)
    model.save_pretrained(str(folder))
    return folder


CASES: dict[str, tuple[str, Family, dict[str, Any]]] = {
    "ia3": ("ia3", LLAMA, {}),
    "ia3 and a whole module": ("ia3", LLAMA, {"modules_to_save": ["norm"]}),
    "ia3 with biases": ("ia3", QWEN, {"target_modules": ["q_proj", "v_proj", "up_proj"], "feedforward_modules": []}),
    "ia3 transposed": (
        "ia3",
        GPT2,
        {"target_modules": ["c_attn", "mlp.c_proj"], "feedforward_modules": ["mlp.c_proj"], "fan_in_fan_out": True},
    ),
    "adalora": ("adalora", LLAMA, {}),
    "adalora unpruned": ("adalora", LLAMA, {"tinit": 20, "total_step": 100}),
    "adalora transposed": ("adalora", GPT2, {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_merged_equals_adapter_and_the_base_comes_back(case: str, tmp_path: Path) -> None:
    kind, family, settings = CASES[case]
    base = with_biases(random_model(family, tmp_path / "base"))
    adapter = train(base, tmp_path / "adapter", kind, **settings)
    resident = engine(base)
    requests = requests_of(resident, WRITING)
    before = resident.fingerprint(requests)
    names = {name: tensor.clone() for name, tensor in resident.resident.model.state_dict().items()}
    expected = next_log_probs(peft_model(base, adapter), requests)
    assert all(check.ok for check in resident.attach(str(adapter)))
    assert largest(expected, before) > 0.05
    for _ in range(2):
        resident.use(ADAPTER)
        assert largest(resident.fingerprint(requests), expected) <= 1e-5
        resident.use(MERGED)
        assert largest(resident.fingerprint(requests), expected) <= 1e-3
        resident.use(BASE)
        assert np.array_equal(resident.fingerprint(requests), before)
    resident.resident.detach()
    now = resident.resident.model.state_dict()
    assert now.keys() == names.keys()
    assert all(torch.equal(now[name], tensor) for name, tensor in names.items())


@pytest.mark.parametrize("kind", WEIGHTS)
def test_the_written_merged_model_answers_like_the_variant(kind: str, tmp_path: Path) -> None:
    base = with_biases(random_model(QWEN, tmp_path / "base"))
    resident = engine(base)
    requests = requests_of(resident, WRITING)
    resident.attach(str(train(base, tmp_path / "adapter", kind)))
    resident.use(MERGED)
    merged = resident.fingerprint(requests)
    resident.save_merged(tmp_path / "merged")
    assert largest(merged, next_log_probs(plain_model(tmp_path / "merged"), requests)) <= 1e-5


@pytest.mark.parametrize("kind", WEIGHTS)
def test_merged_at_nf4_is_the_written_merged_model_loaded_in_nf4(kind: str, tmp_path: Path) -> None:
    base = with_biases(random_model(QWEN, tmp_path / "base", hidden_size=128, intermediate_size=192))
    adapter = train(base, tmp_path / "adapter", kind)
    precise = engine(base)
    precise.attach(str(adapter))
    precise.save_merged(tmp_path / "merged")
    resident, written = engine(base, Precision.NF4), engine(tmp_path / "merged", Precision.NF4)
    requests = requests_of(resident, WRITING)
    before = resident.fingerprint(requests)
    resident.attach(str(adapter))
    resident.use(ADAPTER)
    attached = resident.fingerprint(requests)
    resident.use(MERGED)
    assert np.array_equal(resident.fingerprint(requests), written.fingerprint(requests))
    assert largest(attached, before) > 0.01
    resident.use(BASE)
    assert np.array_equal(resident.fingerprint(requests), before)


def naive_sums(model: Any, request: Request) -> list[float]:
    """As `asking.naive_sums`, for a model that puts positions of its own before the prompt's."""
    sums = []
    for choice in request.choices:
        ids = torch.tensor([[*request.prompt, *choice]])
        with torch.inference_mode():
            log_probs = torch.log_softmax(model(input_ids=ids).logits[0].float(), dim=-1)
        start = len(log_probs) - len(choice) - 1
        sums.append(sum(log_probs[start + k, token].item() for k, token in enumerate(choice)))
    return sums


def naive_text(model: Any, request: Request, base: Path, count: int) -> str:
    """Greedy, one whole forward pass a token."""
    written: list[int] = []
    while len(written) < count and written[-1:] != [END]:
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([[*request.prompt, *written]])).logits[0, -1]
        written.append(int(logits.argmax()))
    decode = AutoTokenizer.from_pretrained(str(base)).decode
    return str(decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def check_prompt(base: Path, adapter: Path, tolerance: float = 2e-4) -> None:
    resident = engine(base)
    before = resident.fingerprint(requests_of(resident, WRITING))
    unattached = answers(resident, CHOOSING)
    checks = {check.name: check for check in resident.attach(str(adapter))}
    assert "shared by all prompts" in checks["virtual-tokens"].detail
    expected = peft_model(base, adapter)
    resident.use(ADAPTER)
    assert largest(resident.fingerprint(requests_of(resident, WRITING)), before) > 0.05
    for request, reply in zip(requests_of(resident, CHOOSING), answers(resident, CHOOSING), strict=True):
        assert np.abs(np.array(reply.logprobs) - naive_sums(expected, request)).max() <= tolerance
    for request, reply in zip(requests_of(resident, WRITING), answers(resident, WRITING), strict=True):
        assert reply.text == naive_text(expected, request, base, 10)
    with pytest.raises(BackendError, match="cannot be merged"):
        resident.use(MERGED)
    resident.use(BASE)
    assert np.array_equal(resident.fingerprint(requests_of(resident, WRITING)), before)
    assert answers(resident, CHOOSING) == unattached


@pytest.mark.parametrize("kind", PROMPTS)
def test_virtual_tokens_answer_as_in_pefts_forward(kind: str, llama: Path, tmp_path: Path) -> None:
    check_prompt(llama, train(llama, tmp_path / kind, kind))


@pytest.mark.parametrize("kind", ["prompt", "prefix"])
def test_virtual_tokens_before_an_nf4_base(kind: str, tmp_path: Path) -> None:
    base = random_model(LLAMA, tmp_path / "base", hidden_size=128, intermediate_size=192)
    resident = engine(base, Precision.NF4)
    before = resident.fingerprint(requests_of(resident, WRITING))
    resident.attach(str(train(base, tmp_path / kind, kind)))
    resident.use(ADAPTER)
    whole = resident.resident.whole
    for request, reply in zip(requests_of(resident, CHOOSING), answers(resident, CHOOSING), strict=True):
        assert np.abs(np.array(reply.logprobs) - naive_sums(whole, request)).max() <= 2e-4
    assert largest(resident.fingerprint(requests_of(resident, WRITING)), before) > 0.01
    resident.use(BASE)
    assert np.array_equal(resident.fingerprint(requests_of(resident, WRITING)), before)


BEGINNING = " ".join(some_prompts(6, seed=3))
SHARED = [f"{BEGINNING} {text}" for text in some_prompts(12, seed=4)]


@pytest.mark.parametrize("kind", ["prompt", "prefix"])
@pytest.mark.parametrize("choices", [(), some_choices(12)], ids=["generate", "choose"])
def test_shared_beginnings_stand_behind_virtual_tokens(
    kind: str, choices: list[list[str]], llama: Path, tmp_path: Path
) -> None:
    suite = a_suite(SHARED, choices, max_new_tokens=4)
    adapter = train(llama, tmp_path / kind, kind)
    resident = engine(llama)
    requests = requests_of(resident, suite)
    assert max(len(batch.plan.prefix) for batch in resident.batches(suite, requests)) > 20
    resident.attach(str(adapter))
    resident.use(ADAPTER)
    expected = peft_model(llama, adapter)
    for request, reply in zip(requests, answers(resident, suite), strict=True):
        if choices:
            assert np.abs(np.array(reply.logprobs) - naive_sums(expected, request)).max() <= 2e-4
        else:
            assert reply.text == naive_text(expected, request, llama, 4)


def test_alone_and_in_company_the_reply_is_the_same(llama: Path, tmp_path: Path) -> None:
    """Serving figures come from PEFT's own `generate`."""
    resident = engine(llama)
    for kind in PROMPTS:
        resident.attach(str(train(llama, tmp_path / kind, kind)))
        resident.use(ADAPTER)
        requests = requests_of(resident, WRITING)
        decode = AutoTokenizer.from_pretrained(str(llama)).decode
        for request, reply in zip(requests, answers(resident, WRITING), strict=True):
            written = [token for token in resident.alone(WRITING, request).tokens if token != END]
            assert decode(written, clean_up_tokenization_spaces=False) == reply.text


@pytest.mark.parametrize("kind", ["prompt", "prefix"])
@pytest.mark.parametrize("family", [f for f in FAMILIES if f is not LLAMA], ids=str)
def test_every_family_takes_virtual_tokens(family: Family, kind: str, tmp_path: Path) -> None:
    base = random_model(family, tmp_path / "base")
    check_prompt(base, train(base, tmp_path / kind, kind))
